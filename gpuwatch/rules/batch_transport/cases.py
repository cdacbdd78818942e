"""Profiles, and what the rule says of them."""

from __future__ import annotations

from typing import Any

from gpuwatch.diagnosis.examples.cases import clear, fires, unknown
from gpuwatch.diagnosis.examples.parts import interval
from gpuwatch.diagnosis.examples.runs import COLLATE, HIDDEN, LONE, STARVED, no_loader, run_of
from gpuwatch.model.loader_profile import QueueProfile
from gpuwatch.model.measures import Interval
from gpuwatch.model.profile import Profile


def receiving(receive_ms: float, work_ms: float = 2.0, **fetch: Any) -> Profile:
    """Return a loop of 8 ms steps that receives each batch in so many of them; one worker makes it in `work_ms`."""
    queue = QueueProfile(ready_share=0.9, mean_ready=1.0, late_share=0.0, unmade_share=0.0, receive_ms=receive_ms)
    share = receive_ms / 8.0
    loader = {
        "queue": queue,
        "wait_share": Interval(share, 0.97 * share, 1.03 * share, 990),
        "step_ms": interval(8.0),
        "wait_ms": interval(receive_ms),
        "compute_ms": interval(8.0 - receive_ms),
        "seconds": 0.99 * 8.0,
        "wait_seconds": 0.99 * receive_ms,
    }
    return run_of(work_ms, 8.0 - receive_ms, 1, fetch=fetch, loader=loader)


CASES = (
    # Made in 2 ms, received in 4: no workers are faster than one, and than packing.
    fires(
        receiving(4.0, tensors_per_batch=2.0),
        "critical",
        "receiving a batch (4.0 MB) takes the training process 4 ms, 50% of a step",
        confidence="medium",
        where="/home/me/project/train.py:40",
        speedup=1.319,
    ),
    # Made in 7 ms: the workers stay, and send fewer tensors.
    fires(
        receiving(4.0, 7.0, tensors_per_batch=400.0),
        "critical",
        "receiving a batch (400 tensors) takes the training process 4 ms, 50% of a step",
        confidence="medium",
        where="/home/me/project/train.py:40",
        speedup=1.139,
    ),
    clear(receiving(0.5)),
    # Made in 7 ms, of two small tensors: neither no workers nor a lighter batch would be faster.
    clear(receiving(4.0, 7.0, tensors_per_batch=2.0, bytes_per_batch=1e5)),
    fires(
        run_of(fetch={"serialise_ms": 40.0, "tensors_per_batch": 112.0}),
        "critical",
        "moving a batch of 112 tensors to the trainer takes 57% of making it",
        confidence="medium",
        where="/home/me/project/train.py:40",
        speedup=1.741,
    ),
    fires(
        run_of(fetch={"serialise_ms": 10.0, "bytes_per_batch": 4e7}, loader={"operations": (COLLATE,)}),
        "critical",
        "moving a batch of 40.0 MB to the trainer takes 78% of making it",
        confidence="medium",
        where="/home/me/project/train.py:40",
        speedup=1.494,
    ),
    fires(
        run_of(fetch={"serialise_ms": 20.0, "tensors_per_batch": 0.0, "bytes_per_batch": 1e5}),
        "warning",
        "moving a batch of 0.1 MB to the trainer takes 40% of making it",
        confidence="medium",
        where="/home/me/project/train.py:40",
        speedup=1.423,
    ),
    # Parts of buffers that are twenty times as large.
    fires(
        run_of(
            fetch={
                "serialise_ms": 60.0,
                "tensors_per_batch": 3.0,
                "tensor_bytes_per_batch": 3e6,
                "storage_bytes_per_batch": 6e7,
            }
        ),
        "critical",
        "the tensors of a batch are views: 57.2 MB are sent for 2.86 MB, which takes 67% of making it",
        where="/home/me/project/train.py:40",
        speedup=2.237,
    ),
    clear(
        run_of(
            fetch={"serialise_ms": 1.0, "tensor_bytes_per_batch": 3e6, "storage_bytes_per_batch": 6e7},
        )
    ),
    clear(STARVED),
    clear(HIDDEN),
    clear(LONE),
    clear(run_of(fetch={"tensors_per_batch": 112.0})),
    unknown(run_of(fetch={"serialise_ms": None}), "events of the batches' serialisation"),
    unknown(no_loader(), "no DataLoader was seen in use"),
)
