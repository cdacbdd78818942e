"""The ceilings of a run as a small plot: what device, loader and both together reach."""

from __future__ import annotations

from collections.abc import Sequence

from gpuwatch.model import Trial
from gpuwatch.views import text
from gpuwatch.views.html.markup import Markup, content, el


def ceilings(trials: Sequence[Trial]) -> Markup | None:
    """Return one bar per ceiling, longest is fastest; None when none was measured."""
    rows = [trial for trial in trials if trial.id.startswith("ceiling")]
    rates = [(trial.remedy, _rate(trial), trial) for trial in rows]
    fastest = max((rate for _, rate, _ in rates), default=0.0)
    if fastest <= 0:
        return None
    bars = [_row(name, rate / fastest, trial) for name, rate, trial in rates]
    intro = "The run end to end cannot be faster than the slower of its two halves alone: the device on ready batches, the loader without a model."
    return content([el("h3", "Ceilings"), el("p", intro, class_="soft"), el("div", bars, class_="ceilings")])


def _rate(trial: Trial) -> float:
    """Return the speed: rates as they are, times turned over."""
    value = trial.after.median
    return value if trial.unit.endswith("/s") else (1 / value if value > 0 else 0.0)


def _row(name: str, share: float, trial: Trial) -> Markup:
    said = text.value(trial.after.median, trial.unit)
    picture = el(
        "svg",
        el("rect", x="0", y="0", width=f"{100 * share:.1f}%", height="100%", class_="p-compute"),
        height="16",
        width="100%",
        role="img",
        aria_label=f"{name}: {said}",
    )
    return el("div", el("span", name), picture, el("b", said), class_="ceiling")
