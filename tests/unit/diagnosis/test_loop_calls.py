"""Which lines of a step are one change: those below one call of the training loop."""

from __future__ import annotations

from gpuwatch.diagnosis.examples.parts import make_hot_line, make_profile
from gpuwatch.diagnosis.loop_calls import of_one_call
from gpuwatch.model.hot_lines import HotLine
from gpuwatch.model.measures import Place


def _line(number: int, *functions: str) -> HotLine:
    stack = tuple(Place("/home/me/train.py", number, function) for function in functions)
    return make_hot_line(
        file="/home/me/train.py",
        line=number,
        function=functions[-1],
        stack=stack,
        process_role="trainer",
        activity="step",
    )


MODEL = _line(10, "main", "train", "forward")
STEP, HELPER = _line(20, "main", "train", "simulate"), _line(25, "main", "train", "simulate", "noise")
LOG, OWN = _line(30, "main", "train", "log"), _line(40, "main", "train")


def test_a_function_that_the_loop_calls_and_its_helpers_are_one() -> None:
    lines = [STEP, HELPER, LOG, OWN]
    profile = make_profile(hot_lines=(MODEL, *lines))
    assert of_one_call(profile, HELPER, lines) == [STEP, HELPER]
    assert of_one_call(profile, LOG, lines) == [LOG]
    assert of_one_call(profile, OWN, lines) == [OWN]


def test_all_of_a_loop_that_has_nothing_else_is_one() -> None:
    profile = make_profile(hot_lines=(STEP,))
    assert of_one_call(profile, STEP, [STEP]) == [STEP]
