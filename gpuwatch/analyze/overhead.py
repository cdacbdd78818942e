"""What gpuwatch itself cost in this run, from its own records."""

from __future__ import annotations

import numpy as np

from gpuwatch.analyze.machine.usage import counter_rate
from gpuwatch.analyze.numbers.arrays import numbers
from gpuwatch.analyze.processes.sorting import Processes
from gpuwatch.analyze.wall_time.phases import Walk
from gpuwatch.model.profile import Overhead

_EVER = (-np.inf, np.inf)


def hook_us_per_step(walk: Walk) -> float | None:
    """Return the hook's usual own time per batch in the trainer (µs); None when it recorded none.

    The median: on a loaded host the clock also counts when another process had the core. Steps that are only timed
    cost next to nothing, so those that tell their cost stand for themselves alone."""
    mine = np.isin(walk.iterator, sorted(walk.training)) if walk.training else np.ones(len(walk), dtype=bool)
    spent = walk.fields["hook_ns"][mine]
    recorded = spent[np.isfinite(spent)]
    return float(np.median(recorded)) * len(recorded) / len(spent) / 1e3 if len(recorded) else None


def overhead(processes: Processes, walks: list[Walk]) -> Overhead:
    """Return hook, sampler and stack costs, and how many events were lost."""
    per_step = [cost for walk in walks if (cost := hook_us_per_step(walk)) is not None]
    sampler = processes.sampler
    return Overhead(
        hook_us_per_step=float(np.mean(per_step)) if per_step else None,
        sampler_cpu_share=counter_rate(sampler.table("tick"), "cpu_ns", _EVER) if sampler else None,
        spool_bytes=processes.recording.bytes,
        stacks_cpu_share=_stacks_share(processes),
        dropped_events=_dropped(processes),
    )


def _stacks_share(processes: Processes) -> float | None:
    bursts = [numbers(log.table("burst"), "cpu_ns") for log in processes.recording.by_writer("stacks")]
    spent = np.concatenate([np.zeros(0), *bursts])
    spent = spent[np.isfinite(spent)]
    return float(spent.sum() / 1e9 / processes.seconds) if len(spent) and processes.seconds > 0 else None


def _dropped(processes: Processes) -> int:
    lost = np.concatenate([np.zeros(0), *(numbers(log.table("dropped"), "events") for log in processes.recording.logs)])
    return int(np.nansum(lost))
