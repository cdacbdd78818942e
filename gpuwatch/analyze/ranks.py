"""One rank's profile: its process, its phases, its main loop's steps."""

from __future__ import annotations

from typing import Any

import numpy as np

from gpuwatch.analyze.loops import Analysis, Loop, main_loop
from gpuwatch.analyze.numbers.arrays import total
from gpuwatch.analyze.overhead import hook_us_per_step
from gpuwatch.analyze.wall_time.delays import delay_share
from gpuwatch.analyze.wall_time.loaders import roles_of
from gpuwatch.analyze.wall_time.long_steps import find_long_steps
from gpuwatch.analyze.wall_time.passes import after_evaluation
from gpuwatch.analyze.wall_time.phases import Walk, phases, recorded_parts
from gpuwatch.analyze.wall_time.saving import saved_between
from gpuwatch.analyze.wall_time.steps import windows
from gpuwatch.model.profile import RankProfile


def rank_profile(analysis: Analysis, this: Walk) -> RankProfile:
    """Return what was derived of one trainer."""
    trainer, loops = this.trainer, analysis.loops_of(this)
    main = analysis.primary if analysis.primary and analysis.primary.loader.walk is this else main_loop(loops)
    header, steps = trainer.log.header, main.steps if main else None
    roles = roles_of([loop.loader for loop in loops], this)
    trained = np.isin(
        this.owner,
        [position for loop in loops if loop.profile.role != "evaluation" for position in loop.loader.positions],
    )
    saving_s, saving_where = saved_between(this, sorted(window for loop in loops for window in windows(loop.loader)))
    return RankProfile(
        rank=trainer.rank,
        local_rank=trainer.local_rank,
        world_size=trainer.world_size,
        host=trainer.host,
        pid=trainer.log.pid,
        python=str(header.get("python") or ""),
        torch=trainer.meta.get("torch"),
        device=_device_name(trainer.meta),
        seconds=(trainer.end_ns - trainer.start_ns) / 1e9,
        phases=phases(this, roles, after_evaluation(this, roles)),
        steps=steps.count if steps else 0,
        warmup_steps=steps.warmup if steps else 0,
        step_ms=main.profile.step_ms if main else None,
        wait_share=main.profile.waited_share if main else None,
        backward_ms=_backward_ms(this, trained),
        long_steps=find_long_steps(main.loader, main.steps) if main else None,
        gc_seconds=(total(this.fields["gc_ns"][1:]) or 0.0) / 1e9,  # the first event's are the imports'
        gc_collections=int(total(this.fields["gc_n"][1:]) or 0),
        hook_us_per_step=hook_us_per_step(this),
        first_batch_s=_first_batch_s(this, main),
        run_queue_delay_share=delay_share(this),
        start_s=(trainer.start_ns - analysis.processes.start_ns) / 1e9,
        batches_per_backward=_batches_per_backward(this, trained),
        saving_s=saving_s,
        saving_where=saving_where,
    )


def _device_name(meta: dict[str, Any]) -> str | None:
    current = meta.get("cuda_device")
    for device in meta.get("cuda_devices") or ():
        if isinstance(device, list) and len(device) >= 3 and current in (None, device[0]):
            return str(device[2])
    other = meta.get("accelerator")
    if isinstance(other, list) and len(other) >= 2:
        return str(other[1] or other[0])
    return "cpu" if meta.get("torch") else None


def _backward_ms(this: Walk, trained: np.ndarray[Any, np.dtype[np.bool_]]) -> float | None:
    backward = this.parts["backward"][trained & (np.nan_to_num(this.fields["backward_n"]) > 0)]
    return float(np.median(backward)) / 1e6 if len(backward) else None


def _batches_per_backward(this: Walk, trained: np.ndarray[Any, np.dtype[np.bool_]]) -> float | None:
    """Return the batches of the training's loaders for each backward pass, of the steps that were measured in full."""
    recorded = trained & recorded_parts(this)
    backward = float(np.nan_to_num(this.fields["backward_n"][recorded]).sum())
    return float(recorded.sum()) / backward if backward > 0 else None


def _first_batch_s(this: Walk, main: Loop | None) -> float | None:
    """Return the time from the process' start to its main loop's first batch."""
    events = [this.of(position) for position in main.loader.positions] if main else []
    first = [float(this.fields["t1"][handed[0]]) for handed in events if len(handed)]
    return (min(first) - this.trainer.start_ns) / 1e9 if first else None
