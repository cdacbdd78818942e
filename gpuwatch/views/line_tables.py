"""The hot lines as ranked tables, one for each thing that shares are of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from rich.cells import cell_len
from rich.table import Table
from rich.text import Text

from gpuwatch.model.hot_lines import LEAST_SHARE, HotLine, cost_of
from gpuwatch.model.measures import Place
from gpuwatch.records import dataclass
from gpuwatch.views import text
from gpuwatch.views.text import clean

LINE = 2
HEADER = ("share", "of waits", "line", "function", "spent in", "while", "if free")
NAMES = (LINE, 3, 4, 5)
LOADING, BEFORE = ("fetch", "collate", "serialise"), ("startup", "importing")
IN_WORKERS, IN_TRAINER = "Making batches, in the workers", "Making batches, in the training process"
IN_LOOP, BETWEEN = "The training loop's own code", "Between loops"
START, WORKER_START = "Before the first batch: share of all that time", "Before the first batch, in the workers"
# What a share is of, said beside it.
SHARE_OF = {
    IN_WORKERS: "share of making batches, in the workers",
    IN_TRAINER: "share of making batches, in the training process",
    IN_LOOP: "share of the training loop's own code",
    BETWEEN: "share of the time between loops",
    START: "share of the time before the first batch",
    WORKER_START: "share of the workers' time before the first batch",
}
# What a process does anyway is not worth a word.
USUAL = ("fetch", "step", "startup", "between loops")
TOO_FEW = 5
# Between columns; how far names are cut where a terminal is narrow, at last they go; what a path keeps.
GAP, LONGEST_NAMES, LEAST_PATH = 3, (60, 28, 20, 14, 0), 24


@dataclass(frozen=True, slots=True)
class Section:
    """Lines whose shares are of the same whole, hottest first; `title` names it."""

    title: str
    lines: tuple[HotLine, ...]


def sections(lines: Sequence[HotLine]) -> list[Section]:
    """Return the lines by what their shares are of: making batches, the loops' own code, what is round the loops.

    The order is that of the report, by what a line costs the run: of the lists by the first line, and within each."""
    found: dict[str, list[HotLine]] = {}
    for line in shown_lines(lines):
        found.setdefault(whole_of(line), []).append(line)
    telling = {title: those for title, those in found.items() if sum(line.samples for line in those) >= TOO_FEW}
    found = telling or found
    return [Section(title, tuple(sorted(those, key=lambda line: -cost_of(line)))) for title, those in found.items()]


def shown_lines(lines: Sequence[HotLine]) -> list[HotLine]:
    """Return the lines without those that round to nothing; one place whose shares are of the same whole is one line."""
    together: dict[tuple[str, str, int], list[HotLine]] = {}
    for line in lines:
        together.setdefault((whole_of(line), line.file, line.line), []).append(line)
    return [one for same in together.values() if (one := _merged(same)).share >= LEAST_SHARE]


def _merged(same: Sequence[HotLine]) -> HotLine:
    """Return the costliest of a place's lines with what all of them cost."""
    most = max(same, key=lambda line: line.share)
    if len(same) == 1:
        return most
    waits, gains = ([found for line in same if (found := getattr(line, name)) is not None] for name in _PARTIAL)
    return replace(
        most,
        share=sum(line.share for line in same),
        seconds=sum(line.seconds for line in same),
        samples=sum(line.samples for line in same),
        cost_s=sum(map(cost_of, same)),
        waited_share=sum(waits) if waits else None,
        speedup_if_free=max(gains, default=None),
    )


_PARTIAL = ("waited_share", "speedup_if_free")


def share_of(line: HotLine) -> str:
    """Return what a line's share is of, in a few words."""
    return SHARE_OF[whole_of(line)]


def below_of(line: HotLine, base: str) -> str:
    """Return where in what a line calls the time goes, and what is called there; empty where its callee says it all."""
    called, inner = line.callee, line.below_callee
    deeper = inner is not None and (called is None or inner.library != called.library)
    place = text.place(line.below, base) if line.makes or deeper else ""
    return "".join(
        f"→ {part} " for part in (place, clean(inner) if inner and (place or deeper) else "") if part
    ).strip()


def whole_of(line: HotLine) -> str:
    """Return what a line's share is of, for people."""
    worker = line.process_role == "worker"
    if line.activity in LOADING:
        return IN_WORKERS if worker else IN_TRAINER
    if line.activity in BEFORE:
        return WORKER_START if worker else START
    return BETWEEN if line.activity == "between loops" else IN_LOOP


def table_rows(lines: Sequence[HotLine], base: str) -> list[tuple[str, ...]]:
    """Return the ranked table's cells."""
    return [
        (
            text.percent(line.share),
            text.percent(line.waited_share),
            text.place(Place(line.file, line.line), base),
            _function(line),
            clean(line.callee or line.below_callee or ""),
            "" if line.activity in USUAL else clean(line.activity),
            if_free(line),
        )
        for line in lines
    ]


def if_free(line: HotLine) -> str:
    """Return what the run would win without a line: 1.50×; empty where that is unknown, or nothing."""
    gain = line.speedup_if_free
    return "" if gain is None or gain < text.SMALLEST_GAIN else text.factor(gain)


def _function(line: HotLine) -> str:
    return f"{clean(line.makes)}, made here" if line.makes else clean(line.function)


def table(rows: Sequence[tuple[str, ...]], width: int) -> Table:
    """Return the drawn table, as wide as `width` at most."""
    drawn = Table(box=None, pad_edge=False, padding=(0, GAP, 0, 0), header_style="dim")
    widths = column_widths(rows, width)
    for i, room in widths.items():
        justify: Literal["left", "right"] = "left" if i in NAMES else "right"
        drawn.add_column(HEADER[i], justify=justify, no_wrap=True, overflow="ellipsis", min_width=room, max_width=room)
    for row in rows:
        cells = [text.shorten_path(row[i], room) if i == LINE else row[i] for i, room in widths.items()]
        drawn.add_row(*(Text(cell, "bold" if at == 0 else "") for at, cell in enumerate(cells)))
    return drawn


def column_widths(rows: Sequence[tuple[str, ...]], width: int) -> dict[int, int]:
    """Return the columns that are shown and how wide: figures whole, a line's number whole, names as far as they go."""
    kept = [i for i in range(len(HEADER)) if any(row[i] not in ("", text.DASH) for row in rows)]
    full = {i: max(cell_len(row[i]) for row in (HEADER, *rows)) for i in kept}
    least = max(cell_len(row[LINE].rpartition("/")[2]) for row in rows) + 2
    for longest in LONGEST_NAMES:
        names = {i: min(full[i], longest) for i in kept if i in NAMES and i != LINE and longest}
        figures = {i: full[i] for i in kept if i not in NAMES}
        room = width - sum((names | figures).values()) - GAP * len(names | figures)
        if room >= min(full[LINE], max(least, LEAST_PATH)) or not longest:
            found = names | figures | {LINE: min(full[LINE], max(room, least))}
            return {i: found[i] for i in kept if i in found}
    raise AssertionError  # the last of the lengths always fits
