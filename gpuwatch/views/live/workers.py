"""The panel of the loader's workers: who is at work, who waits, and how long a batch takes."""

from __future__ import annotations

from collections.abc import Mapping

from rich.console import Group, RenderableType
from rich.text import Text

from gpuwatch.model.timeline import Lane
from gpuwatch.records import dataclass
from gpuwatch.views import text
from gpuwatch.views.live.charts import history
from gpuwatch.views.live.frame import Frame, spans_in, typical, values_in
from gpuwatch.views.live.rows import Rows
from gpuwatch.words.lanes import PROCESS_CPU, SENDING, TRAINER_LOADING, WAITING, WORKER

HEADED, WIDE = 5, 72
SORTS = ("busiest", "number", "slowest")
# The CPU shown is that of the last samples, not of a window of hours.
CPU_OVER_S = 15.0


@dataclass(frozen=True, slots=True)
class Worker:
    """A worker in the window: its share of time at work, in all and per column, its batches, the cores it used, and
    its current batch (`batch 7`, `waits`, empty where that is not known)."""

    lane: Lane
    at_work: float | None
    strip: tuple[float | None, ...]
    batches: int
    batch_ms: float | None
    cores: float | None = None
    in_hand: str = ""

    @property
    def number(self) -> int:
        """Return the worker's number within its loader."""
        return self.lane.worker or 0


def workers(frame: Frame, width: int, height: int = 4) -> RenderableType:
    """Return a row per loader worker: at work or waiting, its CPU, its current batch, the time that a batch takes."""
    lanes = frame.lanes(WORKER) or frame.lanes(TRAINER_LOADING)
    if not lanes and frame.report.run.attached:
        return Text("Single batches need events: gpuwatch run -- COMMAND.", "dim")
    if not lanes:
        return Text("No worker yet. With num_workers=0 the training process makes its batches itself.", "dim")
    several, headed, wide = len({lane.rank for lane in lanes}) > 1, height >= HEADED, width >= WIDE
    names = max(len(_name(lane, several, wide)) for lane in lanes)
    room = max(6, min(60, width - names - (41 if headed else 38)))
    cpu = {(lane.rank, lane.worker): lane for lane in frame.lanes(PROCESS_CPU)}
    reported = in_order([measure(frame, lane, room, cpu) for lane in lanes], frame.view.sort)
    rows = height - headed
    shown = reported[: max(1, rows - 1 if len(reported) > rows > 3 else rows)]
    table = Rows()
    known = any(worker.in_hand for worker in reported)
    if headed:
        heads = ("at work", "CPU", "a batch", "current") if known else ("at work", "CPU", "a batch")
        table.add("", Text(" " * room), *(Text(name, "dim") for name in heads))
    for worker in shown:
        cells = _cells(worker, _name(worker.lane, several, wide), headed)
        table.add(*(cells if known else cells[:-1]))
    hidden = len(reported) - len(shown)
    return Group(table, Text(f"and {hidden} more", "dim")) if hidden and rows > 3 else table


def _cells(worker: Worker, name: str, headed: bool) -> tuple[Text, ...]:
    strip = (Text(text.clean(name)), history(worker.strip, 1.0))
    at_work, cpu = text.percent(worker.at_work), text.percent(worker.cores)
    if not headed:
        return (*strip, Text(f"{at_work} at work"), Text(f"{cpu} CPU"), Text(worker.in_hand, "dim"))
    each = text.milliseconds(worker.batch_ms)
    return (*strip, Text(at_work.rjust(7)), Text(cpu.rjust(4)), Text(each), Text(worker.in_hand or text.DASH, "dim"))


def _name(lane: Lane, several: bool, wide: bool) -> str:
    """Return `worker 3`, or `w3` where room is short; of several ranks `r0 w3`."""
    short = lane.name if lane.worker is None else f"w{lane.worker}"
    if several:
        return f"r{lane.rank} {short}"
    return lane.name if wide else short


Whose = tuple[int | None, int | None]


def measure(frame: Frame, lane: Lane, room: int, cpu: Mapping[Whose, Lane] | None = None) -> Worker:
    """Return what a worker did in the window, its strip in `room` columns. `cpu`: the lanes of the workers' CPU."""
    start, end = frame.window
    spans = [span for span in spans_in(lane, start, end) if span[2] != SENDING]
    work = [(a, b) for a, b, label in spans if label != WAITING]
    known = sum(b - a for a, b, _ in spans)
    at_work = min(1.0, sum(b - a for a, b in work) / known) if known > 0 else None
    sampled = (cpu or {}).get((lane.rank, lane.worker))
    return Worker(
        lane,
        at_work,
        tuple(_strip(spans, start, end, room)),
        len(work),
        typical([(b - a) * 1e3 for a, b in work]),
        typical(values_in(sampled, max(start, end - CPU_OVER_S), end)) if sampled else None,
        lane.note if frame.live and frame.view.at_s is None else "",
    )


def in_order(reported: list[Worker], sort: str) -> list[Worker]:
    """Return the workers sorted as the user wants them."""
    keys = {
        "number": lambda worker: 0.0,
        "slowest": lambda worker: -(worker.batch_ms or 0.0),
        "busiest": lambda worker: -(worker.at_work or 0.0),
    }
    return sorted(reported, key=lambda worker: (keys[sort](worker), worker.lane.rank or 0, worker.number))


def _strip(spans: list[tuple[float, float, str]], start: float, end: float, room: int) -> list[float | None]:
    """Return per column the share of its known time at work."""
    work, known, width = [0.0] * room, [0.0] * room, (end - start) / room
    for a, b, label in spans:
        at = int((a - start) / width)
        while at < room and start + at * width < b:
            inside = min(b, start + (at + 1) * width) - max(a, start + at * width)
            known[at] += inside
            work[at] += inside if label != WAITING else 0.0
            at += 1
    return [min(1.0, w / k) if k > 0 else None for w, k in zip(work, known, strict=True)]
