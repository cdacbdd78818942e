"""Build the device with the machine's C++ compiler against the torch that is installed, once for a torch and a source."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

SOURCE = Path(__file__).with_name("device.cpp")
_LIBRARIES = ("c10", "torch_cpu")


def compiler() -> str | None:
    """Return the C++ compiler, None when there is none."""
    return shutil.which("c++") or shutil.which("g++") or shutil.which("clang++")


def why_not() -> str | None:
    """Return why the device cannot be built here; None where it can."""
    if compiler() is None:
        return "no C++ compiler here to build the device double with"
    torch = _torch()
    if torch is None or not (torch / "include" / "ATen" / "EmptyTensor.h").exists():
        return "no torch with its C++ headers here"
    return None


def build(folder: Path) -> Path:
    """Compile the device into `folder`, unless it holds the same one already, and return the library's path."""
    torch = _torch()
    assert torch is not None
    told = SOURCE.read_bytes() + (torch / "version.py").read_bytes() + str(torch).encode()
    library = folder / f"device-{hashlib.sha256(told).hexdigest()[:16]}.so"
    if not library.exists():
        folder.mkdir(parents=True, exist_ok=True)
        _compile(torch, library)
    return library


def _compile(torch: Path, library: Path) -> None:
    """Optimise nothing: that halves the time, and what takes time in this device is sleep."""
    includes = [f"-I{torch / 'include'}"]
    linked = [f"-L{torch / 'lib'}", *(f"-l{name}" for name in _LIBRARIES), f"-Wl,-rpath,{torch / 'lib'}"]
    with tempfile.TemporaryDirectory(dir=library.parent) as made:
        part = Path(made) / library.name
        flags = ["-O0", "-std=c++20", "-shared", "-fPIC", "-pthread", "-w"]
        subprocess.run([compiler() or "c++", *flags, *includes, str(SOURCE), "-o", str(part), *linked], check=True)
        os.replace(part, library)


def _torch() -> Path | None:
    spec = importlib.util.find_spec("torch")
    return Path(spec.origin).parent if spec is not None and spec.origin is not None else None
