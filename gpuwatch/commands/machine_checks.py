"""What `gpuwatch doctor` looks at on the machine: GPUs, py-spy, pressure, control groups, shared memory, disk, terminal."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from gpuwatch.records import dataclass
from gpuwatch.words.event_log import Columns
from gpuwatch.words.units import count, size

State = Literal["works", "limited", "missing", "broken"]

NVML_PATIENCE_S = 15.0
LITTLE_SHM_BYTES = 1 << 30
LITTLE_DISK_BYTES = 1 << 30


@dataclass(frozen=True)
class Check:
    """One row. `limited` and `missing` cost figures; `broken` means that gpuwatch cannot do its work here."""

    name: str
    state: State
    detail: str
    remedy: str | None = None


def nvml() -> list[Check]:
    """Return the rows about GPUs; a driver that does not answer is a row, not a wait."""
    found: list[Check] = []
    thread = threading.Thread(target=lambda: found.extend(_gpus()), daemon=True)
    thread.start()
    thread.join(NVML_PATIENCE_S)
    silent = Check(
        "NVML", "missing", f"the driver did not answer for {NVML_PATIENCE_S:.0f} s", "see `nvidia-smi` and `dmesg`"
    )
    return list(found) if not thread.is_alive() else [silent]


def _gpus() -> Iterator[Check]:
    from gpuwatch.sources.columns import COLUMNS
    from gpuwatch.sources.nvml import NvmlSource

    source = NvmlSource()
    reason = source.probe()
    if reason:
        yield Check("NVML", "missing", reason, _nvml_remedies().get(source.refused_with, "see `nvidia-smi`"))
        yield Check("GPM", "missing", "needs NVML")
        return
    source.open()
    try:
        rows = [Columns(COLUMNS).named(row) for row in source.read(0)]
    finally:
        source.close()
    devices = [values for kind, values in rows if kind == "device"]
    lost = [f"GPU {gpu['device']}: {gpu['error']}" for kind, gpu in rows if kind == "gpu" and gpu["error"]]
    yield _nvml_row(devices, lost)
    yield _gpm_row(devices)


def _nvml_row(devices: list[dict[str, Any]], lost: list[str]) -> Check:
    names = [f"GPU {gpu['device']} {gpu['name']}{' (MIG)' if gpu['mig'] else ''}" for gpu in devices]
    refused = {f"{what}: {why}" for gpu in devices for what, why in gpu["why_unsupported"].items() if what != "gpm"}
    driver = f"driver {devices[0]['driver']}" if devices else "no GPU answers"
    detail = "; ".join([*names, *lost, driver, *sorted(refused)])
    return Check("NVML", "works" if devices and not lost and not refused else "limited", detail)


def _gpm_row(devices: list[dict[str, Any]]) -> Check:
    without = [gpu for gpu in devices if not gpu["gpm"]]
    if devices and not without:
        return Check("GPM", "works", "SM activity, occupancy, tensor and DRAM activity are measured")
    reasons = {gpu["why_unsupported"]["gpm"] for gpu in without if "gpm" in gpu["why_unsupported"]}
    return Check(
        "GPM",
        "missing",
        "; ".join(sorted(reasons)) or "not offered",
        "busy stays a share of time with a kernel running",
    )


def _nvml_remedies() -> dict[int | None, str]:
    from gpuwatch.sources.nvml_library import DRIVER_NOT_LOADED, LIBRARY_NOT_FOUND

    return {
        DRIVER_NOT_LOADED: "load it: `sudo modprobe nvidia`; in a container: start it with --gpus all",
        LIBRARY_NOT_FOUND: "fine without an NVIDIA GPU; in a container: start it with --gpus all",
    }


def pyspy(python: str) -> Check:
    """Let py-spy look at a Python of the training's kind, started beside it as in a run."""
    from gpuwatch.sources import pyspy as burst

    reason = burst.why_not()
    if reason:
        return Check("py-spy", "limited", f"{reason}; falling back to the in-process sampler", "pip install py-spy")
    command = [python, "-c", "import sys; print(flush=True); sys.stdin.read()"]
    with (
        tempfile.TemporaryDirectory() as folder,
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as target,
    ):
        assert target.stdout is not None and target.stdin is not None
        target.stdout.readline()
        seen = burst.record(target.pid, 50, 1.0, Path(folder) / "burst", threading.Event())
        target.stdin.close()
    if seen.profile:
        return Check("py-spy", "works", f"reads the stacks of {python}")
    return Check("py-spy", "limited", f"{seen.note}; falling back to the in-process sampler{_yama()}", _ptrace_remedy())


def _yama() -> str:
    try:
        scope = Path("/proc/sys/kernel/yama/ptrace_scope").read_text().strip()
    except OSError:
        return ""
    return f" (kernel.yama.ptrace_scope = {scope})"


def _ptrace_remedy() -> str:
    if os.path.exists("/.dockerenv") or os.path.exists("/run/.containerenv"):
        return "start the container with --cap-add SYS_PTRACE"
    return "sudo sysctl kernel.yama.ptrace_scope=0" if _yama() else "allow ptrace (SYS_PTRACE) for this user"


def kernel() -> list[Check]:
    """Return the rows about what the kernel tells: cores, processes, pressure, control group."""
    return [_cores(), _processes(), _pressure()]


def _cores() -> Check:
    from gpuwatch.sources.cgroup import CgroupSource, quota_cores

    cores, quota, reason = len(os.sched_getaffinity(0)), quota_cores(), CgroupSource().probe()
    if reason:
        return Check(
            "cgroup",
            "missing",
            f"{reason}; {count(cores, 'core')} by affinity",
            "a quota set from outside would not be seen",
        )
    limit = f"quota {count(quota, 'core')}" if quota is not None else "no quota"
    return Check("cgroup", "works", f"{limit}, {count(cores, 'core')} by affinity")


def _processes() -> Check:
    lacking = [name for name in ("schedstat", "io", "smaps_rollup") if not os.access(f"/proc/self/{name}", os.R_OK)]
    if lacking:
        return Check("processes", "limited", f"this kernel does not show {', '.join(lacking)} of a process")
    return Check("processes", "works", "CPU, run-queue delay, memory, I/O, page faults")


def _pressure() -> Check:
    from gpuwatch.sources.pressure import PressureSource

    reason = PressureSource().probe()
    return Check("pressure", "limited" if reason else "works", reason or "PSI of CPU, I/O and memory")


def shared_memory() -> Check:
    """Return the row about /dev/shm, in which DataLoader workers hand their batches over."""
    from gpuwatch.sources.memory import shm_bytes

    total, used = shm_bytes()
    if total is None or used is None:
        return Check(
            "/dev/shm", "limited", "there is none: workers cannot hand over batches", "mount a tmpfs on /dev/shm"
        )
    detail = f"{size(total - used)} free of {size(total)}"
    if total < LITTLE_SHM_BYTES:
        return Check(
            "/dev/shm", "limited", f"{detail}: workers may die of it", "in a container: --shm-size=8g or --ipc=host"
        )
    return Check("/dev/shm", "works", detail)


def run_folder(base: Path) -> Check:
    """Return the row about the folder that runs are recorded in. Leaves nothing behind."""
    place = next(folder for folder in [base, *base.absolute().parents] if folder.exists())
    if not os.access(place, os.W_OK | os.X_OK):
        return Check("run folder", "broken", f"{place} cannot be written to", "choose another with --dir")
    free = shutil.disk_usage(place).free
    detail = f"{base}, {size(free)} free"
    if free < LITTLE_DISK_BYTES:
        return Check(
            "run folder", "limited", f"{detail}: a day of a large run takes 0.5 GB", "choose another with --dir"
        )
    return Check("run folder", "works", detail)


def terminal() -> Check:
    """Return the row about what this terminal can show."""
    from gpuwatch.views.terminal import screen

    on = screen()
    shown = "colour" if on.color else "no colour"
    kind = "a terminal" if sys.stdout.isatty() else "not a terminal"
    return Check("terminal", "works", f"{kind}, {on.width} columns, {shown}, {'ASCII' if on.ascii else 'UTF-8'}")
