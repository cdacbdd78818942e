"""The gate of `--fail-on`: limits on a report, such as `input_wait>10%` or `finding:too-few-workers`.

Terms are joined by `or` or a comma; the gate trips when one of them holds. A limit on something that was not
measured trips too: a check that could not look must not pass for a clean one.
"""

from __future__ import annotations

import difflib
import operator
import pkgutil
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import get_args

from gpuwatch.errors import UsageError
from gpuwatch.model.findings import Bound, Severity
from gpuwatch.model.loader_profile import LoaderProfile
from gpuwatch.model.measures import PHASES, Interval
from gpuwatch.model.report import Report

_EXAMPLES = "e.g. --fail-on 'input_wait>10%' or --fail-on 'finding:too-few-workers, step_ms>120'"
_LIMIT = re.compile(r"^([a-z_ -]+?)\s*(>=|<=|>|<)\s*([0-9.]+)\s*(%|ms|s|)$")
_TEST = re.compile(r"^(finding|bound|severity)\s*:\s*([a-z-]+)$")
_COMPARE: dict[str, Callable[[float, float], bool]] = {
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
}


@dataclass(frozen=True, slots=True)
class Result:
    """One term held against a report: `holds` is None when its value was not measured; `text` is for a person."""

    term: str
    holds: bool | None
    text: str

    @property
    def trips(self) -> bool:
        return self.holds is not False


@dataclass(frozen=True, slots=True)
class Gate:
    """A parsed expression."""

    text: str
    terms: tuple[Callable[[Report], Result], ...]

    def evaluate(self, report: Report) -> list[Result]:
        """Return each term's result; the gate has tripped when any of them trips."""
        return [term(report) for term in self.terms]


@dataclass(frozen=True, slots=True)
class _Metric:
    """A number of a report and its unit: "share" (0..1, written in %), "ms", "s" or "" (a plain number)."""

    unit: str
    read: Callable[[Report], float | None]


def parse(expression: str) -> Gate:
    """Parse the expression of `--fail-on`. Raises UsageError that says which term is wrong and how it is written."""
    terms = [term.strip() for term in re.split(r"\bor\b|,", expression)]
    if not all(terms):
        raise UsageError(f"--fail-on {expression!r}: a term is missing", _EXAMPLES)
    return Gate(expression, tuple(_term(term) for term in terms))


def _term(term: str) -> Callable[[Report], Result]:
    test = _TEST.match(term)
    if test:
        return _named(term, test[1], test[2])
    limit = _LIMIT.match(term)
    if limit is None:
        raise UsageError(
            f"--fail-on: cannot read {term!r}",
            f"Write METRIC>NUMBER, finding:ID, bound:NAME or severity:LEVEL, {_EXAMPLES}",
        )
    return _limited(term, limit[1].strip(), limit[2], limit[3], limit[4])


def _limited(term: str, name: str, sign: str, number: str, unit: str) -> Callable[[Report], Result]:
    metric = METRICS.get(name)
    if metric is None:
        raise UsageError(f"--fail-on: unknown metric {name!r}", _suggest(name, METRICS))
    limit = _in_units_of(metric, term, number, unit)

    def hold(report: Report) -> Result:
        value = metric.read(report)
        if value is None:
            return Result(term, None, f"{term}: {name} was not measured in this run")
        return Result(term, _COMPARE[sign](value, limit), f"{term}: {name} is {_shown(value, metric.unit)}")

    return hold


def _in_units_of(metric: _Metric, term: str, number: str, unit: str) -> float:
    try:
        value = float(number)
    except ValueError:
        raise UsageError(f"--fail-on: {number!r} in {term!r} is no number", _EXAMPLES) from None
    factor = _FACTORS.get((metric.unit, unit))
    if factor is None:
        wanted = {
            "share": "a share: write 10%",
            "ms": "a time: write ms or s",
            "s": "a time: write s or ms",
            "": "a plain number",
        }[metric.unit]
        raise UsageError(f"--fail-on: the unit of {term!r} does not fit", f"This metric is {wanted}")
    return value * factor


# (metric's unit, unit written) -> factor. A share without % must be spelt out: 10 and 0.1 would both be plausible.
_FACTORS = {
    ("share", "%"): 0.01,
    ("ms", "ms"): 1.0,
    ("ms", "s"): 1000.0,
    ("s", "s"): 1.0,
    ("s", "ms"): 0.001,
    ("", ""): 1.0,
}


def _shown(value: float, unit: str) -> str:
    return f"{value:.1%}" if unit == "share" else f"{value:.4g} {unit}".rstrip()


def _named(term: str, kind: str, name: str) -> Callable[[Report], Result]:
    known = {"finding": finding_ids, "bound": lambda: get_args(Bound), "severity": lambda: get_args(Severity)}[kind]()
    if known and name not in known:
        raise UsageError(f"--fail-on: unknown {kind} {name!r}", _suggest(name, known))

    def hold(report: Report) -> Result:
        found = _present(report, kind)
        if kind == "finding" and name not in found:
            missing = next((outcome.missing for outcome in report.not_evaluated if outcome.id == name), None)
            if missing:
                return Result(term, None, f"{term}: not evaluated, missing: {missing}")
        return Result(term, name in found, f"{term}: {kind} is {', '.join(found) or 'none'}")

    return hold


def _present(report: Report, kind: str) -> list[str]:
    if kind == "bound":
        return [report.verdict.bound]
    if kind == "severity":
        return sorted({finding.severity for finding in report.findings})
    return [finding.id for finding in (*report.findings, *report.suppressed)]


def finding_ids() -> tuple[str, ...]:
    """Return the ids of the rules there are, from their files; nothing is imported."""
    from gpuwatch import rules

    return tuple(
        module.name.replace("_", "-")
        for module in pkgutil.iter_modules(rules.__path__)
        if not module.name.startswith("_")
    )


def _suggest(name: str, known: object) -> str:
    names = list(known)  # type: ignore[call-overload]
    near = difflib.get_close_matches(name, names, 1)
    return f"Did you mean {near[0]!r}?" if near else f"Known: {', '.join(names)}"


def _primary(report: Report) -> LoaderProfile | None:
    return next((loader for loader in report.loaders if loader.id == report.primary), None)


def _of_loader(read: Callable[[LoaderProfile], float | None]) -> Callable[[Report], float | None]:
    def value(report: Report) -> float | None:
        loader = _primary(report)
        return None if loader is None else read(loader)

    return value


def _median(interval: Interval | None) -> float | None:
    return None if interval is None else interval.median


def _phase(name: str) -> Callable[[Report], float | None]:
    def share(report: Report) -> float | None:
        return next((phase.share for phase in report.phases if phase.name == name), None)

    return share


def _device_mean(read: str) -> Callable[[Report], float | None]:
    def mean(report: Report) -> float | None:
        values = [getattr(device, read) for device in report.devices]
        measured = [value for value in values if value is not None]
        return sum(measured) / len(measured) if measured else None

    return mean


METRICS: dict[str, _Metric] = {
    "input_wait": _Metric("share", lambda report: _median(report.verdict.input_wait_share)),
    "step_ms": _Metric("ms", _of_loader(lambda loader: _median(loader.step_ms))),
    "wait_ms": _Metric("ms", _of_loader(lambda loader: _median(loader.wait_ms))),
    "compute_ms": _Metric("ms", _of_loader(lambda loader: _median(loader.compute_ms))),
    "gpu_wait_ms": _Metric("ms", _of_loader(lambda loader: _median(loader.gpu_wait_ms))),
    "steps_per_s": _Metric("", _of_loader(lambda loader: loader.steps_per_s)),
    "samples_per_s": _Metric("", _of_loader(lambda loader: loader.samples_per_s)),
    "gpu_busy": _Metric("share", _device_mean("busy")),
    "sm_active": _Metric("share", _device_mean("sm_active")),
    "duration": _Metric("s", lambda report: report.seconds),
    **{
        name.replace(" ", "_").replace("-", "_"): _Metric("share", _phase(name))
        for name in PHASES
        if name != "input wait"
    },
}
