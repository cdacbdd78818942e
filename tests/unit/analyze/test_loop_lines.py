"""Whose loop a stack stands in, from where the loops over the loaders begin."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from gpuwatch.analyze.lines.frames import Frame
from gpuwatch.analyze.lines.loop_lines import LoopLines
from gpuwatch.model.measures import Place

TRAIN, VALIDATE = Place("/t.py", 39, "main"), Place("/t.py", 20, "Trainer.validate")


def loader(role: str, *places: Place | None) -> Any:
    return SimpleNamespace(role=role, iterators=[SimpleNamespace(place=place) for place in places])


def test_the_innermost_loop_decides() -> None:
    loops = LoopLines([loader("training", TRAIN), loader("evaluation", VALIDATE)])
    inside = [Frame("<module>", "/t.py", 49), Frame("main", "/t.py", 44), Frame("Trainer.validate", "/t.py", 21)]
    assert loops.is_evaluation([*inside, Frame("Linear.forward", "/site-packages/torch/nn/linear.py", 134)]) is True
    assert loops.is_evaluation([*inside[:2], Frame("Tensor.backward", "/torch/_tensor.py", 6)]) is False


def test_a_function_with_both_loops_or_none_says_nothing() -> None:
    both = LoopLines([loader("training", TRAIN), loader("evaluation", Place("/t.py", 60, "main"), None)])
    assert both.is_evaluation([Frame("main", "/t.py", 44)]) is None
    assert both.is_evaluation([Frame("other", "/t.py", 44)]) is None
