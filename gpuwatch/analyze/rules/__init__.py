"""The rules: one file each, named like the finding's id.

A rule is a module with a docstring (its page, shown by `gpuwatch explain`) under the headings What it means, How it
is measured, When it is wrong, What to do; and one pure function `check(profile) -> Finding | Clear | NotEvaluated`.
Thresholds are module constants. A new rule is a new file, its line in RULES, and its cases in tests/rules.
"""

from __future__ import annotations

from types import ModuleType

from gpuwatch.analyze.rules import (
    batch_transport,
    coarse_batches,
    communication_bound,
    cpu_quota,
    cpu_saturated,
    evaluation_share,
    expensive_collate,
    expensive_decode,
    expensive_transform,
    gc_pause,
    gpu_memory_near_limit,
    gpu_shared,
    gpu_throttled,
    launch_bound,
    low_sm_activity,
    no_worker_processes,
    not_instrumented,
    oversized_decode,
    per_item_access,
    periodic_pause,
    shared_memory_low,
    slow_dataset_code,
    slow_sample,
    slow_startup,
    slow_step_code,
    step_sync,
    storage_wait,
    straggler_rank,
    thread_oversubscription,
    too_few_workers,
    too_many_workers,
    transform_order,
    unpinned_transfer,
    worker_memory_growth,
    worker_restart,
)

RULES: tuple[ModuleType, ...] = (
    not_instrumented,
    per_item_access,
    no_worker_processes,
    too_few_workers,
    cpu_saturated,
    cpu_quota,
    thread_oversubscription,
    too_many_workers,
    worker_restart,
    slow_sample,
    coarse_batches,
    storage_wait,
    oversized_decode,
    expensive_decode,
    transform_order,
    expensive_transform,
    slow_dataset_code,
    expensive_collate,
    batch_transport,
    unpinned_transfer,
    shared_memory_low,
    worker_memory_growth,
    slow_step_code,
    step_sync,
    periodic_pause,
    evaluation_share,
    gc_pause,
    slow_startup,
    launch_bound,
    gpu_throttled,
    gpu_shared,
    gpu_memory_near_limit,
    low_sm_activity,
    straggler_rank,
    communication_bound,
)


def rule_id(rule: ModuleType) -> str:
    """Return a rule's public id: its module's name with dashes."""
    return rule.__name__.rsplit(".", 1)[-1].replace("_", "-")
