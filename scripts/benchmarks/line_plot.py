"""A line plot as SVG, both axes logarithmic: readable on light and dark pages, without a library to draw it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 720, 400, 64, 190, 28, 56
# Told apart by people who do not see colours alike (Okabe and Ito).
COLORS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
Points = Sequence[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Axis:
    """One axis: its title, and where its marks stand, by value."""

    title: str
    marks: Mapping[float, str]

    def share(self, value: float) -> float:
        """Return where a value lies between the first mark and the last, 0 to 1."""
        low, high = (math.log(end) for end in (min(self.marks), max(self.marks)))
        return min(max((math.log(value) - low) / (high - low), 0.0), 1.0)


def draw(title: str, lines: Mapping[str, Points], x: Axis, y: Axis) -> str:
    """Return the plot of some lines; a legend names them in their order."""
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title)}"'
        ' font-family="system-ui, sans-serif" font-size="13">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
        *(_vertical(x, value, label) for value, label in x.marks.items()),
        *(_horizontal(y, value, label) for value, label in y.marks.items()),
        _text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 12, x.title),
        f'<text transform="translate(16 {(TOP + HEIGHT - BOTTOM) / 2:.0f}) rotate(-90)" text-anchor="middle" fill="#333">{escape(y.title)}</text>',
        *(_line(x, y, number, name, points) for number, (name, points) in enumerate(lines.items())),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _across(axis: Axis, value: float) -> float:
    return LEFT + axis.share(value) * (WIDTH - LEFT - RIGHT)


def _up(axis: Axis, value: float) -> float:
    return HEIGHT - BOTTOM - axis.share(value) * (HEIGHT - TOP - BOTTOM)


def _vertical(axis: Axis, value: float, label: str) -> str:
    at = _across(axis, value)
    rule = f'<path d="M{at:.1f} {TOP}V{HEIGHT - BOTTOM}" stroke="#ddd"/>'
    return rule + _text(at, HEIGHT - BOTTOM + 18, label)


def _horizontal(axis: Axis, value: float, label: str) -> str:
    at = _up(axis, value)
    rule = f'<path d="M{LEFT} {at:.1f}H{WIDTH - RIGHT}" stroke="#ddd"/>'
    return rule + _text(LEFT - 8, at + 4, label, "end")


def _text(x: float, y: float, words: str, anchor: str = "middle") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="#333">{escape(words)}</text>'


def _line(x: Axis, y: Axis, number: int, name: str, points: Points) -> str:
    color = COLORS[number % len(COLORS)]
    places = [(_across(x, one), _up(y, other)) for one, other in points]
    drawn = " ".join(f"{across:.1f},{up:.1f}" for across, up in places)
    dots = "".join(f'<circle cx="{across:.1f}" cy="{up:.1f}" r="3.5" fill="{color}"/>' for across, up in places)
    at = TOP + 12 + 22 * number
    legend = f'<path d="M{WIDTH - RIGHT + 14} {at}h22" stroke="{color}" stroke-width="2.5"/>'
    legend += _text(WIDTH - RIGHT + 42, at + 4, name, "start")
    return f'<polyline points="{drawn}" fill="none" stroke="{color}" stroke-width="2.5"/>{dots}{legend}'
