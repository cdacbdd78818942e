"""Stack samples of the training and its workers: when py-spy looks, at whom, for how long, and what it costs.

A start-up is looked at from its first seconds until the first batch, and now and then when that is long in coming: it
costs no throughput. The loop's first burst comes soon after it runs steadily, so that a short run has one too. Later
ones come while the trainer waits for data, has become slower or has new workers, else at doubling distances, and only
as long as what they have cost stays below COST_SHARE of the run. Where py-spy may not look, its own words go into the
spool and `control.json` asks the timer inside the processes to take over.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from gpuwatch.records import dataclass
from gpuwatch.sources import pyspy, speedscope, threads
from gpuwatch.sources.base import Row
from gpuwatch.sources.spare import SpareCores
from gpuwatch.sources.spool import SpoolFile
from gpuwatch.sources.trainers import Trainer, Trainers
from gpuwatch.sources.tree import ProcessTree

HZ, MANY_WORKERS, HZ_MANY = 50, 8, 20
# Every sample of a process costs half a millisecond: half as many where no core is idle, and of a start-up fewer still.
HZ_SHARE_WITHOUT_SPARE, SPARE_CORES, HZ_STARTUP = 0.5, 0.25, 20
BURST_S = 5.0
# A start-up is looked at once the process is this old, for this long; then again after this long, and doubling.
STARTUP_NS, STARTUP_S, STARTUP_GAP_NS, STARTUP = 1_000_000_000, 20.0, 20_000_000_000, "startup"
# Steady: so many batches, or so long after the first one.
STEADY_BATCHES, STEADY_NS = 20, 2_000_000_000
FIRST_GAP_NS, LONGEST_GAP_NS = 10_000_000_000, 600_000_000_000
# A trainer that waits for more than this share of its latest steps is worth another burst.
BURST_WAIT_SHARE = 0.2
SLOWER = 1.5
COST_SHARE = 0.01
_LOOK_S, _LONGEST_LOOK_S, _END_PATIENCE_S = 0.5, 5.0, 3.0
_FIRST_BATCH_LOOK_S = 0.1
_ATTEMPTS = 2


@dataclass
class _Looked:
    """What a burst found of a trainer: what is new since then calls for another."""

    iterators: int
    step_ns: float | None


class Plan:
    """When the next burst is due, and of which trainer. Times in time.monotonic_ns; `cores`: those that the run may use."""

    def __init__(self, cores: float) -> None:
        self._cores = max(cores, 1.0)
        self._gap_ns = FIRST_GAP_NS
        self._ended: int | None = None
        self._spent_ns = self._last_ns = 0
        self._looked: dict[int, _Looked] = {}
        self._startups: dict[int, tuple[int, int]] = {}  # by pid: when looked at last, and when again

    def due(self, now: int, trainers: Sequence[Trainer]) -> tuple[Trainer, str] | None:
        """Return the trainer to look at and why, or None."""
        # Ranks take turns: one after the other gives the picture of all at the cost of one.
        turns = {pid: turn for turn, pid in enumerate(self._looked, start=1)}
        steady = sorted((one for one in trainers if self._is_steady(now, one)), key=lambda one: turns.get(one.pid, 0))
        if not steady:
            return self._startup(now, trainers)
        if self._ended is None:
            return steady[0], "steady"
        if not self._affordable(now, steady):
            return None
        rest = now - self._ended
        why = self._news(steady) if rest >= self._gap_ns else None
        return why or ((steady[0], "regular") if rest >= 2 * self._gap_ns else None)

    def rest_s(self, now: int) -> float:
        """Return how long nothing can be due, in seconds: spools that grow fast are not read for nothing."""
        left = 0 if self._ended is None else self._ended + self._gap_ns - now
        return min(max(left / 1e9, _LOOK_S), _LONGEST_LOOK_S)

    def done(self, now: int, trainer: Trainer, cpu_ns: int, why: str = "") -> None:
        """Note a burst that ended now and cost so much CPU time."""
        if why == STARTUP:
            before, due = self._startups.get(trainer.pid, (0, 0))
            gap = min(2 * (due - before), LONGEST_GAP_NS) if before else STARTUP_GAP_NS
            self._startups[trainer.pid] = now, now + gap
            return
        if self._ended is not None:
            self._gap_ns = min(2 * self._gap_ns, LONGEST_GAP_NS)
        self._ended, self._last_ns = now, cpu_ns
        self._spent_ns += cpu_ns
        # Put last, for the ranks' turns.
        self._looked.pop(trainer.pid, None)
        self._looked[trainer.pid] = _Looked(trainer.iterators, trainer.step_ns)

    def _is_steady(self, now: int, trainer: Trainer) -> bool:
        first = trainer.first_batch_ns
        return first is not None and (trainer.batches >= STEADY_BATCHES or now - first >= STEADY_NS)

    def _startup(self, now: int, trainers: Sequence[Trainer]) -> tuple[Trainer, str] | None:
        """Return a process that is starting, if none has its first batch yet; of many that start together only one."""
        if any(one.first_batch_ns is not None for one in trainers):
            return None
        old = [one for one in trainers if one.since_ns is not None and now - one.since_ns >= STARTUP_NS]
        chosen = next((one for one in old if one.pid in self._startups), next(iter(old), None))
        return (chosen, STARTUP) if chosen and now >= self._startups.get(chosen.pid, (0, 0))[1] else None

    def seconds(self, trainer: Trainer, why: str) -> float:
        """Return how long a burst shall last; of a start-up the first one lasts until the first batch, if it can."""
        return STARTUP_S if why == STARTUP and trainer.pid not in self._startups else BURST_S

    def _affordable(self, now: int, trainers: Sequence[Trainer]) -> bool:
        """Tell whether one more burst like the last keeps the cost low, on cores that are all in use by the training."""
        began = min(trainer.first_batch_ns for trainer in trainers if trainer.first_batch_ns is not None)
        return (self._spent_ns + self._last_ns) / self._cores <= COST_SHARE * (now - began)

    def _news(self, trainers: Sequence[Trainer]) -> tuple[Trainer, str] | None:
        for trainer in trainers:
            looked = self._looked.get(trainer.pid)
            if looked is None or (trainer.iterators > looked.iterators and trainer.workers):
                return trainer, "new workers" if looked else "new trainer"
            if (trainer.wait_share or 0.0) > BURST_WAIT_SHARE:
                return trainer, "starved"
            if looked.step_ns and (trainer.step_ns or 0.0) > SLOWER * looked.step_ns:
                return trainer, "slow"
        return None


class _FirstBatch:
    """Ends the look at a start-up with the first batch, or with all looking. Asked like a threading.Event."""

    def __init__(self, halt: threading.Event, started: Callable[[], bool]) -> None:
        self._halt, self._started, self._over = halt, started, False
        self._asked_s = 0.0

    def wait(self, timeout: float) -> bool:
        halted = self._halt.wait(timeout)
        if time.monotonic() - self._asked_s >= _FIRST_BATCH_LOOK_S:
            self._over, self._asked_s = self._over or self._started(), time.monotonic()
        return halted or self._over

    def is_set(self) -> bool:
        return self._over or self._halt.is_set()


class StacksThread(threading.Thread):
    """Runs the bursts and writes `spool/stacks.jsonl`. `off`: why there shall be none, e.g. an option."""

    def __init__(
        self,
        run: Path,
        tree: ProcessTree,
        off: str | None = None,
        cores: float | None = None,
        clock: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        super().__init__(name="stacks", daemon=True)
        self._run, self._tree, self._off, self._clock = run, tree, off, clock
        self._plan = Plan(cores or len(os.sched_getaffinity(0)))
        self._spare = SpareCores(cores)
        self._trainers = Trainers(run)
        self._halt = threading.Event()
        self._helpers: dict[int, bool] = {}
        self._failures = 0
        self._spool: SpoolFile | None = None

    def halt(self) -> None:
        """Ask for the end; a burst at work is interrupted and what it has is written. Never waits."""
        self._halt.set()

    def end(self) -> None:
        """Wait for the end, but not for long."""
        if self.is_alive():
            self.join(_END_PATIENCE_S)

    def run(self) -> None:
        """Look for due bursts until halted, or until py-spy turns out to be of no use here."""
        useless = self._off or pyspy.why_not()
        if not useless:
            try:
                return self._look()
            except Exception as error:  # what py-spy or a spool holds is foreign ground
                useless = f"{type(error).__name__}: {error}"
        self._write_refusal(useless)
        if not self._off:
            self._hand_over()
        return None

    def _look(self) -> None:
        while not self._halt.wait(self._plan.rest_s(self._clock())):
            self._spare.look()
            due = self._plan.due(self._clock(), self._candidates())
            if due and not self._burst(*due):
                self._hand_over()
                return

    def _candidates(self) -> list[Trainer]:
        """Return the processes that train or are about to; not those that only start others with the hook (torchrun)."""
        hooked, parents = self._tree.hooked, self._tree.members.copy()
        self._trainers.of(self._tree.runs)
        launchers = {parents.get(pid) for pid in hooked if not self._is_helper(pid, parents.get(pid))}
        return [one for one in self._trainers.refresh(hooked) if one.iterators or one.pid not in launchers]

    def _burst(self, trainer: Trainer, why: str) -> bool:
        """Take one burst; return False when there is no sense in another."""
        workers = max(trainer.workers, sum(parent == trainer.pid for parent in self._tree.members.copy().values()))
        hz, seconds = self._hz(workers, why), self._plan.seconds(trainer, why)
        stop = self._stop_of(trainer, why)
        meter = threads.Meter(trainer.pid, self._clock)
        held, cost_ns = (None, 0) if why == STARTUP else self._held(meter)
        meter.begin()
        burst = pyspy.record(trainer.pid, hz, seconds, self._run / "stacks.tmp", stop, self._clock)
        beside = self._threads(burst, meter, held)
        self._plan.done(self._clock(), trainer, burst.cpu_ns + cost_ns, why)
        rows = speedscope.fold(burst.profile, burst.t0, burst.t1, trainer.pid) if burst.profile else []
        seen = speedscope.processes(burst.profile, trainer.pid) if burst.profile else 0
        # Nobody's failure: a process that ended before py-spy had found it, or a look that was over before it began.
        if not rows and (not os.path.exists(f"/proc/{trainer.pid}") or (stop.is_set() and not burst.lasting)):
            return True
        reported = ["burst", burst.t0, burst.t1, hz, why, bool(rows), burst.note, seen, burst.cpu_ns, burst.began]
        self._write([reported, *rows, *beside])
        self._failures = 0 if rows else self._failures + 1
        return not burst.lasting and self._failures < _ATTEMPTS

    def _hz(self, workers: int, why: str) -> int:
        """Return how often to look: where all cores are the training's, every sample is at its expense."""
        hz = HZ_MANY if workers >= MANY_WORKERS else HZ
        if why == STARTUP:
            return min(hz, HZ_STARTUP)
        return hz if (self._spare.idle or 0.0) >= SPARE_CORES else round(hz * HZ_SHARE_WITHOUT_SPARE)

    def _stop_of(self, trainer: Trainer, why: str) -> pyspy.Stop:
        """Return what ends a burst before its time."""
        return _FirstBatch(self._halt, lambda: self._is_started(trainer.pid)) if why == STARTUP else self._halt

    def _threads(self, burst: pyspy.Burst, meter: threads.Meter, held: Mapping[str, float] | None) -> list[Row]:
        """Return a row for each Python thread that the burst met in the trainer."""
        if burst.profile is None:
            return []
        labels = {tid: label for tid, label in speedscope.thread_labels(burst.profile, meter.pid) if label}
        return threads.rows(burst.t0, burst.t1, meter.pid, labels, meter.end(), held)

    def _held(self, meter: threads.Meter) -> tuple[dict[str, float] | None, int]:
        """Return the share of a second in which each thread held the interpreter lock, and what it cost to see that; None
        where no thread beside the main one is at work. Before a burst: after it the loop may be over."""
        if self._halt.wait(threads.GLANCE_S) or not meter.is_contended():
            return None, 0
        file = self._run / "stacks.tmp"
        look = pyspy.record(meter.pid, threads.HELD_HZ, threads.HELD_S, file, self._halt, self._clock, held=True)
        if look.profile is None or self._halt.is_set():
            return None, look.cpu_ns
        most = threads.HELD_HZ * max(1, round(threads.HELD_S))
        counted = threads.held_samples(look.profile, meter.pid)
        return {label: min(number / most, 1.0) for label, number in counted.items()}, look.cpu_ns

    def _is_helper(self, pid: int, parent: int | None) -> bool:
        """Say whether a process was forked or started by multiprocessing, as workers are: no launcher's child."""
        if pid not in self._helpers:
            try:
                command, parents = (Path(f"/proc/{one}/cmdline").read_bytes() for one in (pid, parent))
            except OSError:
                return False
            if not command:  # about to be executed
                return False
            self._helpers[pid] = b"multiprocessing" in command or command == parents
        return self._helpers[pid]

    def _is_started(self, pid: int) -> bool:
        """Say whether a start-up is over: somebody has a batch, or the process is gone or only a launcher."""
        found = self._candidates()
        return any(one.first_batch_ns is not None for one in found) or all(one.pid != pid for one in found)

    def _write_refusal(self, reason: str) -> None:
        now = self._clock()
        self._write([["burst", now, now, 0, "start", False, reason, 0, 0, None]])

    def _write(self, rows: list[list[object]]) -> None:
        try:
            self._spool = self._spool or SpoolFile(self._run / "spool" / "stacks.jsonl", "stacks")
        except OSError:
            return
        self._spool.write(rows)

    def _hand_over(self) -> None:
        """Have the timer inside the training and its workers take the samples."""
        for run in self._tree.runs:
            file = run / "control.json"
            try:
                part = file.with_suffix(".part")
                part.write_text(json.dumps({"timer": True}))
                part.replace(file)
            except OSError:
                continue
