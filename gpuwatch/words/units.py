"""Units and figures: how a number is written for people, in Prometheus and in a limit. No exponents, plurals that fit."""

from __future__ import annotations

import math
from typing import NamedTuple

DASH = "–"


class Unit(NamedTuple):
    """A unit of a figure: what it is called, its name and scale in Prometheus, and how a limit in it may be written."""

    about: str
    symbol: str = ""
    suffix: str = ""
    scale: float = 1.0
    # What may stand behind the number in --fail-on, and the factor to this unit; none where no limit can be written.
    # A share without % is refused: 10 and 0.1 would both be plausible.
    limits: dict[str, float] = {}
    wanted: str = ""

    @property
    def written(self) -> str:
        """Return how a limit ends: `%`, `ms or s`, `number` for one without a unit."""
        return " or ".join(self.limits).strip() or "number"


# Prometheus wants base units, and the unit as the end of the name.
UNITS = {
    "share": Unit("share, 0 to 1", "%", "_ratio", 1.0, {"%": 0.01}, "a share: write 10%"),
    "s": Unit("seconds", "s", "_seconds", 1.0, {"s": 1.0, "ms": 0.001}, "a time: write s or ms"),
    "ms": Unit("milliseconds", "ms", "_seconds", 1e-3, {"ms": 1.0, "s": 1000.0}, "a time: write ms or s"),
    "us": Unit("microseconds", "µs", "_seconds", 1e-6),
    "bytes": Unit("bytes", "B", "_bytes"),
    "count": Unit("number"),
    "per_s": Unit("per second", "", "_per_second", 1.0, {"": 1.0}, "a plain number"),
    "cores": Unit("cores", "cores", "_cores"),
    "W": Unit("watts", "W", "_watts"),
    "J": Unit("joules", "J", "_joules"),
    "C": Unit("degrees Celsius", "°C", "_celsius"),
    "MHz": Unit("megahertz", "MHz", "_mhz"),
    "x": Unit("factor", "×", "_factor"),
}


def figures(value: float | None, digits: int = 3, grouped: bool = True) -> str:
    """Return a number with that many significant figures and no exponent."""
    if value is None or not math.isfinite(value):
        return DASH
    if value == 0:
        return "0"
    decimals = max(digits - 1 - math.floor(math.log10(abs(value))), 0)
    text = f"{value:{',' if grouped else ''}.{decimals}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def count(number: float, noun: str, plural: str = "", digits: int = 3) -> str:
    """Return a number with its noun: `1 worker`, `1,024 steps`, `1.5 cores`; `plural` where an s is not enough."""
    shown = f"{number:,}" if isinstance(number, int) else figures(number, digits)
    return f"{shown} {noun if shown == '1' else plural or noun + 's'}"


def percent(share: float | None, decimals: int = 0) -> str:
    """Return a share as a percentage; a dash when it was not measured, `<1%` when it is small but not nothing."""
    if share is None or not math.isfinite(share):
        return DASH
    if not decimals and 0 < share < 0.005:
        return "<1%"
    return f"{share * 100:.{decimals}f}%"


def duration(seconds: float | None) -> str:
    """Return a duration in the two largest units that matter."""
    if seconds is None or not math.isfinite(seconds):
        return DASH
    if seconds < 0.9995:
        return milliseconds(seconds * 1e3)
    if seconds < 99.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min"


def milliseconds(ms: float | None) -> str:
    """Return milliseconds with three figures, in µs, ms or s."""
    if ms is None or not math.isfinite(ms):
        return DASH
    if abs(ms) < 1e-6:  # less than a nanosecond is rounding
        return "0 ms"
    if abs(ms) < 0.9995:
        return f"{figures(ms * 1e3)} µs"
    return f"{figures(ms)} ms" if ms < 9999.5 else f"{figures(ms / 1e3)} s"


def size(number: float | None) -> str:
    """Return bytes in binary units with decimal-free names people use (kB, MB, GB)."""
    if number is None or not math.isfinite(number):
        return DASH
    for unit in ("B", "kB", "MB", "GB"):
        if number < 1000:
            return f"{figures(number)} {unit}"
        number /= 1024
    return f"{figures(number)} TB"


def factor(value: float | None, decimals: int | None = None) -> str:
    """Return a speed-up: 1.7×."""
    if value is None or not math.isfinite(value):
        return DASH
    return f"{value:.{_decimals(value) if decimals is None else decimals}f}×"


def factor_range(median: float, low: float, high: float, word: str = "") -> str:
    """Return a ratio with its interval: 1.50× (1.40–1.60); `word` follows the ratio."""
    digits = _decimals(median)
    middle, first, last = (f"{x:.{min(digits, _decimals(x)) if x > 9.95 else digits}f}" for x in (median, low, high))
    return f"{middle}×{word}" if first == last else f"{middle}×{word} ({first}{DASH}{last})"


def _decimals(value: float) -> int:
    return 2 if value < 1.95 else 1 if value < 9.95 else 0
