"""`gpuwatch explain`: the page of a finding, and how its rule came to its outcome on a recorded run."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any

import click

from gpuwatch.commands.recorded import dir_option, json_option, load_profile, print_json
from gpuwatch.errors import UsageError

if TYPE_CHECKING:
    from gpuwatch.diagnosis.rule import Rule
    from gpuwatch.diagnosis.thresholds import Comparison
    from gpuwatch.model.findings import Outcome
    from gpuwatch.model.profile import Profile

HELP = """Explain a finding: what it means, how it is measured, when it is wrong, what to do.

Without FINDING: the list. With --run: evaluate its rule on a recorded run and show each need, number and threshold.

\b
Examples:
  gpuwatch explain too-few-workers
  gpuwatch explain cpu-saturated --run baseline
"""


@click.command("explain", help=HELP)
@click.argument("finding", required=False)
@click.option(
    "--run", metavar="RUN", help="Evaluate the rule on this run: an id, a name, a folder; `:1` the first training."
)
@dir_option
@json_option
def command(finding: str | None, run: str | None, base: str | None, as_json: bool) -> None:
    from gpuwatch.rules import all_rules
    from gpuwatch.views import rule_pages, terminal

    rules = {rule.id: rule for rule in all_rules()}
    if finding is None:
        if run is not None:
            raise UsageError("--run needs a FINDING", "e.g. gpuwatch explain too-few-workers --run " + run)
        listed = [{"id": id, "title": rule.title} for id, rule in rules.items()]
        data: dict[str, Any] = {"schema": "gpuwatch.findings/1", "findings": listed}
        drawn = rule_pages.listing(listed)
    else:
        rule = rules[_known(finding, rules)]
        data = _page(rule) if run is None else _evaluated(rule, run, base)
        drawn = rule_pages.page(data) if run is None else rule_pages.evaluation(data)
    if as_json:
        print_json(data)
    else:
        terminal.show(drawn)


def _known(finding: str, rules: dict[str, Rule]) -> str:
    name = finding.strip().lower().replace("_", "-")
    if name in rules:
        return name
    near = difflib.get_close_matches(name, rules, 1, cutoff=0.5) or [id for id in rules if name and name in id]
    hint = f"Did you mean `gpuwatch explain {near[0]}`?" if near else "`gpuwatch explain` lists them"
    raise UsageError(f"no finding {finding!r}", hint)


def _page(rule: Rule) -> dict[str, Any]:
    return {
        "schema": "gpuwatch.finding/1",
        "id": rule.id,
        "title": rule.title,
        "sections": rule.sections(),
        "needs": [need.what for need in rule.needs],
        "thresholds": [
            {"name": t.name, "value": t.number, "unit": t.unit, "why": t.why} for t in rule.thresholds.listed()
        ],
        "hides": [one if isinstance(one, str) else one.value for one in rule.hides],
        "remedies": list(rule.traits.remedies),
    }


def _evaluated(rule: Rule, run: str, base: str | None) -> dict[str, Any]:
    """Evaluate a rule on a run as a report does, beside the other rules: one of them may hide its finding."""
    from gpuwatch.diagnosis.engine import evaluate
    from gpuwatch.diagnosis.rule import members
    from gpuwatch.rules import all_rules

    profile = load_profile(run, base)
    trace = evaluate(rule, profile, members(all_rules()))
    return {
        "schema": "gpuwatch.evaluation/1",
        "id": rule.id,
        "title": rule.title,
        "run": profile.run.id,
        "command": list(profile.run.command),
        "needs": [_need(need.what, value) for need, value in trace.needs],
        "comparisons": [_comparison(comparison) for comparison in trace.comparisons],
        "outcome": _outcome(trace.outcome, profile),
    }


def _need(what: str, value: Any) -> dict[str, Any]:
    from gpuwatch.diagnosis.rule import NOT_SO, Missing

    if isinstance(value, Missing):
        return {"what": what, "state": "missing", "value": value.what}
    if value is NOT_SO:
        return {"what": what, "state": "not met", "value": None}
    plain = isinstance(value, int | float | str) and not isinstance(value, bool)
    return {"what": what, "state": "met", "value": value if plain else None}


def _comparison(comparison: Comparison) -> dict[str, Any]:
    threshold = comparison.threshold
    return {
        "threshold": threshold.name,
        "value": comparison.value,
        "low": comparison.low,
        "high": comparison.high,
        "sign": comparison.sign,
        "limit": threshold.number,
        "unit": threshold.unit,
        "holds": comparison.holds,
        "why": threshold.why,
    }


def _outcome(outcome: Outcome, profile: Profile) -> dict[str, Any]:
    from gpuwatch.diagnosis.engine import hidden_by, judge
    from gpuwatch.model.findings import Finding, NotEvaluated
    from gpuwatch.rules import all_rules

    nothing: dict[str, Any] = {"severity": None, "confidence": None, "hidden_by": []}
    if isinstance(outcome, NotEvaluated):
        return {"state": "not evaluated", "text": outcome.why, **nothing}
    if not isinstance(outcome, Finding):
        return {"state": "clear", "text": "", **nothing}
    judged = judge(profile, all_rules())
    return {
        "state": "finding",
        "text": outcome.summary,
        "severity": outcome.severity,
        "confidence": outcome.confidence,
        "hidden_by": list(hidden_by(outcome, (*judged.findings, *judged.suppressed))),
    }
