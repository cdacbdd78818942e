"""The workers wait for reads: the time of a batch is neither CPU nor the queue for a core.

What it means
    Making a batch takes long although it costs little CPU: the worker sleeps in the kernel until bytes come from a
    disk, a network file system or an object store. More workers help, because waiting needs no core; fewer, larger
    or nearer reads help more.

How it is measured
    wall = CPU + run-queue delay + blocked, per batch, in the worker. The rule speaks when the blocked part dominates
    and the worker reads: bytes through read calls, bytes from storage, major page faults or I/O pressure.

When it is wrong
    A lock, a sleep, or a request to another service blocks too; the hot line names the call. The first epoch may be
    cold and the second come from the page cache.

What to do
    Copy the data to a local disk, pack many small files into a few large ones (tar shards, HDF5, LMDB on local disk),
    read ahead, or raise num_workers to have more reads in flight.
"""

from __future__ import annotations

from gpuwatch.analyze import throughput
from gpuwatch.analyze.lines.waiting import waits_for_threads, words
from gpuwatch.diagnosis.evidence import (
    Starved,
    blocked_share,
    certainty,
    hot_line,
    place,
    try_command,
    wait_evidence,
    working_loop,
)
from gpuwatch.model.findings import Clear, Evidence, Finding, NotEvaluated, Speedup
from gpuwatch.model.hot_lines import HotLine
from gpuwatch.model.profile import Profile

ID = "storage-wait"
BLOCKED_SHARE = 0.4
BYTES_PER_SAMPLE = 256.0
IO_PRESSURE = 0.1
READING = frozenset(
    ("read", "open", "urlopen", "recv", "load", "imread", "fromfile", "seek", "request", "download", "fetch")
)
# A line with this share of the loader's work is what the workers wait in.
LINE_SHARE = 0.4


def check(profile: Profile) -> Finding | Clear | NotEvaluated:
    """Report a starved loop whose workers are blocked most of a fetch while they read."""
    seen = working_loop(profile, ID)
    if not isinstance(seen, Starved):
        return seen
    blocked = blocked_share(seen.loader)
    if blocked is None:
        return NotEvaluated(ID, "CPU time and run-queue delay of the fetches")
    if blocked < BLOCKED_SHARE or not reads(profile, seen):
        return Clear(ID)
    line = hot_line(profile, "worker", "fetch")
    return Finding(
        id=ID,
        severity="critical" if blocked >= 0.6 else "warning",
        confidence=certainty(seen.state, default="high" if seen.fetch.read_bytes_per_batch else "medium"),
        summary=f"{blocked:.0%} of a batch's time the worker waits for reads, not for a core",
        evidence=(
            wait_evidence(seen.loader),
            Evidence("blocked in a fetch", round(blocked, 4), "share", BLOCKED_SHARE, seen.fetch.n),
            Evidence("fetch", round(seen.fetch.wall_ms.median, 2), "ms", n=seen.fetch.n),
            Evidence("CPU in it", seen.fetch.cpu_ms, "ms", n=seen.fetch.n),
            Evidence("read per batch", seen.fetch.rchar_per_batch, "bytes", n=seen.fetch.n),
            Evidence("of it from storage", seen.fetch.read_bytes_per_batch, "bytes", n=seen.fetch.n),
            Evidence("I/O pressure", profile.machine.io_pressure, "share", IO_PRESSURE),
        ),
        advice="Bring the data nearer (local disk, page cache) or into fewer, larger files; until then raise num_workers,"
        " since waiting needs no core.",
        where=place(line, seen.loader.dataset_where),
        speedup=_speedup(seen, blocked),
        verify=try_command(profile, "--loader"),
        explains=("slow-dataset-code", "too-few-workers", "expensive-decode", "no-worker-processes"),
    )


def reads(profile: Profile, seen: Starved) -> bool:
    """Say whether the worker's blocked time goes with reading."""
    per_sample = (seen.fetch.rchar_per_batch or 0.0) / max(seen.fetch.samples_per_batch or 1.0, 1.0)
    pressure = (profile.machine.io_pressure or 0.0) >= IO_PRESSURE
    line = hot_line(profile, "worker" if seen.loader.workers else "trainer", "fetch")
    # Sockets are read past the counters of read calls; the line that waits tells.
    if line is not None and line.share >= LINE_SHARE and reading(line):
        return True
    # It does not read itself then, whatever its process reads.
    if waits_for_threads(line):
        return False
    return per_sample >= BYTES_PER_SAMPLE or bool(seen.fetch.read_bytes_per_batch) or pressure


def reading(line: HotLine) -> bool:
    """Say whether a line's callee or source is a call that reads."""
    return bool(words(line) & READING)


def _speedup(seen: Starved, blocked: float) -> Speedup:
    after = throughput.with_work(seen.costs, 1.0 - blocked, 1.0)
    return throughput.predict(seen.costs, after, "throughput model: reads made free, CPU per batch unchanged", 0.3)
