"""Which part of a training step a stack is in: by frames of torch and of what runs on it, whoever called them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from gpuwatch.analyze.lines.frames import Frame
from gpuwatch.analyze.lines.host_code import is_host_code
from gpuwatch.analyze.lines.waiting import waits_for_program
from gpuwatch.words.source_code import hands_over, is_framework, is_library, package_of

# `torch`: torch's own code outside of the model, which a loss or a model written out in tensor operations may be as well;
# `library`: other installed code there, which is neither; `own`: the user's code, and what it calls in C.
# `host`: code of the host inside of the model or before the backward, which belongs to no module's computing; `hook`: what a
# backward pass calls back for each gradient.
Part = Literal["forward", "backward", "optimizer", "torch", "library", "own", "waiting", "host", "hook"]
IN_MODEL: frozenset[Part] = frozenset(("forward", "backward", "optimizer"))

_MODULE_CALLS = ("_call_impl", "_wrapped_call_impl")
# A layer of Keras is called by its own `__call__`, and so is a loss.
_KERAS_CALLS = ("keras/src/layers/layer.py", "keras/src/losses/loss.py", "keras/src/trainers/compile_utils.py")
_AUTOGRAD = ("torch/autograd/", "torch/_tensor.py")
_ENGINE = ("backward", "grad", "_engine_run_backward")
# Where optimizers have their step: torch's (whose wrapper is around that of any class derived from it), fastai's, Keras's.
_OPTIMIZERS = ("torch/optim/", "fastai/optimizer.py", "keras/src/optimizers/", "keras/src/backend/torch/optimizers/")
_COMPILERS = ("torch/_dynamo/", "torch/_inductor/", "torch/_functorch/")
_WRAPPERS = ("wrapper", "decorate_context", "_use_grad", "_compile")


def part_of(frames: Sequence[Frame]) -> Part:
    """Return the part of a step that a stack, the leaf last, is in.

    What an optimizer's step calls back is not its update: Lightning runs the whole training step in a closure."""
    for at in reversed(range(len(frames))):
        if is_model_call(frames[at]):
            return "host" if is_host_code(frames[at:]) else "forward"
        if _is_backward(frames[at]):
            return "hook" if _is_hook(frames[at + 1 :]) else "backward"
    if _is_update(frames):
        return "optimizer"
    return _outside(frames)


def timed_part(function: str, library: str | None) -> Part:
    """Return what is known of a line without a stack, by its function and the library that it called."""
    if function in ("forward", "backward"):
        return "forward" if function == "forward" else "backward"
    if library is not None and library.startswith("torch"):
        return "torch"
    return "own" if not library or is_framework(library) else "library"


def model_begins(frames: Sequence[Frame]) -> int:
    """Return where in a stack the model, its backward pass or its optimizer begins: its length where none does."""
    for at, frame in enumerate(frames):
        if is_model_call(frame) or _is_backward(frame) or any(part in _slashed(frame) for part in _OPTIMIZERS):
            return at
    return len(frames)


def is_model_call(frame: Frame) -> bool:
    """Say whether a frame is the call of a module."""
    if frame.name in _MODULE_CALLS:
        return package_of(frame.file) == "torch"
    return frame.name == "__call__" and _slashed(frame).endswith(_KERAS_CALLS)


def _is_backward(frame: Frame) -> bool:
    return frame.name in _ENGINE and any(part in _slashed(frame) for part in _AUTOGRAD)


def _is_hook(below: Sequence[Frame]) -> bool:
    """Say whether the frames below a backward pass are a hook of the user's or of a library: a function of autograd's own
    kind has torch's frame above it."""
    called = next((frame for frame in below if not _is_backward(frame)), None)
    return called is not None and not package_of(called.file).startswith("torch") and not called.file.startswith("<")


def _is_update(frames: Sequence[Frame]) -> bool:
    """Say whether a stack ends in an optimizer's step: in its own package, or in what that calls of torch's."""
    begins = next((i for i, frame in enumerate(frames) if any(part in _slashed(frame) for part in _OPTIMIZERS)), None)
    if begins is None:
        return False
    step = next((frame for frame in frames[begins:] if not frame.name.startswith(_WRAPPERS)), frames[begins])
    packages = {"torch", package_of(frames[begins].file), package_of(step.file)}
    return all(package_of(frame.file) in packages for frame in frames[begins:])


def _outside(frames: Sequence[Frame]) -> Part:
    leaf = next((frame for frame in reversed(frames) if not frame.file.startswith("<")), None)
    if leaf is None or not is_library(leaf.file):
        if leaf is not None and is_host_code(frames):
            return "host"
        return "torch" if any(part in _slashed(frame) for frame in frames for part in _COMPILERS) else "own"
    if waits_for_program(frames):
        return "host"
    if hands_over(leaf.file):
        return "waiting"
    return "torch" if package_of(leaf.file).startswith("torch") else "library"


def _slashed(frame: Frame) -> str:
    return frame.file.replace("\\", "/")
