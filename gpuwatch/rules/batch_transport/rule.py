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

from dataclasses import dataclass

from gpuwatch.analyze import throughput
from gpuwatch.diagnosis.evidence import certainty, share_of, wait_evidence
from gpuwatch.diagnosis.needs import STARVED_LOOP, WORKERS, Starved
from gpuwatch.diagnosis.rule import Found, Missing, Rule
from gpuwatch.diagnosis.thresholds import NoThresholds, Threshold
from gpuwatch.model.findings import Evidence, Traits
from gpuwatch.model.profile import Profile


@dataclass(frozen=True)
class Thresholds(NoThresholds):
    """From which values on the rule reports."""

    share: Threshold = Threshold(
        0.3, "share of a batch's work", "A smaller part of a batch's work wins little when it goes."
    )
    many_tensors: Threshold = Threshold(
        24.0, "tensors", "Each tensor costs a file descriptor and a message: some dozens cost more than their bytes."
    )
    large_bytes: Threshold = Threshold(
        4e6, "bytes", "From here on copying the bytes, not handing them over, is the cost."
    )
    float_share: Threshold = Threshold(0.5, "share of the bytes", "Only floating point numbers can travel as uint8.")
    critical_share: Threshold = Threshold(0.5, "share of a batch's work", "Half of the workers' time.")
    min_tensors: Threshold = Threshold(1, "tensors", "A batch without a tensor is pickled, all of it.")


def check(profile: Profile, t: Thresholds, seen: Starved, workers: int) -> Found | Missing | None:
    """Report serialising and moving batches that costs a good part of making them, on a starved loop."""
    fetch = seen.fetch
    if fetch.serialise_ms is None or fetch.tensors_per_batch is None:
        return Missing("events of the batches' serialisation")
    many = fetch.tensors_per_batch >= t.many_tensors
    wide = (fetch.bytes_per_batch or 0.0) >= t.large_bytes and (fetch.float_bytes_share or 0.0) >= t.float_share
    share = transport_share(seen, wide)
    if share < t.share or not (many or wide or fetch.tensors_per_batch < t.min_tensors):
        return None
    fewer = 8.0 if many else 4.0
    after = throughput.with_work(seen.costs, 1.0 - min(share, 0.98) * (1.0 - 1.0 / fewer))
    what = f"{fetch.tensors_per_batch:.0f} tensors" if many else f"{(fetch.bytes_per_batch or 0) / 1e6:.1f} MB"
    return Found(
        severity="critical" if share >= t.critical_share else "warning",
        confidence=certainty(seen.state, default="medium"),
        summary=f"moving a batch of {what} to the trainer takes {share:.0%} of making it",
        evidence=(
            wait_evidence(seen.loader),
            Evidence("serialise and hand over", round(share, 4), "share of a batch's work", t.share, fetch.n),
            Evidence("serialise", round(fetch.serialise_ms, 3), "ms per batch", n=fetch.n),
            Evidence("tensors per batch", fetch.tensors_per_batch, "tensors", t.many_tensors),
            Evidence("bytes per batch", fetch.bytes_per_batch, "bytes", t.large_bytes),
            Evidence("floating point", fetch.float_bytes_share, "share of the bytes", t.float_share),
        ),
        advice=_advice(many, wide),
        where=seen.loader.created_where,
        speedup=throughput.predict(seen.costs, after, f"transport {fewer:.0f} times cheaper", 0.5),
        verify="try --remedies packed-batches" if many else "try --remedies uint8-batches",
    )


def transport_share(seen: Starved, wide: bool) -> float:
    """Return the share of a batch's work that is moving it; copying wide tensors into shared memory is in collate."""
    total = seen.fetch.mean_wall_ms + (seen.fetch.serialise_ms or 0.0)
    moved = (seen.fetch.serialise_ms or 0.0) / total if total > 0 else 0.0
    copied = share_of(seen.loader, "collate") * seen.fetch.mean_wall_ms / total if wide and total > 0 else 0.0
    return moved + copied


def _advice(many: bool, wide: bool) -> str:
    if many:
        return "Pack the small tensors of a batch into one tensor per field before they leave the worker."
    if wide:
        return "Send uint8 from the workers and convert to float (and normalise) on the device."
    return "Return torch tensors from the workers: they move through shared memory, other objects are pickled."


RULE = Rule(
    id="batch-transport",
    page=__doc__,
    check=check,
    needs=(
        STARVED_LOOP,
        WORKERS,
    ),
    thresholds=Thresholds(),
    hides=("expensive-collate", "too-few-workers", "cpu-saturated"),
    traits=Traits(about_input=True, windows="waiting", remedies=("packed-batches", "uint8-batches")),
)
