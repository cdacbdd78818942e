"""Moving batches from the workers to the training process costs more than it should.

What it means
    A batch is serialised in the worker, each of its tensors goes into a shared-memory segment of its own, and the
    trainer opens them again. Many small tensors pay per segment; wide types (float32 where the data is uint8) pay
    per byte. A tensor that is a view (a slice, a part of a larger buffer) is sent with all of the storage beneath it.

How it is measured
    Serialising is timed in the queue's feeder thread in the worker, with tensors and bytes per batch, the bytes of
    the storages beneath the tensors, and the share of the bytes that is floating point. Receiving is the time of a request after its batch had been sent: the training
    process reads it, rebuilds its tensors and pins them, while its device waits. What the throughput model says of a
    loop without workers, which hands nothing over, decides whether fewer workers are the answer.

When it is wrong
    If making a batch takes much longer than moving it, the transport hides behind it and the rule is clear. A training
    thread that waits for a core receives late, too: a wait no longer than that is not reported.

What to do
    Return a copy (.clone()) of a part of a larger tensor. Pack many small tensors into one per field. Send uint8 and convert on the device. Return tensors, not numpy arrays
    or Python objects (those are pickled byte by byte). Where a batch takes less to make than to receive: num_workers=0.
"""

from __future__ import annotations

from dataclasses import replace

from gpuwatch.analyze import throughput
from gpuwatch.analyze.costs import receive_ms_of
from gpuwatch.diagnosis.evidence import certainty, hot_line, operations, place, share_of, wait_evidence
from gpuwatch.diagnosis.frameworks import loader_edit
from gpuwatch.diagnosis.needs import STARVED_LOOP, WORKERS, Starved
from gpuwatch.diagnosis.rule import NOT_SO, Found, Missing, Need, NotSo, Rule
from gpuwatch.diagnosis.thresholds import NoThresholds, Threshold
from gpuwatch.model.findings import Evidence, Traits
from gpuwatch.model.loader_profile import FetchProfile, LoaderProfile
from gpuwatch.model.measures import Place
from gpuwatch.model.profile import Costs, Profile
from gpuwatch.records import dataclass
from gpuwatch.words.units import milliseconds, size


@dataclass(frozen=True)
class Thresholds(NoThresholds):
    """From which values on the rule reports."""

    share: Threshold = Threshold(
        0.3, "share of a batch's work", "A smaller part of a batch's work wins little when it goes."
    )
    beneath: Threshold = Threshold(
        2.0, "times the tensors' bytes", "A storage a little larger than its tensor costs little more."
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
    receive_share: Threshold = Threshold(0.1, "share of the step", "A shorter wait is what any hand-over costs.")
    min_gain: Threshold = Threshold(1.05, "times", "A smaller gain is within what two runs differ by.")


THRESHOLDS = Thresholds()
# Receiving that takes this much of the step is most of what it waits for.
CRITICAL_RECEIVING = 0.3
# How much faster a batch of one tensor per field, or of tensors instead of objects, is received.
LIGHTER = 8.0


def check(profile: Profile, t: Thresholds, seen: Starved, workers: int) -> Found | Missing | None:
    """Report serialising, moving or receiving batches that costs a good part of making them or of the step."""
    if profile.run.attached is not None and seen.fetch.serialise_ms is not None:
        return _by_samples(seen, t)
    if seen.fetch.serialise_ms is None or seen.fetch.tensors_per_batch is None:
        return Missing("events of the batches' serialisation")
    if views := _of_views(profile, seen, t):
        return views
    received = receive_share(seen.loader)
    found = _received(seen, received, t) if received >= t.receive_share else None
    return found or _moved(seen, t)


def _of_views(profile: Profile, seen: Starved, t: Thresholds) -> Found | None:
    """Report tensors that are parts of larger ones, which are sent with all of them."""
    fetch, share = seen.fetch, transport_share(seen, wide=False)
    used, beneath = fetch.tensor_bytes_per_batch or 0.0, fetch.storage_bytes_per_batch or 0.0
    if used <= 0 or share < t.share or beneath < t.large_bytes or beneath / used < t.beneath:
        return None
    kept = max(used / beneath, 1.0 / LIGHTER)
    after = throughput.with_work(seen.costs, 1.0 - min(share, 0.98) * (1.0 - kept))
    return Found(
        severity="critical" if share >= t.critical_share else "warning",
        confidence=certainty(seen.state),
        summary=f"the tensors of a batch are views: {size(beneath)} are sent for {size(used)}, which takes {share:.0%} of making it",
        evidence=(
            wait_evidence(seen.loader),
            Evidence("serialise and hand over", round(share, 4), "share of a batch's work", t.share, fetch.n),
            Evidence("serialise", round(fetch.serialise_ms or 0.0, 3), "ms per batch", n=fetch.n),
            Evidence("tensors of a batch", round(used), "bytes", n=fetch.n),
            Evidence("storages beneath them", round(beneath), "bytes", t.large_bytes, fetch.n),
        ),
        advice="Return copies of what is used: tensor.clone() of a slice, or a buffer no larger than the batch. A view is"
        " sent with all of its storage.",
        where=_collating(profile, seen),
        speedup=throughput.predict(seen.costs, after, "only what is used is sent", 0.5),
    )


def _collating(profile: Profile, seen: Starved) -> Place | None:
    """Return where a batch is put together: the user's own code for that, else the loader's construction site."""
    line = hot_line(profile, "worker", "collate")
    named = operations(seen.loader, "collate")
    return place(line, (named[0].where if named else None) or seen.loader.created_where)


def _moved(seen: Starved, t: Thresholds) -> Found | None:
    """Report what the workers do to send a batch."""
    fetch = seen.fetch
    if fetch.tensors_per_batch is None:
        return None
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
            Evidence("serialise", round(fetch.serialise_ms or 0.0, 3), "ms per batch", n=fetch.n),
            Evidence("tensors per batch", fetch.tensors_per_batch, "tensors", t.many_tensors),
            Evidence("bytes per batch", fetch.bytes_per_batch, "bytes", t.large_bytes),
            Evidence("floating point", fetch.float_bytes_share, "share of the bytes", t.float_share),
        ),
        advice=_advice(many, wide),
        where=seen.loader.created_where,
        speedup=throughput.predict(seen.costs, after, f"transport {fewer:.0f} times cheaper", 0.5),
        verify="try --remedies packed-batches" if many else "try --remedies uint8-batches",
    )


def _by_samples(seen: Starved, t: Thresholds) -> Found | None:
    """Report what stack samples show of handing batches over; not what the batches hold."""
    sent = transport_share(seen, wide=False)
    received = receive_ms_of(seen.loader) / seen.costs.step_ms if seen.costs.step_ms > 0 else 0.0
    if max(sent / t.critical_share, received / CRITICAL_RECEIVING) < 1.0:
        return None
    basis = f"sent and received {LIGHTER:.0f} times faster"
    less = throughput.with_work(seen.costs, 1.0 - min(sent, 0.98) * (1.0 - 1.0 / LIGHTER))
    lighter = (less, _lighter(seen, received * seen.costs.step_ms))
    gains = [throughput.predict(seen.costs, after, basis, 0.5) for after in lighter]
    return Found(
        severity="warning",
        confidence="medium",
        summary=f"serialising batches is {sent:.0%} of the workers' work, receiving them {received:.0%} of the loop",
        evidence=(
            wait_evidence(seen.loader),
            Evidence("serialise and hand over", round(sent, 4), "share of a batch's work", t.critical_share),
            Evidence("receive a batch", round(received, 4), "share of the step", CRITICAL_RECEIVING),
        ),
        advice="Return few torch tensors from the workers: they move through shared memory, other objects are pickled. Pack many"
        " small ones into one per field, and send uint8 rather than floats where that is enough.",
        where=seen.loader.created_where,
        speedup=max(gains, key=lambda gain: gain.predicted),
    )


def _received(seen: Starved, share: float, t: Thresholds) -> Found | None:
    """Report what the training process does to receive a batch, with the better of no workers and a lighter batch."""
    fetch, costs, receive_ms = seen.fetch, seen.costs, receive_ms_of(seen.loader)
    many = (fetch.tensors_per_batch or 0.0) >= t.many_tensors
    alone = throughput.predict(costs, without_workers(seen), "made in the training process, nothing handed over", 0.3)
    lighter = throughput.predict(costs, _lighter(seen, receive_ms), f"received {LIGHTER:.0f} times faster", 0.5)
    none = alone.predicted >= lighter.predicted
    best = alone if none else lighter
    if best.predicted < t.min_gain or not (none or _can_be_lighter(fetch, t)):
        return None
    made = f"it makes one in {milliseconds(without_workers(seen).work_ms)}"
    return Found(
        severity="critical" if share >= CRITICAL_RECEIVING else "warning",
        confidence="medium",
        summary=f"receiving a batch ({_size(fetch, many)}) takes the training process {milliseconds(receive_ms)},"
        f" {share:.0%} of a step",
        evidence=(
            Evidence("receive a batch", round(share, 4), "share of the step", t.receive_share, seen.loader.steps),
            Evidence("receive a batch", round(receive_ms, 3), "ms", n=seen.loader.steps),
            Evidence("make a batch", round(fetch.mean_wall_ms, 3), "ms", n=fetch.n),
            Evidence("tensors per batch", fetch.tensors_per_batch, "tensors", t.many_tensors),
            Evidence("bytes per batch", fetch.bytes_per_batch, "bytes", t.large_bytes),
        ),
        advice=f"Make batches in the training process, with num_workers=0: {made}, and receives none."
        if none
        else _advice(many, bool(fetch.tensors_per_batch)),
        where=seen.loader.created_where,
        speedup=best,
        verify="try --remedies packed-batches" if many and not none else None,
        edit=loader_edit(seen.loader, {"num_workers": 0}) if none else None,
        workers="fewer" if none else None,
    )


def _can_be_lighter(fetch: FetchProfile, t: Thresholds) -> bool:
    """Say whether a batch is of many tensors, of wide ones, or of other objects."""
    tensors = fetch.tensors_per_batch or 0.0
    wide = (fetch.bytes_per_batch or 0.0) >= t.large_bytes and (fetch.float_bytes_share or 0.0) >= t.float_share
    return tensors >= t.many_tensors or tensors < t.min_tensors or wide


def without_workers(seen: Starved) -> Costs:
    """Return the costs of the loop that makes its batches itself, and is sent none.

    It waits for a core as long as a worker does. What its workers' start-up costs is worker-restart's matter."""
    return _made_alone(seen.costs, max(seen.fetch.mean_wall_ms, 1e-3))


def _made_alone(costs: Costs, work_ms: float) -> Costs:
    """Return the costs of a loop whose training process spends so long on a batch: the CPU time of sending it goes, too."""
    return replace(costs, workers=0, work_ms=work_ms, work_cpu_ms=min(costs.work_cpu_ms, work_ms))


def _lighter(seen: Starved, receive_ms: float) -> Costs:
    """Return the costs of a loop whose batches are sent and received faster: no faster than its workers make them."""
    costs, workers = seen.costs, max(seen.loader.workers, 1)
    made_ms = seen.fetch.mean_wall_ms - (seen.fetch.delay_ms or 0.0) + (seen.fetch.serialise_ms or 0.0) / LIGHTER
    least = max(costs.device_ms, made_ms / workers, made_ms / costs.cores)
    step = max(costs.step_ms - receive_ms * (1.0 - 1.0 / LIGHTER), min(least, costs.step_ms))
    return _made_alone(costs, step - costs.device_ms)


def _size(fetch: FetchProfile, many: bool) -> str:
    return f"{fetch.tensors_per_batch:.0f} tensors" if many else f"{(fetch.bytes_per_batch or 0) / 1e6:.1f} MB"


def receive_share(loader: LoaderProfile) -> float:
    """Return the share of the step in which a batch is received."""
    step_ms = loader.step_ms.median if loader.step_ms else 0.0
    return receive_ms_of(loader) / step_ms if step_ms > 0 else 0.0


def _loop(profile: Profile) -> Starved | Missing | NotSo:
    """Return a loop that waits for data, or receives its batches for a good part of its time."""
    seen: Starved | Missing | NotSo = STARVED_LOOP.read(profile)
    loader, costs = profile.primary, profile.costs
    if seen is not NOT_SO or loader is None or loader.fetch is None or costs is None:
        return seen
    receives = receive_share(loader) >= THRESHOLDS.receive_share
    return Starved(loader, loader.fetch, costs, "yes") if receives else NOT_SO


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
        Need("a loop that waits for data or receives batches, and what its fetches cost", _loop),
        WORKERS,
    ),
    thresholds=THRESHOLDS,
    hides=("expensive-collate", "too-few-workers", "cpu-saturated"),
    traits=Traits(about_input=True, windows="waiting", remedies=("packed-batches", "uint8-batches")),
)
