"""The gate of `--fail-on`: limits on a report, such as `input_wait>10%` or `finding:too-few-workers`.

Terms are joined by `or` or a comma; the gate trips when one of them holds. A limit on something that was not
measured trips too: a check without data must not pass for a clean one.
"""

from __future__ import annotations

import difflib
import operator
import re
from collections.abc import Callable, Iterable
from typing import get_args

from gpuwatch.errors import UsageError
from gpuwatch.model.findings import Bound, Severity
from gpuwatch.model.metrics import LIMITS
from gpuwatch.model.readings import point
from gpuwatch.model.report import Report
from gpuwatch.records import dataclass
from gpuwatch.words.units import UNITS, Unit, figures, percent

_EXAMPLES = "e.g. --fail-on 'input_wait>10%' or --fail-on 'finding:too-few-workers, step>120ms'"
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
    metric = LIMITS.get(name)
    if metric is None:
        raise UsageError(
            f"--fail-on: unknown metric {name!r}",
            _suggest(name, LIMITS, dict.fromkeys(known.name for known in LIMITS.values())),
        )
    limit = _in_units_of(UNITS[metric.unit], term, number, unit)

    def hold(report: Report) -> Result:
        value = point(metric.reader.of_run(report))
        if value is None:
            return Result(term, None, f"{term}: {name} was not measured in this run")
        return Result(term, _COMPARE[sign](value, limit), f"{term}: {name} is {_shown(value, metric.unit)}")

    return hold


def _in_units_of(metric: Unit, term: str, number: str, unit: str) -> float:
    try:
        value = float(number)
    except ValueError:
        raise UsageError(f"--fail-on: {number!r} in {term!r} is no number", _EXAMPLES) from None
    if unit not in metric.limits:
        raise UsageError(f"--fail-on: the unit of {term!r} does not fit", f"This metric is {metric.wanted}")
    return value * metric.limits[unit]


def _shown(value: float, unit: str) -> str:
    if unit == "share":
        return percent(value, decimals=1)
    return f"{figures(value, 4, grouped=False)} {UNITS[unit].symbol}".rstrip()


def _named(term: str, kind: str, name: str) -> Callable[[Report], Result]:
    known = {"finding": finding_ids, "bound": lambda: get_args(Bound), "severity": lambda: get_args(Severity)}[kind]()
    if known and name not in known:
        raise UsageError(f"--fail-on: unknown {kind} {name!r}", _suggest(name, known, known))

    def hold(report: Report) -> Result:
        found = _present(report, kind)
        if kind == "finding" and name not in found:
            blind = next((outcome for outcome in report.not_evaluated if outcome.id == name), None)
            if blind:
                return Result(term, None, f"{term}: not evaluated, {blind.why}")
        return Result(term, name in found, f"{term}: {kind} is {', '.join(found) or 'none'}")

    return hold


def _present(report: Report, kind: str) -> list[str]:
    if kind == "bound":
        return [report.verdict.bound]
    if kind == "severity":
        return sorted({finding.severity for finding in report.findings})
    return [finding.id for finding in (*report.findings, *report.suppressed)]


def finding_ids() -> tuple[str, ...]:
    """Return the ids of the rules there are."""
    from gpuwatch import rules

    return rules.ids()


def _suggest(name: str, accepted: Iterable[str], listed: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, list(accepted), 1)
    return f"Did you mean {near[0]!r}?" if near else f"Known: {', '.join(listed)}"
