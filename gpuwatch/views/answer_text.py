"""What `gpuwatch try` answers, in words: the edits to make, what they were worth together, and what is no part of them."""

from __future__ import annotations

from gpuwatch.model.experiment import Answer, LeftOut
from gpuwatch.model.measures import Interval
from gpuwatch.views import text
from gpuwatch.views.text import clean

_NUMBERS = {1: "one", 2: "two", 3: "three", 4: "four", 5: "five"}
_LEFT_OUT = {
    "alternative": "it does the work of {} another way",
    "adds nothing": "beside {} it adds less than 3 %",
    "freezes draws": "it would repeat what is drawn at random",
    "not measured together": "the budget ended before it was measured together with {}",
}


def answer(found: Answer) -> str:
    """Return what to change and what it was worth, on one line."""
    number = len(found.remedies)
    edits = f"with {'this' if number == 1 else 'these'} {_NUMBERS.get(number, number)} edit{'s' if number > 1 else ''}"
    predicted = f"; predicted {text.factor(found.predicted, 2)}" if found.predicted else ""
    return f"{speedup(found.ratio)} {edits}: {' + '.join(found.remedies)}{predicted}; outputs: {clean(found.outputs)}"


def left_out(row: LeftOut) -> str:
    """Return why a remedy that helps alone is no part of the answer."""
    return f"Not among them, though it helps alone: {row.remedy}; {_LEFT_OUT[row.reason].format(row.beside)}."


def speedup(value: Interval | None) -> str:
    """Return a ratio with its interval; that of one round has none."""
    if value is None:
        return text.DASH
    return f"{text.factor(value.median, 2)} {spread(value, f'{value.low:.2f}', f'{value.high:.2f}')}"


def spread(value: Interval, low: str, high: str) -> str:
    """Return the ends of an interval, or that one round has none."""
    return f"({low}{text.DASH}{high})" if value.n > 1 else "(one round)"
