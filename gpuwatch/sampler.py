"""The sampler process: which source is due, its sample, the spool. No torch, nothing heavy.

    python -m gpuwatch.sampler RUN_DIR [--parent PID] [--rate HZ] [--no-stacks] [--asks] [--tasks FOLDER] [--inside]
    python -m gpuwatch.sampler RUN_DIR --parent PID --attach PID,PID --seconds S [--no-stacks] [--no-locals] [--live]

It ends when `RUN_DIR/stop` appears, on SIGTERM, when the run folder vanishes, or once the supervisor is gone and
the run's processes with it; attached to a training, after its seconds, or with its supervisor. With --inside the parent is
no supervisor: it is the training itself. Ctrl-C belongs to the training: SIGINT, SIGHUP and SIGQUIT are ignored.
"""

from __future__ import annotations

import os
import random
import resource
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from gpuwatch.records import dataclass
from gpuwatch.sources.attached_stacks import AttachedStacks
from gpuwatch.sources.base import KeptFile, Row, Source
from gpuwatch.sources.cgroup import CgroupSource, quota_cores
from gpuwatch.sources.cpu import CpuSource, allowed_cpus
from gpuwatch.sources.idle_gpu import IdleGpu
from gpuwatch.sources.memory import MemorySource
from gpuwatch.sources.not_instrumented import UnenteredSource
from gpuwatch.sources.nvml import NvmlSource
from gpuwatch.sources.pressure import PressureSource
from gpuwatch.sources.processes import ProcessSource
from gpuwatch.sources.slot import EARLY_NS, EARLY_PERIOD_S, Slot, SlotThread
from gpuwatch.sources.spool import SpoolFile
from gpuwatch.sources.stacks import StacksThread
from gpuwatch.sources.tree import ProcessTree
from gpuwatch.words.environment import STACKS, switch

# How often the end of the run is looked for, how long a slow driver may delay our own end, and how long
# processes that never loaded the hook (a logging daemon, say) keep us alive without a supervisor.
LOOK_S, DRIVER_PATIENCE_S, ORPHANS_S = 0.1, 1.0, 60.0
JITTER = 0.1
# A tick this many periods late is a gap: stopped, suspended or starved of CPU.
GAP_PERIODS = 3.0


@dataclass(frozen=True, slots=True)
class Attached:
    """What is watched without having been started by us: these processes and those below them, for so long.

    `live`: in short looks, each of which can be read when it is over."""

    pids: tuple[int, ...]
    seconds: float
    read_locals: bool = True
    live: bool = False


class Sampler:
    """Reads every source when it is due until the run has ended."""

    def __init__(
        self,
        run: Path,
        parent: int,
        rate_hz: float = 1.0,
        no_stacks: str | None = None,
        asks: bool = False,
        clock: Callable[[], int] = time.monotonic_ns,
        attached: Attached | None = None,
        tasks: Path | None = None,
        inside: bool = False,
    ) -> None:
        self._run, self._parent, self._rate, self._clock = run, parent, rate_hz, clock
        self._spool = SpoolFile(run / "spool" / "sampler.jsonl", "sampler")
        self._attached, self._inside = attached, inside
        self._tree = ProcessTree(parent if attached is None else {*attached.pids, os.getpid()}, run, tasks=tasks)
        self._slots = [Slot(source, rate_hz, clock=clock) for source in self._sources()]
        self._nvml = NvmlSource(clock)
        self._driver = SlotThread(
            Slot(self._nvml, rate_hz, early=False, clock=clock), self._spool, self._nvml.gaps, clock
        )
        self._stacks = self._stacks_thread(no_stacks)
        self._idle_gpu = IdleGpu(run) if asks else None
        self._statm = KeptFile("/proc/self/statm", 128)
        self._started = self._due = clock()
        self._stop = threading.Event()
        self._childless_since: int | None = None

    def _sources(self) -> Sequence[Source]:
        processes = ProcessSource(self._tree, None if self._inside else self._parent, self._clock)
        sources: list[Source] = [
            CpuSource(self._clock),
            MemorySource(self._clock),
            processes,
            PressureSource(self._clock),
            CgroupSource(self._clock),
        ]
        if self._attached is not None:
            return sources
        began = self._parent if self._inside else None
        return [*sources, UnenteredSource(self._tree, self._run, {self._parent}, self._clock, inside=began)]

    def _stacks_thread(self, off: str | None) -> StacksThread:
        if self._attached is None:
            return StacksThread(self._run, self._tree, off, quota_cores(), self._clock)
        to = self._attached
        return AttachedStacks(self._run, self._tree, to.pids, to.seconds, to.read_locals, off, self._clock, to.live)

    def stop(self) -> None:
        """Ask the loop to end; safe in a signal handler."""
        self._stop.set()

    def run(self) -> None:
        """Sample until the run has ended, then take a last sample and close."""
        self._spool.write([["meta", self._clock(), "rate_hz", self._rate], *(slot.open() for slot in self._slots)])
        if (cpus := allowed_cpus()) is not None:
            self._spool.write(
                [["meta", self._clock(), "cpus", cpus[0]], ["meta", self._clock(), "allowed_cpus", cpus[1]]]
            )
        self._driver.start()
        self._stacks.start()
        while not self._ended():
            self._tick()
            self._wait()
        self._tick()
        self._finish()

    def _tick(self) -> None:
        now = self._clock()
        late = max(0, now - self._due)
        self._driver.ask()
        if self._idle_gpu is not None:
            self._idle_gpu.look(now, self._nvml.busy, self._tree.hooked)
        rows: list[Row] = []
        for slot in self._slots:
            rows += slot.rows(now)
        rss = int(self._statm.read().split()[1]) * resource.getpagesize()
        rows.append(["tick", self._clock(), late, time.process_time_ns(), rss])
        if late > GAP_PERIODS * self._period_s(now) * 1e9:
            rows.append(["gap", self._due, now, "sampler", "the sampler did not run: stopped, or starved of CPU"])
        self._spool.write(rows)
        # Jittered, so that sampling never keeps step with the training.
        self._due = now + int(self._period_s(now) * random.uniform(1 - JITTER, 1 + JITTER) * 1e9)

    def _period_s(self, now: int) -> float:
        return min(EARLY_PERIOD_S, 1 / self._rate) if now - self._started < EARLY_NS else 1 / self._rate

    def _wait(self) -> None:
        """Sleep until the next tick is due, looking out for the end."""
        while (left := (self._due - self._clock()) / 1e9) > 0:
            if self._stop.wait(min(left, LOOK_S)) or self._stop_file():
                self._stop.set()
                return

    def _stop_file(self) -> bool:
        return os.path.exists(self._run / "stop")

    def _ended(self) -> bool:
        if self._stop.is_set() or self._stop_file() or self._spool.gone():
            return True
        return self._abandoned() if self._attached is None else self._has_looked(self._attached)

    def _has_looked(self, attached: Attached) -> bool:
        """Tell whether an attached look is over, or its command has ended, or nothing is left to look at."""
        if (
            not os.path.exists(f"/proc/{self._parent}")
            or _is_zombie(self._parent)
            or all(map(_is_zombie, attached.pids))
        ):
            return True
        if self._stacks.is_alive():
            return False
        # Where no stacks can be had, the machine is still watched for as long as was asked.
        return self._clock() - self._started >= attached.seconds * 1e9

    def _abandoned(self) -> bool:
        """Tell whether the supervisor is gone and nothing of the run is left to watch."""
        if os.path.exists(f"/proc/{self._parent}") and not _is_zombie(self._parent):
            return False
        others = self._tree.members.keys() - self._tree.supervisors - {self._parent, os.getpid()}
        if not others:
            return True
        if others & self._tree.hooked:
            self._childless_since = None
            return False
        self._childless_since = self._childless_since or self._clock()
        return self._clock() - self._childless_since > ORPHANS_S * 1e9

    def _finish(self) -> None:
        self._stacks.halt()
        self._driver.stop(DRIVER_PATIENCE_S)
        self._stacks.end()
        now = self._clock()
        rows = [row for slot in self._slots for row in slot.gap(now)]
        self._spool.write(rows)
        for slot in self._slots:
            slot.close()
        self._statm.close()
        self._spool.close()


def _is_zombie(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return True
    return stat[stat.rindex(b")") + 2 :][:1] == b"Z"


def main(arguments: Sequence[str]) -> int:
    """Run the sampler for a run folder; return the exit status (2: the folder cannot be used)."""
    for ignored in (signal.SIGINT, signal.SIGHUP, signal.SIGQUIT):
        signal.signal(ignored, signal.SIG_IGN)
    attached, rest = _parse_attached(arguments)
    tasks = _take_tasks(rest)
    run, parent, rate_hz, no_stacks = _parse(rest)
    asks = "--asks" in rest
    _raise_descriptor_limit()
    try:
        sampler = Sampler(
            run, parent, rate_hz, no_stacks, asks, attached=attached, tasks=tasks, inside="--inside" in rest
        )
    except OSError as error:
        print(
            f"gpuwatch sampler: {run}: {error.strerror}. Start it with an existing run folder that can be written to",
            file=sys.stderr,
        )
        return 2
    signal.signal(signal.SIGTERM, lambda *_: sampler.stop())
    sampler.run()
    return 0


def _parse_attached(arguments: Sequence[str]) -> tuple[Attached | None, list[str]]:
    """Return what is attached to, if anything, and the other arguments."""
    rest = list(arguments)
    if "--attach" not in rest:
        return None, rest
    values = {}
    for name in ("--attach", "--seconds"):
        at = rest.index(name)
        values[name] = rest[at + 1]
        del rest[at : at + 2]
    pids = tuple(int(pid) for pid in values["--attach"].split(","))
    return Attached(pids, float(values["--seconds"]), "--no-locals" not in rest, "--live" in rest), rest


def _take_tasks(rest: list[str]) -> Path | None:
    """Take the folder in which the tasks of a job meet out of the arguments, and return it."""
    if "--tasks" not in rest:
        return None
    at = rest.index("--tasks")
    folder = Path(rest[at + 1])
    del rest[at : at + 2]
    return folder


def _parse(arguments: Sequence[str]) -> tuple[Path, int, float, str | None]:
    """Return run folder, supervisor's pid, rate and why no stacks; argparse costs 10 ms that a start-up has not to give."""
    options = {"--parent": str(os.getppid()), "--rate": "1"}
    rest = list(arguments)
    for name in options:
        if name in rest:
            at = rest.index(name)
            options[name] = rest[at + 1]
            del rest[at : at + 2]
    no_stacks = "switched off (--no-stacks)" if "--no-stacks" in rest else None
    if switch(STACKS.read(os.environ)) is False:
        no_stacks = f"switched off ({STACKS.name})"
    folder = next(argument for argument in rest if not argument.startswith("--"))
    return Path(folder).resolve(), int(options["--parent"]), min(max(float(options["--rate"]), 0.01), 20.0), no_stacks


def _raise_descriptor_limit() -> None:
    """Allow three kept descriptors for each of many processes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 65536 if hard == resource.RLIM_INFINITY else min(hard, 65536)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


if __name__ == "__main__":
    status = main(sys.argv[1:])
    # A driver that never answers may still hold its thread: everything is on disk, so go.
    os._exit(status)
