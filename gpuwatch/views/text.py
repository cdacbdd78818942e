"""Strings and numbers for people: foreign text made harmless, paths made short, figures from `words.units`."""

from __future__ import annotations

import math
import os
import re
import unicodedata
from collections.abc import Callable

from gpuwatch.model.findings import Speedup
from gpuwatch.model.measures import Interval, Place
from gpuwatch.model.recording import RunInfo
from gpuwatch.words import units
from gpuwatch.words.source_code import cell_name
from gpuwatch.words.units import DASH, count, duration, factor, figures, milliseconds, percent, size

# The figures' home is `words.units`, below the views; a view takes both from here.
__all__ = [
    "DASH",
    "clean",
    "count",
    "duration",
    "ending",
    "ending_of",
    "factor",
    "factor_range",
    "figures",
    "gain",
    "link",
    "milliseconds",
    "percent",
    "place",
    "relative",
    "share_range",
    "shorten",
    "shorten_path",
    "shorten_start",
    "size",
    "value",
]
SMALLEST_GAIN = 1.005
_STANDARD_LIBRARY = re.compile(r"/lib/(python3\.\d+/.+)$")
_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|[\]PX^_].*?(?:\x07|\x1b\\|$)|[@-Z\\-_])", re.DOTALL)


def clean(text: object) -> str:
    """Return foreign text on one line, with nothing in it that could steer a terminal or turn its direction."""
    harmless = _ESCAPES.sub("", str(text)).replace("\t", "  ").replace("\n", " ").replace("\r", " ")
    return "".join("\ufffd" if _steers(char) else char for char in harmless)


def _steers(char: str) -> bool:
    # Cc: control, Cf: bidi marks and zero-width joiners, Cs: what os.fsdecode makes of bytes that are not UTF-8.
    return unicodedata.category(char) in ("Cc", "Cf", "Cs")


def shorten(text: str, width: int) -> str:
    """Return text cut at the end to `width` characters, with an ellipsis where it was cut."""
    return text if len(text) <= width else text[: max(width - 1, 0)].rstrip() + "…"


def shorten_start(text: str, width: int) -> str:
    """Return text cut at its beginning to `width` characters: of commands that are alike the end tells them apart."""
    return text if len(text) <= width else "…" + text[len(text) - max(width - 1, 0) :].lstrip()


def shorten_path(path: str, width: int) -> str:
    """Return a path cut in its middle: the file's name, with its line, is never lost."""
    if len(path) <= width:
        return path
    folders, _, name = path.rpartition("/")
    room = width - len(name) - 3
    if room < 1:
        return f"…/{name}" if folders else name
    kept = folders[-room:]
    return f"…/{kept.partition('/')[2]}/{name}" if "/" in kept else f"…/{name}"


def relative(path: str, base: str) -> str:
    """Return a path as seen from `base`; from its package on when it lies in an environment's library."""
    for root in ("/site-packages/", "/dist-packages/"):
        if root in path:
            return path.rpartition(root)[2]
    library = _STANDARD_LIBRARY.search(path)
    if library:
        return library[1]
    if base and path.startswith(base.rstrip("/") + "/"):
        return os.path.relpath(path, base)
    return path


def place(where: Place | None, base: str) -> str:
    """Return `file:line` as an editor's terminal recognises it, of a notebook's cell its number; empty when unknown."""
    if where is None:
        return ""
    cell = cell_name(where.file)
    return f"{cell}, line {where.line}" if cell else f"{relative(clean(where.file), base)}:{where.line}"


def link(where: Place | None) -> str:
    """Return the file that a place can be opened in; empty for a notebook's cell, which is none."""
    return "" if where is None or cell_name(where.file) else clean(where.file)


def call(frame: Place) -> str:
    """Return one call of a stack: `function (file:line)`."""
    cell = cell_name(frame.file)
    return f"{frame.function or '?'} ({f'{cell}, line {frame.line}' if cell else f'{frame.file}:{frame.line}'})"


def gain(speedup: Speedup | None) -> str:
    """Return a predicted speed-up with its interval: 1.50× faster (1.40–1.60); empty when there is none to win."""
    if speedup is None or not math.isfinite(speedup.predicted) or speedup.predicted < SMALLEST_GAIN:
        return ""
    return factor_range(Interval(speedup.predicted, speedup.low, speedup.high), " faster")


def factor_range(ratio: Interval, word: str = "") -> str:
    """Return a ratio with its interval: 1.50× (1.40–1.60)."""
    return units.factor_range(ratio.median, ratio.low, ratio.high, word)


def share_range(interval: Interval | None) -> str:
    """Return a share with its interval: 33% (31–35%)."""
    if interval is None:
        return DASH
    low, high = percent(interval.low), percent(interval.high)
    middle = percent(interval.median)
    return middle if low == high else f"{middle} ({low.removesuffix('%')}{DASH}{high})"


def value(number: object, unit: str) -> str:
    """Return one piece of evidence: the number in its unit."""
    if number is None:
        return DASH
    if isinstance(number, (bool, str)) or not isinstance(number, (int, float)):
        return clean(number)
    if unit.startswith("share of "):
        return f"{percent(float(number))}{clean(unit.removeprefix('share'))}"
    if unit in _UNITS:
        return _UNITS[unit](float(number))
    return f"{figures(float(number))} {clean(unit)}".strip()


_UNITS: dict[str, Callable[[float], str]] = {
    "share": percent,
    "ms": milliseconds,
    "s": duration,
    "bytes": size,
    "x": factor,
}


def ending_of(run: RunInfo) -> str:
    """Return how a run ended, in a few words; of a training that was attached to, how long it had been running then."""
    if run.in_process is not None and run.state == "finished":
        raised = run.in_process.get("raised")
        return f"ended by {clean(raised)}" if raised else "finished"
    if run.attached is None:
        return ending(run.exit_code, run.signal, run.state)
    age = run.attached.get("age_s")
    return f"attached after {duration(age)}" if isinstance(age, (int, float)) else "attached"


def ending(exit_code: int | None, signal: int | None, state: str) -> str:
    """Return how a command ended, in a few words."""
    if state == "running":
        return "still running"
    if signal is not None:
        return f"killed by signal {signal}"
    if exit_code is not None:
        return "finished" if exit_code == 0 else f"ended with status {exit_code}"
    return "end not recorded"
