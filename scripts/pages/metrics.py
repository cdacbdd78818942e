"""docs/metrics.md, from the metric catalogue."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from gpuwatch.commands.serve import OWN
from gpuwatch.model.metrics import SECTIONS, Metric
from gpuwatch.views.prometheus import INFO
from gpuwatch.words.units import UNITS

HEAD = """\
# Metrics

Every number of a run that has a name. Three places use these names:

- `gpuwatch check --fail-on 'input_wait>10%, step>120ms'` and `gpuwatch run --fail-on …`: the metrics with an entry under
  *limit*, which says how the limit is written. A metric that was not measured in the run trips the gate.
- `gpuwatch diff A B`: the metrics with an entry under *diff*, which is the row's name. *better* says in which direction.
- Prometheus (`gpuwatch serve`, `gpuwatch export --to prometheus`): every metric with a Prometheus name, in base units, with the
  labels `run`, `host`, `name` (of a named run) and those in braces. What was not measured is absent, never zero.

Where a metric has several values (each loader, each GPU), a limit and a diff use that of the loader that the verdict is
about, or the mean of the GPUs.
"""
COLUMNS = ("metric", "unit", "what it is", "better", "limit", "diff", "Prometheus")


def page() -> str:
    """Return the page."""
    parts = [HEAD]
    for title, metrics in SECTIONS.items():
        parts.append(f"## {title}\n\n{_table(COLUMNS, (_cells(metric) for metric in metrics))}")
    own = ((f"`{name}`", about) for name, about in (INFO, *OWN))
    parts.append(f"## Prometheus only\n\n{_table(('name', 'what it is'), own)}")
    older = ((f"`{alias}`", f"`{metric.name}`") for metric in _all() for alias in metric.aliases)
    parts.append(
        "## Older names\n\n`--fail-on` goes on accepting the names on the left; new files should use those on the right.\n\n"
        + _table(("older name", "metric"), older)
    )
    return "\n".join(parts)


def _all() -> Iterable[Metric]:
    return (metric for section in SECTIONS.values() for metric in section)


def _cells(metric: Metric) -> tuple[str, ...]:
    labels = f"{{{', '.join(metric.reader.labels)}}}" if metric.reader.labels else ""
    return (
        f"`{metric.name}`",
        UNITS[metric.unit].about,
        metric.about,
        metric.better or "",
        UNITS[metric.unit].written if metric.limit else "",
        metric.diff.title if metric.diff else "",
        f"`{metric.prometheus_name}{labels}`" if metric.exported else "",
    )


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
