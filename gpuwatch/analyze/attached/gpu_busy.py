"""What of a loop's wait for data its GPU can have felt: a GPU that was busy did not wait, whatever the host did."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from gpuwatch.model.loader_profile import LoaderProfile
from gpuwatch.model.machine_profile import DeviceProfile
from gpuwatch.model.measures import Interval
from gpuwatch.words.units import percent


def felt_by_gpu(
    loader: LoaderProfile | None, devices: Sequence[DeviceProfile]
) -> tuple[LoaderProfile | None, str | None]:
    """Return a loader with its wait limited to the time in which its rank's GPU was idle, and what is to be said of that.

    Only of a GPU that no other process uses: another one's kernels would pass for the training's."""
    if loader is None or loader.wait_share is None:
        return loader, None
    mine = [device for device in devices if loader.rank in device.ranks and not device.other_pids]
    if len(mine) != 1 or mine[0].busy is None:
        return loader, None
    idle, share = max(1.0 - mine[0].busy, 0.0), loader.wait_share
    if share.median <= idle:
        return loader, None
    limited = Interval(min(share.median, idle), min(share.low, idle), min(share.high, max(idle, share.low)), share.n)
    step = loader.step_ms.median if loader.step_ms else None
    waits = None if step is None else Interval(limited.median * step, limited.low * step, limited.high * step, share.n)
    note = (
        f"the host waits for data {percent(share.median)} of the loop, but GPU {mine[0].index} is busy "
        f"{percent(mine[0].busy)} of the time: it feels at most {percent(idle)}"
    )
    return replace(loader, wait_share=limited, gpu_wait_ms=waits, wait_seconds=limited.median * loader.seconds), note
