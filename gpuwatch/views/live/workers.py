"""The panel of the loader's workers: who is at work, who waits, and how long a batch takes."""

from __future__ import annotations

from dataclasses import dataclass

from rich.console import Group, RenderableType
from rich.text import Text

from gpuwatch.model import Lane
from gpuwatch.views import text
from gpuwatch.views.live.charts import history
from gpuwatch.views.live.frame import Frame, spans_in, typical
from gpuwatch.views.live.rows import Rows

WIDE = 66
SORTS = ("busiest", "number", "slowest")


@dataclass(frozen=True, slots=True)
class Worker:
    """A worker in the window: its share of time at work, in all and per column, and its batches."""

    group: str
    name: str
    at_work: float | None
    strip: tuple[float | None, ...]
    batches: int
    batch_ms: float | None

    @property
    def number(self) -> int:
        """Return the worker's number within its loader."""
        return int("".join(c for c in self.name if c.isdigit()) or 0)


def workers(frame: Frame, width: int, height: int = 4) -> RenderableType:
    """Return a row per loader worker: at work or waiting, its share at work, batches and time per batch."""
    lanes = frame.lanes("worker") or frame.lanes("loading in the trainer")
    if not lanes:
        return Text("No worker yet. With num_workers=0 the training process makes its batches itself.", "dim")
    several = len({lane.group for lane in lanes}) > 1
    wide = width >= WIDE
    room = max(6, min(60, width - (47 if wide else 34) - max(len(_name(lane, several, wide)) for lane in lanes)))
    told = in_order([measure(frame, lane, room) for lane in lanes], frame.view.sort)
    shown = told[: max(1, height - 1 if len(told) > height > 4 else height)]
    table = Rows()
    for worker in shown:
        batches = f"{worker.batches} batches" if wide else ""
        table.add(
            Text(text.clean(_name(worker, several, wide))),
            history(worker.strip, 1.0),
            Text(f"{text.percent(worker.at_work)} at work"),
            Text(batches),
            Text(f"{text.milliseconds(worker.batch_ms)} each", "dim"),
        )
    hidden = len(told) - len(shown)
    return Group(table, Text(f"and {hidden} more", "dim")) if hidden and height > 4 else table


def _name(of: Worker | Lane, several: bool, wide: bool) -> str:
    """Return `worker 3`, of several ranks `rank 0 worker 3`, or `r0 w3` where room is short."""
    name = f"{of.group} {of.name}" if several else of.name
    return name if wide else name.replace("rank ", "r").replace("worker ", "w")


def measure(frame: Frame, lane: Lane, room: int) -> Worker:
    """Return what a worker did in the window, its strip in `room` columns."""
    start, end = frame.window
    spans = [span for span in spans_in(lane, start, end) if span[2] != "sending"]
    work = [(a, b) for a, b, label in spans if label != "waiting"]
    known = sum(b - a for a, b, _ in spans)
    at_work = min(1.0, sum(b - a for a, b in work) / known) if known > 0 else None
    return Worker(
        lane.group,
        lane.name,
        at_work,
        tuple(_strip(spans, start, end, room)),
        len(work),
        typical([(b - a) * 1e3 for a, b in work]),
    )


def in_order(told: list[Worker], sort: str) -> list[Worker]:
    """Return the workers sorted as the person wants them."""
    keys = {
        "number": lambda worker: 0.0,
        "slowest": lambda worker: -(worker.batch_ms or 0.0),
        "busiest": lambda worker: -(worker.at_work or 0.0),
    }
    return sorted(told, key=lambda worker: (keys[sort](worker), worker.group, worker.number))


def _strip(spans: list[tuple[float, float, str]], start: float, end: float, room: int) -> list[float | None]:
    """Return per column the share of its known time at work."""
    work, known, width = [0.0] * room, [0.0] * room, (end - start) / room
    for a, b, label in spans:
        at = int((a - start) / width)
        while at < room and start + at * width < b:
            inside = min(b, start + (at + 1) * width) - max(a, start + at * width)
            known[at] += inside
            work[at] += inside if label != "waiting" else 0.0
            at += 1
    return [min(1.0, w / k) if k > 0 else None for w, k in zip(work, known, strict=True)]
