"""Everything about one finding or one line, as it opens over the dashboard."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.text import Text

from gpuwatch.model.findings import Finding
from gpuwatch.model.measures import Place
from gpuwatch.views import text
from gpuwatch.views.line_tables import below_of, if_free
from gpuwatch.views.live.charts import GOOD, WORK, grid
from gpuwatch.views.live.frame import Frame
from gpuwatch.views.live.panels import CONFIDENCE


def finding_detail(finding: Finding, root: str) -> RenderableType:
    """Return everything that a finding says."""
    table = grid()
    for item in finding.evidence:
        limit = f"limit {text.value(item.threshold, item.unit)}" if item.threshold is not None else ""
        table.add_row(
            Text(item.metric, "dim"),
            Text(text.value(item.value, item.unit), "bold"),
            Text(" · ".join(part for part in (limit, item.note or "") if part), "dim"),
        )
    parts: list[RenderableType] = [
        Text(text.clean(finding.summary), "bold"),
        Text(f"{finding.id} · {finding.severity} · {CONFIDENCE[finding.confidence]}", "dim"),
        Text(),
        table,
        Text(),
        Text(text.clean(finding.advice)),
    ]
    if finding.edit:
        parts += [Text(), Text(finding.edit, WORK)]
    if finding.speedup:
        parts += [
            Text(),
            Text.assemble((text.gain(finding.speedup), f"bold {GOOD}"), f" predicted: {finding.speedup.basis}"),
        ]
    if finding.where:
        parts += [Text(), Text.assemble(("where ", "dim"), text.place(finding.where, root))]
    if finding.verify:
        parts += [Text(), Text.assemble(("prove it ", "dim"), finding.verify)]
    return Group(*parts)


def line_detail(frame: Frame, at: int) -> RenderableType:
    """Return everything about one hot line."""
    line = frame.hot_lines[at]
    role = "loader worker" if line.process_role == "worker" else "training process"
    facts = [
        f"{text.percent(line.share)} of the {role}'s work",
        f"{text.duration(line.seconds)}",
        text.count(line.samples, "sample"),
    ]
    if line.waited_share is not None:
        facts.append(f"{text.percent(line.waited_share)} while its batch was awaited")
    if if_free(line):
        facts.append(f"{if_free(line)} if it were free")
    parts: list[RenderableType] = [
        Text(text.place(Place(line.file, line.line), ""), f"bold {WORK}"),
        Text(f"in {line.function}" + (f", {line.callee}" if line.callee else ""), "dim"),
        *([Text(below, "dim")] if (below := below_of(line, "")) else []),
        Text(),
        Text((line.source or "").strip()),
        Text(),
        Text(" · ".join(facts)),
    ]
    if line.stack:
        parts += [Text(), Text("stack", "dim"), *(Text(text.clean(text.call(frame))) for frame in line.stack)]
    return Group(*parts)
