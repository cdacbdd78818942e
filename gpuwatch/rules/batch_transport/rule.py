"""Moving batches from the workers to the training process costs more than it should.

What it means
    A batch is serialised in the worker, each of its tensors goes into a shared-memory segment of its own, and the
    trainer opens them again. Many small tensors pay per segment; wide types (float32 where the data is uint8) pay
    per byte.

How it is measured
    Serialising is timed in the queue's feeder thread in the worker, with tensors and bytes per batch and the share of
    the bytes that is floating point.

When it is wrong
    If making a batch takes much longer than moving it, the transport hides behind it and the rule is clear.

What to do
    Pack many small tensors into one per field. Send uint8 and convert on the device. Return tensors, not numpy arrays
    or Python objects (those are pickled byte by byte).
"""

from __future__ import annotations

from gpuwatch.analyze import throughput
from gpuwatch.diagnosis.evidence import Starved, certainty, share_of, starved_loop, try_command, wait_evidence
from gpuwatch.model.findings import Clear, Evidence, Finding, NotEvaluated
from gpuwatch.model.profile import Profile

ID = "batch-transport"
SHARE = 0.3
MANY_TENSORS = 24.0
LARGE_BYTES = 4e6
FLOAT_SHARE = 0.5


def check(profile: Profile) -> Finding | Clear | NotEvaluated:
    """Report serialising and moving batches that costs a good part of making them, on a starved loop."""
    seen = starved_loop(profile, ID)
    if not isinstance(seen, Starved):
        return seen
    fetch = seen.fetch
    if seen.loader.workers == 0:
        return Clear(ID)
    if fetch.serialise_ms is None or fetch.tensors_per_batch is None:
        return NotEvaluated(ID, "events of the batches' serialisation")
    many = fetch.tensors_per_batch >= MANY_TENSORS
    wide = (fetch.bytes_per_batch or 0.0) >= LARGE_BYTES and (fetch.float_bytes_share or 0.0) >= FLOAT_SHARE
    share = transport_share(seen, wide)
    if share < SHARE or not (many or wide or _pickled(seen)):
        return Clear(ID)
    fewer = 8.0 if many else 4.0
    after = throughput.with_work(seen.costs, 1.0 - min(share, 0.98) * (1.0 - 1.0 / fewer))
    what = f"{fetch.tensors_per_batch:.0f} tensors" if many else f"{(fetch.bytes_per_batch or 0) / 1e6:.1f} MB"
    return Finding(
        id=ID,
        severity="critical" if share >= 0.5 else "warning",
        confidence=certainty(seen.state, default="medium"),
        summary=f"moving a batch of {what} to the trainer takes {share:.0%} of making it",
        evidence=(
            wait_evidence(seen.loader),
            Evidence("serialise and hand over", round(share, 4), "share of a batch's work", SHARE, fetch.n),
            Evidence("serialise", round(fetch.serialise_ms, 3), "ms per batch", n=fetch.n),
            Evidence("tensors per batch", fetch.tensors_per_batch, "tensors", MANY_TENSORS),
            Evidence("bytes per batch", fetch.bytes_per_batch, "bytes", LARGE_BYTES),
            Evidence("floating point", fetch.float_bytes_share, "share of the bytes", FLOAT_SHARE),
        ),
        advice=_advice(many, wide),
        where=seen.loader.created_where,
        speedup=throughput.predict(seen.costs, after, f"transport {fewer:.0f} times cheaper", 0.5),
        verify=try_command(profile, "--remedies packed-batches" if many else "--remedies uint8-batches"),
        explains=("expensive-collate", "too-few-workers", "cpu-saturated"),
    )


def transport_share(seen: Starved, wide: bool) -> float:
    """Return the share of a batch's work that is moving it; copying wide tensors into shared memory is in collate."""
    total = seen.fetch.mean_wall_ms + (seen.fetch.serialise_ms or 0.0)
    moved = (seen.fetch.serialise_ms or 0.0) / total if total > 0 else 0.0
    copied = share_of(seen.loader, "collate") * seen.fetch.mean_wall_ms / total if wide and total > 0 else 0.0
    return moved + copied


def _pickled(seen: Starved) -> bool:
    """Say whether the batch travels as pickled bytes, not as tensors."""
    return (seen.fetch.tensors_per_batch or 0.0) < 1


def _advice(many: bool, wide: bool) -> str:
    if many:
        return "Pack the small tensors of a batch into one tensor per field before they leave the worker."
    if wide:
        return "Send uint8 from the workers and convert to float (and normalise) on the device."
    return "Return torch tensors from the workers: they move through shared memory, other objects are pickled."
