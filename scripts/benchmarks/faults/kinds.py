"""The faults: what each does to a run while it goes on, or how it starts one."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from tests.doubles.nvml import build, state

HERE = Path(__file__).parent
_WAIT_S = 20.0
Processes = list[psutil.Process]


@dataclass
class Place:
    """Where a run is started, and how. `base` holds the run folders; `limit` goes before the command, as `ulimit` in a shell;
    `environment` and `arguments` are added; `script` is the training's name there."""

    folder: Path
    base: Path
    arguments: tuple[str, ...] = ()
    limit: str = ""
    environment: dict[str, str] = field(default_factory=dict)
    script: str = "train.py"

    def run(self) -> Path | None:
        """Return the newest run folder."""
        found = sorted(self.base.glob("*/run.json"))
        return found[-1].parent if found else None


@dataclass(frozen=True)
class Kind:
    """One kind of fault. `strike` does it to the wrapper's process tree and says whether there was something to hit; without
    it the place itself is the fault. `ends`: statuses that the fault itself gives the command, beside those of a bare one."""

    name: str
    about: str
    strike: Callable[[psutil.Process, Place], bool] | None = None
    prepare: Callable[[Place], None] = lambda place: None
    ends: tuple[int, ...] = ()
    leaves_no_run: bool = False
    mounts: str = ""


def _below(wrapper: psutil.Process) -> Processes:
    try:
        return wrapper.children(recursive=True)
    except psutil.Error:
        return []


def _named(wrapper: psutil.Process, wanted: Callable[[list[str], psutil.Process], bool]) -> Processes:
    found = []
    for process in _below(wrapper):
        try:
            words = process.cmdline()
            if words and wanted(words, process):
                found.append(process)
        except psutil.Error:
            continue
    return found


def _is_training(words: list[str], process: psutil.Process) -> bool:
    return (
        len(words) > 1
        and not words[1].startswith("-")
        and "gpuwatch.sampler" not in " ".join(words)
        and "py-spy" not in words[0]
    )


def trainer(wrapper: psutil.Process) -> Processes:
    """Return the command's own process."""
    return _named(wrapper, lambda words, process: _is_training(words, process) and process.ppid() == wrapper.pid)


def below_trainer(wrapper: psutil.Process) -> Processes:
    """Return the loader's workers, or the ranks."""
    return _named(wrapper, lambda words, process: _is_training(words, process) and process.ppid() != wrapper.pid)


def sampler(wrapper: psutil.Process) -> Processes:
    """Return gpuwatch's sampler."""
    return _named(wrapper, lambda words, process: "gpuwatch.sampler" in " ".join(words))


def pyspy(wrapper: psutil.Process) -> Processes:
    """Return py-spy."""
    return _named(wrapper, lambda words, process: "py-spy" in words[0])


def itself(wrapper: psutil.Process) -> Processes:
    """Return gpuwatch's own process, once it has started the training: before that there is none to change."""
    return [wrapper] if trainer(wrapper) else []


def signalled(
    of: Callable[[psutil.Process], Processes], number: int, seconds: float = 0.0
) -> Callable[[psutil.Process, Place], bool]:
    """Return a strike: signal the first of these processes once there is one; after `seconds`, if any, let it go on."""

    def strike(wrapper: psutil.Process, place: Place) -> bool:
        deadline = time.monotonic() + _WAIT_S
        while not (found := of(wrapper)):
            if time.monotonic() > deadline or not wrapper.is_running() or wrapper.status() == psutil.STATUS_ZOMBIE:
                return False
            time.sleep(0.005)
        try:
            found[-1].send_signal(number)
            if seconds:
                time.sleep(seconds)
                found[-1].send_signal(signal.SIGCONT)
        except psutil.Error:
            return False
        return True

    return strike


def _fill(wrapper: psutil.Process, place: Place) -> bool:
    with (place.base / "ballast").open("wb", buffering=0) as file:
        try:
            while file.write(b"b" * 4096):
                pass
        except OSError:
            return True
    return False


def _remove(wrapper: psutil.Process, place: Place) -> bool:
    run = place.run()
    if run is None:
        return False
    shutil.rmtree(run, ignore_errors=True)
    return True


def _step_clock(wrapper: psutil.Process, place: Place) -> bool:
    (place.folder / "stepped").touch()
    return True


def _with_clock(place: Place) -> None:
    library = place.folder / "clock.so"
    source = str(HERE / "clock_step.c")
    subprocess.run([build.compiler() or "cc", "-shared", "-fPIC", "-o", str(library), source, "-ldl"], check=True)
    place.environment |= {"LD_PRELOAD": str(library), "CLOCK_STEP": str(place.folder / "stepped")}


def _with_nvml(place: Place) -> None:
    build.build(place.folder / "library")
    state.create(place.folder / "nvml.state", 2)
    place.environment |= {
        "LD_LIBRARY_PATH": str(place.folder / "library"),
        "NVML_DOUBLE_STATE": str(place.folder / "nvml.state"),
    }


def _hang_nvml(wrapper: psutil.Process, place: Place) -> bool:
    with (place.folder / "nvml.state").open("r+b") as file:
        file.seek(state.State.hang.offset)
        file.write((1).to_bytes(4, "little"))
    return True


def _hostile(place: Place) -> None:
    place.folder = place.folder / "--help\n\x1b[31m'\";$(x) {0} %s \u202e é"
    place.folder.mkdir()
    place.base = place.folder / ".gpuwatch"
    place.script = "./-train {}'\n.py"


def _deep(place: Place) -> None:
    # So deep that a path of it, with a run folder's files, is longer than the kernel takes.
    while len(str(place.folder)) < 3950:
        place.folder = place.folder / ("d" * min(200, 3955 - len(str(place.folder))))
    place.folder.mkdir(parents=True)
    place.base = place.folder / ".gpuwatch"


def _descriptors(place: Place) -> None:
    place.limit, place.arguments = "ulimit -n 256; ", ("--take-descriptors",)


def _ranks(place: Place) -> None:
    place.arguments = ("--ranks", "2")


def _file_size(place: Place) -> None:
    place.limit = "ulimit -f 8; "


KILL, STOP = signal.SIGKILL, signal.SIGSTOP
KINDS = (
    Kind("kill trainer", "SIGKILL of the training process", signalled(trainer, KILL), ends=(-KILL,)),
    Kind("kill worker", "SIGKILL of a loader worker", signalled(below_trainer, KILL), ends=(1,)),
    Kind("kill rank", "SIGKILL of one of two ranks", signalled(below_trainer, KILL), _ranks, ends=(1,)),
    Kind("kill sampler", "SIGKILL of gpuwatch's sampler", signalled(sampler, KILL)),
    Kind("kill gpuwatch", "SIGKILL of `gpuwatch run` itself", signalled(itself, KILL), ends=(-KILL,)),
    Kind("kill py-spy", "SIGKILL of the stack sampler", signalled(pyspy, KILL)),
    Kind("stop trainer", "SIGSTOP of the training for 0.5 s", signalled(trainer, STOP, 0.5)),
    Kind("stop sampler", "SIGSTOP of the sampler, for good", signalled(sampler, STOP)),
    Kind("stop gpuwatch", "SIGSTOP of `gpuwatch run` for 0.5 s", signalled(itself, STOP, 0.5)),
    Kind("disk full", "the run folder's disk fills up", _fill, mounts="size=6m"),
    Kind("file size", "no file may grow beyond 8 kB (ulimit -f)", None, _file_size, leaves_no_run=True),
    Kind("read-only", "the place of run folders is mounted read-only", None, mounts="size=6m,ro"),
    Kind("folder removed", "the run folder is removed", _remove, leaves_no_run=True),
    Kind("descriptors", "the training opens files until it may open no more", None, _descriptors),
    Kind("clock step", "the wall clock steps by an hour (a preloaded double)", _step_clock, _with_clock),
    Kind("NVML hangs", "a call of the driver does not return (a double)", _hang_nvml, _with_nvml),
    Kind("hostile names", "names with line feeds, escapes, quotes, options", None, _hostile),
    Kind("long paths", "a working folder of 3,950 characters", None, _deep),
)


@contextmanager
def mounted(kind: Kind, folder: Path) -> Iterator[None]:
    """Mount what a kind needs at the folder of run folders; raises RuntimeError where that is not allowed."""
    if not kind.mounts:
        yield
        return
    folder.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", kind.mounts, "gpuwatch-faults", str(folder)], capture_output=True, text=True
    )
    if made.returncode:
        raise RuntimeError(f"{kind.name}: no small tmpfs can be mounted here: {made.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def clear(environment: dict[str, str]) -> dict[str, str]:
    """Return our environment with what a kind adds, and without settings of gpuwatch."""
    return {key: value for key, value in os.environ.items() if not key.startswith("GPUWATCH_")} | environment
