"""The GPU idles inside the step: the host cannot launch kernels fast enough.

What it means
    Each kernel is shorter than the time to launch it. The device has nothing queued although data is there.

How it is measured
    The device's busy share while the loop ran and was not waiting for data, with the training thread on the CPU for
    nearly all of the step.

When it is wrong
    Communication between ranks and host-side code between steps also leave the device idle; those have findings of
    their own.

What to do
    torch.compile (mode="reduce-overhead" uses CUDA graphs), a larger batch, fused and foreach optimizers.
"""

from __future__ import annotations

from gpuwatch.analyze import throughput
from gpuwatch.diagnosis.evidence import starved
from gpuwatch.diagnosis.trainer_code import other_share
from gpuwatch.model.findings import Clear, Evidence, Finding, NotEvaluated
from gpuwatch.model.profile import Profile

ID = "launch-bound"
BUSY = 0.7
CPU = 0.85
OTHER = 0.2


def check(profile: Profile) -> Finding | Clear | NotEvaluated:
    """Report a device that idles while a busy training thread feeds it."""
    loader, costs = profile.primary, profile.costs
    busy = [d.busy for d in profile.devices if d.ranks and d.busy is not None]
    if loader is None or costs is None or not busy:
        return NotEvaluated(ID, "NVML's busy share of the run's devices")
    if loader.compute_cpu_share is None:
        return NotEvaluated(ID, "CPU time of the training thread")
    mean = sum(busy) / len(busy)
    if starved(profile) == "yes" or mean > BUSY or loader.compute_cpu_share < CPU or other_share(profile) > OTHER:
        return Clear(ID)
    after = throughput.with_step(costs, costs.device_ms * max(mean, 0.1))
    return Finding(
        id=ID,
        severity="warning",
        confidence="medium",
        summary=f"the GPU is busy only {mean:.0%} of the step while the training thread never rests",
        evidence=(
            Evidence("busy", round(mean, 4), "share", BUSY),
            Evidence("training thread on the CPU", round(loader.compute_cpu_share, 4), "share of the step", CPU),
            Evidence("step without waiting", round(costs.device_ms, 3), "ms", n=loader.steps),
        ),
        advice="Use torch.compile(mode='reduce-overhead') or CUDA graphs, a larger batch, and fused optimizers.",
        speedup=throughput.predict(costs, after, "the device busy all of the step", 0.5),
    )
