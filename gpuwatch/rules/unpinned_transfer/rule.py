"""Host-to-device copies come from pageable memory and block the step.

What it means
    A copy from ordinary memory cannot overlap with compute: the driver stages it through a pinned buffer, and the
    call returns when it is done, whatever non_blocking says.

How it is measured
    The training uses a CUDA device, the loader does not pin its batches, and the bytes of a batch at the rate of
    pageable copies are a noticeable part of the step.

When it is wrong
    The script may pin by itself, or the batch may never go to the device. For small batches the rule is clear.

What to do
    pin_memory=True in the DataLoader and .to(device, non_blocking=True).
"""

from __future__ import annotations

from gpuwatch.analyze import throughput
from gpuwatch.diagnosis.evidence import MIN_STEPS, try_command
from gpuwatch.model.findings import Clear, Evidence, Finding, NotEvaluated
from gpuwatch.model.profile import Profile

ID = "unpinned-transfer"
# Rate of copies from pageable memory, bytes per ms: 5 GB/s on PCIe 4 hosts; pinned ones reach four times that.
PAGEABLE = 5e6
SHARE = 0.05


def check(profile: Profile) -> Finding | Clear | NotEvaluated:
    """Report unpinned batches whose copy takes 5 % of the step or more."""
    loader, costs = profile.primary, profile.costs
    if loader is None or costs is None or loader.steps < MIN_STEPS:
        return NotEvaluated(ID, "a measured loop over a DataLoader")
    if not profile.devices or loader.gpu_wait_ms is None:
        return NotEvaluated(ID, "CUDA events of the training process")
    if loader.pin_memory:
        return Clear(ID)
    if loader.fetch is None or loader.fetch.bytes_per_batch is None:
        return NotEvaluated(ID, "bytes per batch")
    copy_ms = loader.fetch.bytes_per_batch / PAGEABLE
    share = copy_ms / costs.step_ms
    if share < SHARE:
        return Clear(ID)
    after = throughput.with_step(costs, costs.device_ms - min(copy_ms, 0.8 * costs.device_ms))
    return Finding(
        id=ID,
        severity="warning",
        confidence="medium",
        summary=f"batches of {loader.fetch.bytes_per_batch / 1e6:.0f} MB are copied from pageable memory: about {copy_ms:.2g} ms a step",
        evidence=(
            Evidence("pin_memory", "False", ""),
            Evidence("bytes per batch", loader.fetch.bytes_per_batch, "bytes", n=loader.fetch.n),
            Evidence("copy at 5 GB/s", round(share, 4), "share of the step", SHARE),
        ),
        advice="Pass pin_memory=True to the DataLoader and copy with non_blocking=True.",
        where=loader.created_where,
        speedup=throughput.predict(costs, after, "copies overlapped with compute", 0.6),
        verify=try_command(profile, "--remedies pinned-memory"),
        edit="DataLoader(..., pin_memory=True)",
    )
