"""Samples inside of tools rather than of the training: the checks of autograd's anomaly mode, torch's compiler, a tracer."""

from __future__ import annotations

from collections.abc import Sequence

from gpuwatch.analyze.lines.frames import Frame
from gpuwatch.model.hot_lines import Tool

# What is in the path of a tool's files.
_FILES: tuple[tuple[Tool, tuple[str, ...]], ...] = (
    ("compiler", ("torch/_dynamo/", "torch/_inductor/", "torch/_functorch/_aot_autograd/")),
    ("tracer", ("/pydevd", "/_pydevd", "/coverage/", "/bdb.py", "/trace.py", "/viztracer/", "/line_profiler/")),
    ("profiler", ("torch/profiler/",)),
)
# Anomaly mode keeps where each operation was called, for which torch formats the stack.
_FORMATS = ("torch/fx/traceback.py", "/traceback.py", "/linecache.py")
_NEAR = 6
# Frames of the compiler that only call compiled code.
_RUNS = ("_fn", "__call__", "_call_impl", "_wrapped_call_impl", "compile_wrapper", "inner", "runtime_wrapper")


def tool_of(stack: Sequence[Frame]) -> Tool | None:
    """Return the tool that was at work in a stack, or None."""
    files = [frame.file.replace("\\", "/") for frame in stack]
    if any(file.endswith(_FORMATS) for file in files[-_NEAR:]) and not any("/logging/" in file for file in files):
        return "anomaly"
    for tool, parts in _FILES:
        for frame, file in zip(stack, files, strict=True):
            if any(part in file for part in parts) and not (tool == "compiler" and frame.name in _RUNS):
                return tool
    return None
