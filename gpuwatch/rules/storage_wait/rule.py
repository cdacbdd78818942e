"""The workers wait for reads: the time of a batch is neither CPU nor the queue for a core.

What it means
    Making a batch takes long although it costs little CPU: the worker sleeps in the kernel until bytes come from a
    disk, a network file system or an object store. More workers help, because waiting uses no CPU; fewer, larger
    or local reads help more.

How it is measured
    wall = CPU + run-queue delay + blocked, per batch, in the worker. The rule fires when the blocked part dominates
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
from gpuwatch.diagnosis.evidence import blocked_share, certainty, hot_line, place, splits_its_data, wait_evidence
from gpuwatch.diagnosis.needs import WORKING_LOOP, Starved
from gpuwatch.diagnosis.rule import Found, Missing, Need, Rule
from gpuwatch.diagnosis.thresholds import NoThresholds, Threshold
from gpuwatch.model.findings import Evidence, Speedup, Traits
from gpuwatch.model.hot_lines import HotLine
from gpuwatch.model.profile import Profile
from gpuwatch.records import dataclass

_MOVE = "Move the data to local disk (or the page cache) or into fewer, larger files"
READING = frozenset(
    ("read", "open", "urlopen", "recv", "load", "imread", "fromfile", "seek", "request", "download", "fetch")
)


@dataclass(frozen=True)
class Thresholds(NoThresholds):
    """From which values on the rule reports."""

    blocked_share: Threshold = Threshold(0.4, "share of the fetch", "Less is what locks and page faults cost.")
    bytes_per_sample: Threshold = Threshold(256.0, "bytes", "Less is no data, but file names and headers.")
    io_pressure: Threshold = Threshold(0.1, "share of the time", "The kernel's own word that tasks wait for I/O.")
    line_share: Threshold = Threshold(
        0.4, "share of the loader's work", "A line with this share is what the workers wait in."
    )
    critical_share: Threshold = Threshold(0.6, "share of the fetch", "Most of the workers' time.")


def check(profile: Profile, t: Thresholds, seen: Starved, blocked: float) -> Found | None:
    """Report a starved loop whose workers are blocked most of a fetch while they read."""
    if seen.cores is not None or blocked < t.blocked_share or not _reads(profile, seen, t):
        return None
    line = hot_line(profile, "worker", "fetch")
    return Found(
        severity="critical" if blocked >= t.critical_share else "warning",
        confidence=certainty(seen.state, default="high" if seen.fetch.read_bytes_per_batch else "medium"),
        summary=f"workers wait for reads {blocked:.0%} of batch time, not for a core",
        evidence=(
            wait_evidence(seen.loader),
            Evidence("blocked in a fetch", round(blocked, 4), "share", t.blocked_share, seen.fetch.n),
            Evidence("fetch", round(seen.fetch.wall_ms.median, 2), "ms", n=seen.fetch.n),
            Evidence("CPU in it", seen.fetch.cpu_ms, "ms", n=seen.fetch.n),
            Evidence("read per batch", seen.fetch.rchar_per_batch, "bytes", n=seen.fetch.n),
            Evidence("of it from storage", seen.fetch.read_bytes_per_batch, "bytes", n=seen.fetch.n),
            Evidence("I/O pressure", profile.machine.io_pressure, "share", t.io_pressure),
        ),
        advice=f"{_MOVE}{_meanwhile(seen, blocked)}.",
        where=place(line, seen.loader.dataset_where),
        speedup=_speedup(seen, blocked),
        verify="try --loader",
    )


def _meanwhile(seen: Starved, blocked: float) -> str:
    """Say what more workers would do: they have more reads in flight, unless each of them would read the same."""
    if not splits_its_data(seen.loader):
        return ""
    on_core = 1.0 - blocked
    return (
        f"; until then raise num_workers, also beyond the cores: a worker needs one for {on_core:.0%} of a batch's time"
    )


def _blocked(profile: Profile) -> float | Missing:
    share = blocked_share(profile.primary) if profile.primary else None
    return Missing("CPU time and run-queue delay of the fetches") if share is None else share


def _reads(profile: Profile, seen: Starved, t: Thresholds) -> bool:
    """Say whether the worker's blocked time goes with reading."""
    per_sample = (seen.fetch.rchar_per_batch or 0.0) / max(seen.fetch.samples_per_batch or 1.0, 1.0)
    pressure = (profile.machine.io_pressure or 0.0) >= t.io_pressure
    line = hot_line(profile, "worker" if seen.loader.workers else "trainer", "fetch")
    # Sockets are read past the counters of read calls; the line that waits tells.
    if line is not None and reading(line) and line.share >= t.line_share:
        return True
    # It does not read itself then, whatever its process reads.
    if waits_for_threads(line):
        return False
    return per_sample >= t.bytes_per_sample or bool(seen.fetch.read_bytes_per_batch) or pressure


def reading(line: HotLine) -> bool:
    """Say whether a line's callee or source is a call that reads."""
    return bool(words(line) & READING)


def _speedup(seen: Starved, blocked: float) -> Speedup:
    after = throughput.with_work(seen.costs, 1.0 - blocked, 1.0)
    return throughput.predict(seen.costs, after, "throughput model: reads made free, CPU per batch unchanged", 0.3)


RULE = Rule(
    id="storage-wait",
    page=__doc__,
    check=check,
    needs=(
        WORKING_LOOP,
        Need("CPU time and run-queue delay of the fetches", _blocked),
    ),
    thresholds=Thresholds(),
    hides=("slow-dataset-code", "too-few-workers", "expensive-decode", "no-worker-processes"),
    traits=Traits(
        about_input=True,
        lanes=("cpu_pressure", "io_pressure", "worker", "input_wait"),
        windows="waiting",
        remedies=("cache-items",),
    ),
)
