"""The timeline as rows, one per value, span or mark: what the csv and parquet exports hold."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator

from gpuwatch.model.report import Report
from gpuwatch.model.timeline import Lane
from gpuwatch.views.json import plain

COLUMNS = ("group", "lane", "kind", "unit", "start_s", "end_s", "value", "label")
Row = tuple[str, str, str, str, float, float | None, float | None, str]


def rows(report: Report) -> Iterator[Row]:
    """Give the rows in the timeline's order; values that were not measured are None."""
    for lane in report.timeline.lanes if report.timeline else ():
        yield from _lane(lane)


def _lane(lane: Lane) -> Iterator[Row]:
    head = (lane.group, lane.name, lane.of.shape, lane.of.unit)
    for at, value in zip(lane.t_s, lane.values, strict=False):
        yield (*head, at, None, plain(value), "")
    for start, end, label in lane.spans:
        yield (*head, start, end if lane.of.shape == "spans" else None, None, label)


def render(report: Report) -> str:
    """Return the rows as CSV with a header; what was not measured is an empty field."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows([_safe(cell) for cell in row] for row in rows(report))
    return out.getvalue()


def _safe(cell: str | float | None) -> str | float:
    # A spreadsheet runs a text that begins like a formula.
    if isinstance(cell, str) and cell[:1] in ("=", "+", "-", "@", "\t", "\r"):
        return f"'{cell}"
    return "" if cell is None else cell
