"""A stack is the model's where torch runs a module, a backward pass or an optimizer's update at its end."""

from __future__ import annotations

import pytest

from gpuwatch.analyze.lines.frames import Frame
from gpuwatch.analyze.lines.model_calls import IN_MODEL, part_of

SITE = "/v/lib/python3.11/site-packages"
FIT = (Frame("main", "/home/me/train.py", 9), Frame("Trainer.fit", f"{SITE}/lightning/trainer.py", 500))
MODULE = Frame("Module._call_impl", f"{SITE}/torch/nn/modules/module.py", 1700)
BACKWARD = (
    Frame("Tensor.backward", f"{SITE}/torch/_tensor.py", 600),
    Frame("_engine_run_backward", f"{SITE}/torch/autograd/graph.py", 800),
)
WRAPPER = Frame("wrapper", f"{SITE}/torch/optim/optimizer.py", 500)
STEP = Frame("SGD.step", f"{SITE}/torch/optim/sgd.py", 120)
UPDATE = Frame("_multi_tensor_sgd", f"{SITE}/torch/optim/sgd.py", 400)
CLOSURE = Frame("Closure.__call__", f"{SITE}/lightning/closure.py", 130)


@pytest.mark.parametrize(
    "frames",
    [
        (*FIT, MODULE, Frame("Net.forward", "/home/me/net.py", 5)),
        (*FIT, *BACKWARD),
        (
            Frame("main", "/home/me/train.py", 9),
            Frame("Accelerator.backward", f"{SITE}/accelerate/accelerator.py", 9),
            *BACKWARD,
        ),
        (*FIT, WRAPPER, STEP, UPDATE),
        (*FIT, WRAPPER, STEP, CLOSURE, MODULE),
    ],
)
def test_the_model_is_found_below_whatever_calls_it(frames: tuple[Frame, ...]) -> None:
    assert part_of(frames) in IN_MODEL


@pytest.mark.parametrize(
    "frames",
    [
        FIT,
        # What an optimizer calls back is not its update.
        (*FIT, WRAPPER, STEP, CLOSURE, Frame("Logger.log", f"{SITE}/lightning/loggers.py", 7)),
        # A user's own backward is no torch's.
        (Frame("backward", "/home/me/train.py", 9),),
        (Frame("main", "/home/me/train.py", 9), Frame("Module.state_dict", f"{SITE}/torch/nn/modules/module.py", 2100)),
        (),
    ],
)
def test_other_code_is_not_the_model(frames: tuple[Frame, ...]) -> None:
    assert part_of(frames) not in IN_MODEL
