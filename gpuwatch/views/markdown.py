"""A report as Markdown, for a pull request's comment: the verdict in one line, the rest short or folded away."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from gpuwatch.model.findings import Evidence, Finding
from gpuwatch.model.report import Report
from gpuwatch.views import text
from gpuwatch.views.card import prepare
from gpuwatch.views.card_content import LOADER_HEADER, TRAINING_HEADER, Card

_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~])")


def render(report: Report) -> str:
    """Return the report as GitHub-flavoured Markdown."""
    card = prepare(report)
    lines = [f"### gpuwatch: {escape(card.badge)}. {escape(card.headline)}", ""]
    lines += [escape(card.reason), ""] if card.reason else []
    lines += [f"{code(card.command)} · {escape(card.ended)}", ""]
    lines += _bullets(
        f"**{escape(fact.label)}**: {escape(fact.text)}" + (f" ({escape(fact.note)})" if fact.note else "")
        for fact in card.why
    )
    lines += _what_to_do(report, card)
    lines += _table(
        "Where the time went", ("phase", "share", "time"), [(s.name, s.percent, s.seconds) for s in card.phases]
    )
    lines += _table("Trainings of this run", TRAINING_HEADER, card.trainings)
    lines += _table(
        "Hot lines",
        ("share", "line", "source", "if free"),
        [(x.share, code(x.where), code(x.source), x.gain) for x in card.lines],
        raw=True,
    )
    lines += _bullets(f"**{escape(fact.label)}**: {escape(fact.text)}" for fact in card.traced)
    lines += _table("Loaders", LOADER_HEADER, [loader.cells for loader in card.loaders])
    lines += _bullets(escape(note) for note in card.notes)
    lines += [f"<sub>run {escape(card.run)} · gpuwatch cost {escape(card.cost)}</sub>", ""]
    return "\n".join(lines)


def _what_to_do(report: Report, card: Card) -> list[str]:
    lines = ["#### What to do", ""]
    lines += [escape(card.nothing), ""] if card.nothing else []
    for number, (action, finding) in enumerate(zip(card.actions, report.findings, strict=False), 1):
        gain = f" **{escape(action.gain)}**" if action.gain else ""
        lines.append(f"{number}. {escape(action.summary)}{gain}  ")
        lines.append(f"   {escape(action.advice)}  ")
        where = f"{code(action.where)} · " if action.where else ""
        lines.append(f"   {where}{code(action.id)}{f' · {escape(action.confidence)}' if action.confidence else ''}")
        lines += _evidence(finding)
        lines += ["", f"   Prove it: {code(action.verify)}"] if action.verify else []
        lines.append("")
    lines += [f"{escape(card.more)}", ""] if card.more else []
    lines += [escape(card.together), ""] if card.together else []
    return lines + _bullets(f"also {escape(line)}" for line in card.also)


def _evidence(finding: Finding) -> list[str]:
    if not finding.evidence:
        return []
    rows = [
        f"   | {escape(text.clean(e.metric))} | {escape(text.value(e.value, e.unit))} | {_threshold(e)} |"
        for e in finding.evidence
    ]
    head = [
        "",
        "   <details><summary>evidence</summary>",
        "",
        "   | measured | value | threshold |",
        "   |---|--:|--:|",
    ]
    return [*head, *rows, "", "   </details>"]


def _threshold(evidence: Evidence) -> str:
    return "" if evidence.threshold is None else escape(text.value(evidence.threshold, evidence.unit))


def _bullets(items: Iterable[str]) -> list[str]:
    lines = [f"- {item}" for item in items]
    return [*lines, ""] if lines else []


def _table(name: str, header: Sequence[str], rows: Sequence[Sequence[str]], raw: bool = False) -> list[str]:
    if not rows:
        return []
    cells = rows if raw else [[escape(cell) for cell in row] for row in rows]
    body = [f"| {' | '.join(row)} |" for row in cells]
    head = [
        "<details><summary>",
        f"<b>{name}</b>",
        "</summary>",
        "",
        f"| {' | '.join(header)} |",
        "|" + "---|" * len(header),
    ]
    return [*head, *body, "", "</details>", ""]


def escape(words: str) -> str:
    """Return text that Markdown shows as it is; a mention (@name) must not notify anybody."""
    return _SPECIAL.sub(r"\\\1", text.clean(words)).replace("@", "@\u200b")


def code(words: str) -> str:
    """Return text as inline code, also when it has backticks or a table's bars in it."""
    plain = text.clean(words).replace("|", "\\|")
    if not plain:
        return ""
    fence = "`" * (max((len(run) for run in re.findall(r"`+", plain)), default=0) + 1)
    pad = " " if plain.startswith("`") or plain.endswith("`") else ""
    return f"{fence}{pad}{plain}{pad}{fence}"
