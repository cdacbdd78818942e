"""Whether a stack is in the model, its backward pass or its optimizer: by torch's own frames, whoever called them."""

from __future__ import annotations

from collections.abc import Sequence

from gpuwatch.analyze.lines.frames import Frame
from gpuwatch.words.source_code import package_of

_MODULE_CALLS = ("_call_impl", "_wrapped_call_impl")
_OPTIMIZERS = "torch/optim/"
_AUTOGRAD = ("torch/autograd/", "torch/_tensor.py")


def is_in_model(frames: Sequence[Frame]) -> bool:
    """Say whether a stack, the leaf last, is in a module's forward, a backward pass or an optimizer's update.

    What an optimizer's step calls back is not its update: Lightning runs the whole training step in a closure."""
    left_torch = False
    for frame in reversed(frames):
        torch = package_of(frame.file) == "torch"
        file = frame.file.replace("\\", "/")
        if torch and frame.name in _MODULE_CALLS:
            return True
        if torch and frame.name in ("backward", "_engine_run_backward") and any(part in file for part in _AUTOGRAD):
            return True
        if _OPTIMIZERS in file and not left_torch:
            return True
        left_torch = left_torch or not torch
    return False
