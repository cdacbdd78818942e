"""Why, and what to do: the findings as reasons with their evidence, then as steps with their predicted gain."""

from __future__ import annotations

from gpuwatch.model.findings import Evidence, Finding
from gpuwatch.model.report import Report
from gpuwatch.views import text, verdict_text
from gpuwatch.views.explained import also, together
from gpuwatch.views.html.markup import Markup, content, el, table
from gpuwatch.views.html.verdict import CONFIDENCE
from gpuwatch.views.most_of_step import most_of_step

OPEN = 4
SEVERITY = {"critical": "critical", "warning": "warning", "info": "info"}


def why(report: Report) -> Markup:
    """Return the reasons: every finding with the values it rests on."""
    findings = list(enumerate(report.findings, 1))
    shown = [_reason(at, finding, report.run.cwd) for at, finding in findings[:OPEN]]
    rest = [_reason(at, finding, report.run.cwd) for at, finding in findings[OPEN:]]
    body = [shown or el("p", "No issues found."), _more(rest, "more findings"), _left_out(report)]
    return el("section", el("h2", "Why"), body, id="why")


def what_to_do(report: Report) -> Markup:
    """Return the advice in the order of what to fix first."""
    steps = [_step(at, finding) for at, finding in enumerate(report.findings, 1)]
    if not steps:
        steps = [el("p", _nothing_to_do(report))]
    body = [el("ol", steps[:OPEN], class_="steps") if report.findings else steps]
    overlap = together(report, OPEN)
    body += [el("p", overlap, class_="soft")] if overlap else []
    body += [el("p", el("b", "Also: "), line) for line in also(report)]
    return el("section", el("h2", "What to do"), body, _more(steps[OPEN:], "more steps"), id="what-to-do")


def _nothing_to_do(report: Report) -> str:
    if report.verdict.leave_input_alone:
        return f"Leave the input pipeline alone: the device is the limit. {most_of_step(report)}".rstrip()
    if report.verdict.bound == "cpu":
        return verdict_text.SHARED_CORES
    return "Nothing to advise from this run."


def _reason(at: int, finding: Finding, root: str) -> Markup:
    where = text.place(finding.where, root)
    meta = [SEVERITY[finding.severity], CONFIDENCE[finding.confidence], finding.id]
    if finding.rank is not None:
        meta.append(f"rank {finding.rank}")
    show = el(
        "button",
        "Show on the timeline",
        type="button",
        class_="show",
        data_finding=str(at),
        hidden=True,
        aria_pressed="false",
    )
    title = el(
        "h3", el("span", f"{at}", class_=f"dot s-{finding.severity}", aria_hidden="true"), _sentence(finding.summary)
    )
    about = el("p", " · ".join(meta), [" · ", el("code", where)] if where else None, class_="soft")
    body = [title, about, _evidence(finding.evidence), show]
    return el("article", body, class_="finding", id=f"finding-{at}")


def _sentence(said: str) -> str:
    return said[:1].upper() + said[1:]


def _evidence(items: tuple[Evidence, ...]) -> Markup | None:
    if not items:
        return None
    return el("dl", [_measured(item) for item in items], class_="evidence")


def _measured(item: Evidence) -> Markup:
    notes = []
    if item.threshold is not None:
        notes.append(f"limit {text.value(item.threshold, item.unit)}")
    if item.n:
        notes.append(text.count(item.n, "value"))
    if item.note:
        notes.append(item.note)
    value = "not measured" if item.value is None else text.value(item.value, item.unit)
    return el(
        "div",
        el("dt", item.metric),
        el("dd", el("b", value)),
        el("dd", " · ".join(notes), class_="soft") if notes else None,
    )


def _step(at: int, finding: Finding) -> Markup:
    gain = _gain(finding)
    body = [
        el(
            "p",
            el("a", f"{at}", href=f"#finding-{at}", class_=f"dot s-{finding.severity}", title="the reason"),
            " ",
            el("span", finding.advice, class_="advice"),
        ),
        gain,
        el("pre", el("code", finding.edit), class_="edit") if finding.edit else None,
        _verify(finding.verify) if finding.verify else None,
    ]
    return el("li", body)


def _gain(finding: Finding) -> Markup | None:
    gain = finding.speedup
    if gain is None:
        return None
    said = f" as fast, predicted ({text.factor(gain.low)} to {text.factor(gain.high)}): {gain.basis}"
    return el("p", el("b", text.factor(gain.predicted), class_="gain"), el("span", said, class_="soft"))


def _verify(command: str) -> Markup:
    copy = el("button", "Copy", type="button", class_="copy", data_copy=command, hidden=True)
    return el("p", el("span", "Prove it: ", class_="soft"), el("code", command), " ", copy, class_="verify")


def _more(items: list[Markup], what: str) -> Markup | None:
    if not items:
        return None
    return el("details", el("summary", f"{len(items)} {what}"), items)


def _left_out(report: Report) -> Markup | None:
    """Return what was explained by another finding, what was clear, and what could not be looked at."""
    parts: list[Markup] = []
    if report.suppressed:
        rows = [[finding.id, finding.summary] for finding in report.suppressed]
        parts += [
            el("h4", "Follows from the above"),
            table(["finding", "what it says"], [list(row) for row in rows], "Findings explained by others"),
        ]
    if report.not_evaluated:
        rows = [[item.id, item.why] for item in report.not_evaluated]
        parts += [
            el("h4", "Not evaluated"),
            table(["rule", "why"], [list(row) for row in rows], "Rules not evaluated"),
        ]
    if report.clear:
        parts += [el("h4", "Looked at and clear"), el("p", ", ".join(report.clear), class_="soft")]
    if not parts:
        return None
    total = len(report.suppressed) + len(report.not_evaluated) + len(report.clear)
    return el(
        "details", el("summary", f"{total} other rules: what was ruled out, what could not be checked"), content(parts)
    )
