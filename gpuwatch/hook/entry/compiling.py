"""Excludes the hook from torch.compile: its frames are run as they are, never traced or compiled.

Without this, a compiled function that calls backward or iterates a loader has our few functions compiled as well:
same graphs, more frames, more compile time.
"""

from __future__ import annotations

import os
import sys

from ..trainer import phases

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import CodeType
    from typing import Any

# In a traced step the optimizer hooks must be traced: skipping them there would break the graph in two.
_NOT_SKIPPED = ("phases.py", "__init__.py", "sitecustomize.py", "inject.py")


def on_import(name: str, module: Any) -> None:
    """Have `torch._dynamo.trace_rules` skip this package, all but the optimizer hooks inside a trace."""
    ours = [file for file in _files() if file not in module.SKIP_DIRS]
    if ours:  # none where the hook was in this process before
        module.SKIP_DIRS.extend(ours)
        module._recompile_re()
    phases.is_compiling = sys.modules["torch"].compiler.is_dynamo_compiling
    for function in (phases.step_begins, phases.step_ends):
        _never_compile_alone(function.__code__)


def _files() -> list[str]:
    package = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    return [
        os.path.join(folder, file)
        for part in ("hook", "words")
        for folder, _, files in sorted(os.walk(os.path.join(package, part)))
        for file in sorted(files)
        if file.endswith(".py") and file not in _NOT_SKIPPED
    ]


def _never_compile_alone(code: CodeType) -> None:
    from torch._C._dynamo import eval_frame

    if hasattr(eval_frame, "skip_code"):  # until torch 2.7
        eval_frame.skip_code(code)
        return
    skip, default = eval_frame._FrameAction.SKIP, eval_frame._FrameAction.DEFAULT
    eval_frame.set_code_exec_strategy(code, eval_frame._FrameExecStrategy(skip, default))
