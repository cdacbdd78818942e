"""The series of the timeline: aligned lanes over the run, full resolution; views decimate.

Times are seconds since the run began.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from gpuwatch.analyze.loops import Analysis, Loop
from gpuwatch.analyze.machine.devices import THROTTLE_REASONS
from gpuwatch.analyze.numbers.arrays import as_list, columns_of, numbers, sums, to_floats
from gpuwatch.analyze.numbers.statistics import Array
from gpuwatch.analyze.processes.gaps import unavailable
from gpuwatch.analyze.series.arrays import Span, line, seconds
from gpuwatch.analyze.series.worker_lanes import worker_lanes
from gpuwatch.analyze.wall_time.steps import windows
from gpuwatch.model.profile import Profile
from gpuwatch.model.recording import ProcessLog, Table
from gpuwatch.model.timeline import Lane, Timeline
from gpuwatch.words import lanes as words
from gpuwatch.words.lanes import LaneKind


def draw_lanes(analysis: Analysis, profile: Profile) -> Timeline:
    """Return every lane that the recording has data for."""
    lanes = [
        *_device_lanes(analysis),
        *_rank_lanes(analysis),
        *worker_lanes(analysis),
        *_machine_lanes(analysis),
        *_marks(analysis, profile),
    ]
    return Timeline(profile.seconds, tuple(lane for lane in lanes if lane.t_s or lane.spans))


def _table(analysis: Analysis, kind: str) -> Table:
    sampler = analysis.processes.sampler
    return sampler.table(kind) if sampler else Table(kind, (), [])


def _rank_lanes(analysis: Analysis) -> Iterable[Lane]:
    for loop in analysis.loops:
        if loop.profile.role == "evaluation" or not len(loop.steps):
            continue
        rank, steps = loop.profile.rank, loop.steps
        order = np.argsort(steps.end, kind="stable")
        end = steps.end[order]
        if not loop.profile.own_loop:
            yield line(analysis, words.INPUT_WAIT, end, steps.wait[order] / 1e6, rank=rank)
        yield line(analysis, words.STEP, end, (steps.wait + steps.compute + steps.nested)[order] / 1e6, rank=rank)
        if np.isfinite(steps.gpu_wait).any():
            yield line(analysis, words.GPU_WAIT, end, steps.gpu_wait[order] / 1e6, rank=rank)


# What a row of `gpu` has, and the factor to the lane's unit.
_GPU_LINES = (
    (words.SM_ACTIVE, "sm_active", 1.0),
    (words.GPU_MEMORY, "memory_used_bytes", 2.0**-30),
    (words.POWER, "power_mw", 1e-3),
    (words.TEMPERATURE, "temperature_c", 1.0),
)


def _device_lanes(analysis: Analysis) -> Iterable[Lane]:
    table = _table(analysis, "gpu")
    if not len(table):
        return
    found = columns_of(table, ("t", "device", "busy", "reasons", *(column for _, column, _ in _GPU_LINES)))
    t, device = found["t"], found["device"]
    for index in sorted({int(d) for d in device if d == d}):
        at = np.flatnonzero((device == index) & np.isfinite(t))
        yield _busy_lane(analysis, index, t[at], found["busy"][at])
        for of, column, factor in _GPU_LINES:
            values = found[column][at]
            if np.isfinite(values).any():
                yield line(analysis, of, t[at], values * factor, device=index)
        throttled = tuple(_throttle_spans(seconds(analysis, t[at]), found["reasons"][at]))
        yield Lane(words.THROTTLING, spans=throttled, device=index)


def _busy_lane(analysis: Analysis, index: int, t: Array, busy: Array) -> Lane:
    """Return the busy share, from the driver's finer samples where there are any."""
    table = _table(analysis, "gpu_busy")
    chosen = np.flatnonzero((numbers(table, "device") == index) & np.isfinite(numbers(table, "t")))
    recorded = [as_list(samples) for samples in table.pick("busy", chosen.tolist())]
    count = np.array([len(samples) for samples in recorded], dtype=np.int64)
    if count.sum():
        values = to_floats([value for samples in recorded for value in samples])
        # Evenly placed up to the row's own time.
        after = np.repeat(np.cumsum(count), count) - 1 - np.arange(count.sum())
        step = np.nan_to_num(numbers(table, "interval_ns")[chosen]) / np.maximum(count, 1)
        times = np.repeat(numbers(table, "t")[chosen], count) - after * np.repeat(step, count)
        return line(analysis, words.GPU_BUSY, times, values, device=index)
    return line(analysis, words.GPU_BUSY, t, busy, device=index)


def _throttle_spans(t: Array, reasons: Array) -> list[Span]:
    """Return stretches of equal throttle reasons: from the sample before the first to the last."""
    known = np.nan_to_num(reasons).astype(np.int64) & sum(THROTTLE_REASONS)
    if not len(known):
        return []
    starts = np.concatenate(([0], np.flatnonzero(np.diff(known)) + 1))
    ends = np.concatenate((starts[1:], [len(known)])) - 1
    spans = zip(t[np.maximum(starts - 1, 0)].tolist(), t[ends].tolist(), known[starts].tolist(), strict=True)
    return [(a, b, _reasons(bits)) for a, b, bits in spans if bits]


def _reasons(bits: int) -> str:
    return ", ".join(name for bit, name in THROTTLE_REASONS.items() if bits & bit)


def _machine_lanes(analysis: Analysis) -> Iterable[Lane]:
    cpu = _table(analysis, "cpu")
    if len(cpu) and "busy" in cpu.columns:
        yield line(analysis, words.CPU_BUSY, numbers(cpu, "t"), sums(cpu, "busy")[0])
    yield from _pressure_lanes(analysis)
    memory = _table(analysis, "memory")
    if len(memory):
        used = numbers(memory, "total_bytes") - numbers(memory, "available_bytes")
        yield line(analysis, words.MEMORY_USED, numbers(memory, "t"), used / 2**30)
        yield line(analysis, words.SHARED_MEMORY, numbers(memory, "t"), numbers(memory, "shm_used_bytes") / 2**30)


def _pressure_lanes(analysis: Analysis) -> Iterable[Lane]:
    table = _table(analysis, "pressure")
    t = numbers(table, "t")
    for of, column in ((words.CPU_PRESSURE, "cpu_some_us"), (words.IO_PRESSURE, "io_some_us")):
        values = numbers(table, column)
        known = np.flatnonzero(np.isfinite(values))
        if len(known) >= 2:
            share = np.diff(values[known]) * 1e3 / np.maximum(np.diff(t[known]), 1.0)
            yield line(analysis, of, t[known][1:], np.clip(share * 100, 0.0, 100.0))


def _marks(analysis: Analysis, profile: Profile) -> Iterable[Lane]:
    start = analysis.processes.start_ns
    for this, rank in zip(analysis.walks, profile.ranks, strict=True):
        loops = analysis.loops_of(this)
        yield _marked(words.EPOCHS, start, _epochs(loops), rank.rank)
        evaluations = [window for loop in loops if loop.profile.role == "evaluation" for window in windows(loop.loader)]
        yield _marked(words.EVALUATION, start, [(a, b, "evaluation") for a, b in evaluations], rank.rank)
        long = rank.long_steps.spans if rank.long_steps else ()
        yield _marked(words.LONG_STEPS, start, [(a, b, "long step") for a, b in long], rank.rank)
        yield _marked(words.CHECKPOINTS, start - this.trainer.shift_ns, _checkpoints(this.trainer.log), rank.rank)
    # What this machine does not have is not missing from the recording.
    lost = set(profile.gaps) - set(unavailable(analysis.processes))
    yield _marked(words.MISSING_DATA, start, [(g.start_ns, g.end_ns, f"{g.source}: {g.reason}") for g in lost])
    xids = [row for row in _table(analysis, "xid").dicts() if row.get("t")]
    yield _marked(words.XID, start, [(r["t"], r["t"], f"GPU {r.get('device')}: XID {r.get('xid')}") for r in xids])


def _epochs(loops: Iterable[Loop]) -> list[Span]:
    training = (loop for loop in loops if loop.profile.role == "training")
    return [(i.start_ns, i.start_ns, f"epoch {n}") for loop in training for n, i in enumerate(loop.loader.iterators)]


def _checkpoints(log: ProcessLog) -> list[Span]:
    saved = (row for row in log.table("span").dicts() if row.get("t0") and row.get("t1"))
    return [(row["t0"], row["t1"], str(row.get("name"))) for row in saved]


def _marked(of: LaneKind, start_ns: float, spans: list[Span], rank: int | None = None) -> Lane:
    """Return a lane of marks, given in ns."""
    in_seconds = sorted(((a - start_ns) / 1e9, (b - start_ns) / 1e9, label) for a, b, label in spans)
    return Lane(of, spans=tuple(in_seconds), rank=rank)
