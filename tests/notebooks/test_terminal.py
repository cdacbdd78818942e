"""IPython without a notebook: the magic ends with the card as text, and can be taken away again."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

import gpuwatch
from tests.unit.hook.hooked import bare_environment

pytest.importorskip("IPython", reason="needs IPython (uv sync)")

SCRIPT = """
import json
from IPython.core.interactiveshell import InteractiveShell
from gpuwatch.errors import UsageError

shell = InteractiveShell.instance()
shell.run_line_magic("load_ext", "gpuwatch")
value = shell.run_cell("%%gpuwatch --no-stacks\\nfor n in range(3):\\n    last = n\\nlast").result
failed = shell.run_cell("%%gpuwatch --no-stacks\\nraise KeyboardInterrupt").error_in_exec
wrong = shell.run_cell("%%gpuwatch --rate often\\n1").error_in_exec
shell.run_line_magic("unload_ext", "gpuwatch")
there = "gpuwatch" in shell.magics_manager.magics["cell"]
print(json.dumps([value, shell.user_ns["last"], type(failed).__name__, isinstance(wrong, UsageError), there]))
"""


def test_the_card_is_text(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        env={**bare_environment(), "PYTHONPATH": str(Path(gpuwatch.__file__).parents[1]), "IPYTHONDIR": str(tmp_path)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == [2, 2, "KeyboardInterrupt", True, False]
    assert done.stderr.count("gpuwatch  20") == 2 and "ended by KeyboardInterrupt" in done.stderr
