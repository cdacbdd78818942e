"""A project's patch is executed when torch is imported, also where a library looked for torch before."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from scripts.benchmarks.wild.running import INJECTED


def test_a_patch_is_executed_though_torch_was_looked_for_before(tmp_path: Path) -> None:
    (tmp_path / "torch.py").write_text("VALUE = 1\n")
    (tmp_path / "patch.py").write_text("import sys\nsys.modules['torch'].VALUE = 2\n")
    (tmp_path / "train.py").write_text(
        "import importlib.util\nassert importlib.util.find_spec('torch')\nimport torch\nprint(torch.VALUE)\n"
    )
    variables = os.environ | {
        "PYTHONPATH": os.pathsep.join([str(INJECTED), str(tmp_path)]),
        "WILD_STAMPS": str(tmp_path / "stamps"),
        "WILD_PATCH": str(tmp_path / "patch.py"),
    }
    done = subprocess.run(
        [sys.executable, str(tmp_path / "train.py")], env=variables, capture_output=True, text=True, timeout=60
    )
    assert (done.stdout, done.stderr) == ("2\n", "")
