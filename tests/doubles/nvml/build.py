"""Build the double with the machine's C compiler, once per test session."""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
from pathlib import Path

SOURCE = Path(__file__).with_name("nvml_double.c")
LIBRARY = "libnvidia-ml.so.1"


def compiler() -> str | None:
    """Return the C compiler, None when there is none."""
    return shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")


def build(folder: Path) -> Path:
    """Compile the double into `folder` and return the library's path; that folder goes on LD_LIBRARY_PATH."""
    folder.mkdir(parents=True, exist_ok=True)
    rest = folder / "not_supported.c"
    rest.write_text("".join(f"int {name}(void) {{ return 3; }}\n" for name in sorted(_entry_points() - _written())))
    library = folder / LIBRARY
    flags = ["-O2", "-shared", "-fPIC", f"-Wl,-soname,{LIBRARY}"]
    subprocess.run([compiler() or "cc", *flags, "-o", library, SOURCE, rest, "-lm"], check=True)
    return library


def _written() -> set[str]:
    return set(re.findall(r"\b(nvml\w+)\(.*\{", SOURCE.read_text()))


def _entry_points() -> set[str]:
    """Return every function that pynvml may look for in the library."""
    spec = importlib.util.find_spec("pynvml")
    assert spec is not None and spec.origin is not None
    return set(re.findall(r'_nvmlGetFunctionPointer\("(nvml\w+)"\)', Path(spec.origin).read_text()))
