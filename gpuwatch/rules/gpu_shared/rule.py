"""Another process uses the same GPU.

What it means
    The device's time and memory are shared with a process that is not part of this run: a forgotten notebook, another
    user, a display. Its kernels run between yours, and NVML's busy share counts both.

How it is measured
    NVML's list of compute processes on the run's devices, without the run's own process tree.

When it is wrong
    In a container NVML may report host pids that cannot be matched; then only foreign memory is told, with low
    confidence. Under MPS sharing is on purpose.

What to do
    Stop the other process, or pick another device with CUDA_VISIBLE_DEVICES.
"""

from __future__ import annotations

from gpuwatch.model.findings import Clear, Evidence, Finding, NotEvaluated
from gpuwatch.model.profile import Profile

ID = "gpu-shared"
MEMORY_SHARE = 0.02


def check(profile: Profile) -> Finding | Clear | NotEvaluated:
    """Report a device of the run on which foreign processes hold memory."""
    if not profile.devices:
        return NotEvaluated(ID, "NVML's processes")
    ours = [d for d in profile.devices if d.ranks] or list(profile.devices)
    shared = [
        d for d in ours if d.other_pids or (d.foreign_memory_bytes or 0) > MEMORY_SHARE * (d.memory_total_bytes or 1e18)
    ]
    if not shared:
        return Clear(ID)
    worst = max(shared, key=lambda d: d.foreign_memory_bytes or 0)
    pids = ", ".join(str(pid) for pid in worst.other_pids[:5])
    return Finding(
        id=ID,
        severity="warning",
        confidence="high" if worst.other_pids and worst.ranks else "low",
        summary=f"GPU {worst.index} is shared with {len(worst.other_pids) or 'unknown'} other process(es){f' (pid {pids})' if pids else ''}",
        evidence=(
            Evidence("other processes", len(worst.other_pids), "processes", 0),
            Evidence("their memory", worst.foreign_memory_bytes, "bytes"),
        ),
        advice="Stop the other process, or choose another GPU with CUDA_VISIBLE_DEVICES.",
    )
