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
from gpuwatch.model.recording import Table
from gpuwatch.model.timeline import Lane, Timeline


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
        group, steps = _group(loop), loop.steps
        order = np.argsort(steps.end, kind="stable")
        if not loop.profile.own_loop:
            yield line(analysis, "input wait", group, "ms", steps.end[order], steps.wait[order] / 1e6)
        yield line(
            analysis,
            "step time",
            group,
            "ms",
            steps.end[order],
            (steps.wait + steps.compute + steps.nested)[order] / 1e6,
        )
        if np.isfinite(steps.gpu_wait).any():
            yield line(analysis, "GPU wait", group, "ms", steps.end[order], steps.gpu_wait[order] / 1e6)


def _group(loop: Loop) -> str:
    return f"rank {loop.profile.rank}"


def _device_lanes(analysis: Analysis) -> Iterable[Lane]:
    table = _table(analysis, "gpu")
    if not len(table):
        return
    told = columns_of(table, ("t", "device", "busy", "reasons", *(line[1] for line in _GPU_LINES)))
    t, device = told["t"], told["device"]
    for index in sorted({int(d) for d in device if d == d}):
        at = np.flatnonzero((device == index) & np.isfinite(t))
        group = f"GPU {index}"
        yield _busy_lane(analysis, index, group, t[at], told["busy"][at])
        for name, column, unit, factor in _GPU_LINES:
            values = told[column][at]
            if np.isfinite(values).any():
                yield line(analysis, name, group, unit, t[at], values * factor)
        yield Lane(
            "throttling",
            group,
            "spans",
            "",
            spans=tuple(_throttle_spans(seconds(analysis, t[at]), told["reasons"][at])),
        )


_GPU_LINES = (
    ("SM active", "sm_active", "%", 1.0),
    ("GPU memory", "memory_used_bytes", "GiB", 2.0**-30),
    ("power", "power_mw", "W", 1e-3),
    ("temperature", "temperature_c", "°C", 1.0),
)


def _busy_lane(analysis: Analysis, index: int, group: str, t: Array, busy: Array) -> Lane:
    """Return the busy share, from the driver's finer samples where there are any."""
    table = _table(analysis, "gpu_busy")
    chosen = np.flatnonzero((numbers(table, "device") == index) & np.isfinite(numbers(table, "t")))
    told = [as_list(samples) for samples in table.pick("busy", chosen.tolist())]
    count = np.array([len(samples) for samples in told], dtype=np.int64)
    if count.sum():
        values = to_floats([value for samples in told for value in samples])
        # Evenly placed up to the row's own time.
        after = np.repeat(np.cumsum(count), count) - 1 - np.arange(count.sum())
        step = np.nan_to_num(numbers(table, "interval_ns")[chosen]) / np.maximum(count, 1)
        times = np.repeat(numbers(table, "t")[chosen], count) - after * np.repeat(step, count)
        return line(analysis, "GPU busy", group, "%", times, values)
    return line(analysis, "GPU busy", group, "%", t, busy)


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
        yield line(analysis, "CPU busy", "machine", "cores", numbers(cpu, "t"), sums(cpu, "busy")[0])
    yield from _pressure_lanes(analysis)
    memory = _table(analysis, "memory")
    if len(memory):
        used = numbers(memory, "total_bytes") - numbers(memory, "available_bytes")
        yield line(analysis, "memory used", "machine", "GiB", numbers(memory, "t"), used / 2**30)
        yield line(
            analysis, "shared memory", "machine", "GiB", numbers(memory, "t"), numbers(memory, "shm_used_bytes") / 2**30
        )


def _pressure_lanes(analysis: Analysis) -> Iterable[Lane]:
    table = _table(analysis, "pressure")
    t = numbers(table, "t")
    for name, column in (("CPU pressure", "cpu_some_us"), ("I/O pressure", "io_some_us")):
        values = numbers(table, column)
        known = np.flatnonzero(np.isfinite(values))
        if len(known) >= 2:
            share = np.diff(values[known]) * 1e3 / np.maximum(np.diff(t[known]), 1.0)
            yield line(analysis, name, "machine", "%", t[known][1:], np.clip(share * 100, 0.0, 100.0))


def _marks(analysis: Analysis, profile: Profile) -> Iterable[Lane]:
    start = analysis.processes.start_ns
    for this, rank in zip(analysis.walks, profile.ranks, strict=True):
        group = f"rank {rank.rank}"
        loops = analysis.loops_of(this)
        epochs = [
            (i.start_ns, f"epoch {n}")
            for loop in loops
            if loop.profile.role == "training"
            for n, i in enumerate(loop.loader.iterators)
        ]
        yield _span_lane("epochs", group, [((t - start) / 1e9, (t - start) / 1e9, label) for t, label in epochs])
        evaluations = [window for loop in loops if loop.profile.role == "evaluation" for window in windows(loop.loader)]
        yield _span_lane(
            "evaluation", group, [((a - start) / 1e9, (b - start) / 1e9, "evaluation") for a, b in evaluations]
        )
        long = rank.long_steps.spans if rank.long_steps else ()
        yield _span_lane("long steps", group, [((a - start) / 1e9, (b - start) / 1e9, "long step") for a, b in long])
        saved, shift = this.trainer.log.table("span").dicts(), this.trainer.shift_ns - start
        told = [row for row in saved if row.get("t0") and row.get("t1")]
        yield _span_lane(
            "checkpoints",
            group,
            [((row["t0"] + shift) / 1e9, (row["t1"] + shift) / 1e9, str(row.get("name"))) for row in told],
        )
    # What this machine does not have is not missing from the recording.
    lost = set(profile.gaps) - set(unavailable(analysis.processes))
    yield _span_lane(
        "missing data",
        "machine",
        [((g.start_ns - start) / 1e9, (g.end_ns - start) / 1e9, f"{g.source}: {g.reason}") for g in lost],
    )
    xids = [row for row in _table(analysis, "xid").dicts() if row.get("t")]
    yield _span_lane(
        "XID",
        "machine",
        [((r["t"] - start) / 1e9, (r["t"] - start) / 1e9, f"GPU {r.get('device')}: XID {r.get('xid')}") for r in xids],
    )


def _span_lane(name: str, group: str, spans: list[Span]) -> Lane:
    return Lane(name, group, "marks", "", spans=tuple(sorted(spans)))
