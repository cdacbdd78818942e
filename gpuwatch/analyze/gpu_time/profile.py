"""Traces → profile: what the rules may look at where there is no run, only what somebody's profiler recorded."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from gpuwatch.analyze.gpu_time.build import Judged
from gpuwatch.errors import GpuwatchError
from gpuwatch.model.hot_lines import StackQuality
from gpuwatch.model.machine_profile import MachineProfile
from gpuwatch.model.profile import Overhead, Profile
from gpuwatch.model.recording import RunInfo
from gpuwatch.model.trace import Trace
from gpuwatch.words.version import own_version


def traced_profile(traces: Sequence[Trace], judged: Sequence[Judged]) -> Profile:
    """Return the profile of traces. Raises GpuwatchError where no device did anything for longer than an instant."""
    times = tuple(each.said for each in judged)
    if not times:
        raise GpuwatchError(
            f"{traces[0].source} has too little GPU activity to judge", "Record several steps (schedule(active=5))"
        )
    span_s = max(time.span_ms for time in times) / 1e3
    return Profile(
        run=_run(traces, span_s),
        seconds=span_s,
        ranks=(),
        loaders=(),
        primary=None,
        machine=_NO_MACHINE,
        devices=(),
        hot_lines=(),
        stacks=StackQuality("none", 0, "none", "a GPU trace has no samples"),
        unentered=(),
        costs=None,
        overhead=Overhead(None, None, sum(trace.bytes for trace in traces)),
        problems=tuple(_lost(traces, {(time.source, time.rank) for time in times})),
        torch_seen=True,
        gpu_time=times,
    )


def _lost(traces: Sequence[Trace], judged: set[tuple[str | None, int]]) -> Iterator[str]:
    """Yield a line for each thing that the traces do not give; of several files with the name of the one that lacks it."""
    several = len({trace.source for trace in traces}) > 1
    for trace in traces:
        silent = (trace.source, trace.rank) not in judged
        for line in (*trace.lost, *(["no GPU activity: the profiler recorded the host alone"] if silent else ())):
            yield f"{Path(trace.source).name}: {line}" if several else line


def _run(traces: Sequence[Trace], span_s: float) -> RunInfo:
    paths = [Path(path) for path in dict.fromkeys(trace.source for trace in traces)]
    name = paths[0].name if len(paths) == 1 else f"{paths[0].parent.name or '.'} ({len(paths)} traces)"
    started = min((trace.started_wall_ns for trace in traces if trace.started_wall_ns), default=0)
    return RunInfo(
        id=name,
        name=None,
        command=(),
        cwd=str(paths[0].parent.absolute()),
        host="",
        started_wall_ns=started,
        started_ns=0,
        ended_ns=int(span_s * 1e9),
        gpuwatch=own_version(),
    )


_NO_MACHINE = MachineProfile(
    cores=None,
    affinity_cores=None,
    quota_cores=None,
    usable_cores=None,
    busy_cores=None,
    run_cores=None,
    other_cores=None,
    spare_cores=None,
    cpu_pressure=None,
    io_pressure=None,
    memory_pressure=None,
    throttled_share=None,
    threads_per_worker=None,
    library_threads=None,
    shm_total_bytes=None,
    shm_peak_bytes=None,
    memory_total_bytes=None,
    memory_low_bytes=None,
    worker_memory=None,
    worker_delay_share=None,
)
