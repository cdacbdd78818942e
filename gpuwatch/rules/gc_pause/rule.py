"""Python's garbage collector stops the loop.

What it means
    The collector walks every container object it tracks. With a dataset of millions of Python objects a full
    collection takes a second, at steps that nobody chose, and on different ranks at different steps.

How it is measured
    gc callbacks in the training process and in the workers: time inside collections as a share of the loop and of the
    fetches.

When it is wrong
    A script that calls gc.collect() by itself is booked here too; then take the call out.

What to do
    gc.freeze() after set-up (the objects made so far are not walked again), fewer and larger objects (arrays), or
    gc.disable() with a gc.collect() between epochs.
"""

from __future__ import annotations

from gpuwatch.analyze import throughput
from gpuwatch.diagnosis.evidence import MIN_STEPS, Starved, loop_seconds, starved_loop
from gpuwatch.model.findings import Clear, Evidence, Finding, NotEvaluated, Speedup
from gpuwatch.model.profile import Profile

ID = "gc-pause"
SHARE = 0.04
FETCH_SHARE = 0.15


def check(profile: Profile) -> Finding | Clear | NotEvaluated:
    """Report collections that take a noticeable part of the loop or of a starved loop's fetches."""
    if profile.primary is None or profile.primary.steps < MIN_STEPS or not profile.ranks:
        return NotEvaluated(ID, "a measured loop over a DataLoader")
    seconds = max(rank.gc_seconds for rank in profile.ranks)
    share = seconds / max(loop_seconds(profile), 1e-9)
    in_fetch = fetch_share(profile)
    if share < SHARE and in_fetch < FETCH_SHARE:
        return Clear(ID)
    worst = "the workers' fetches" if in_fetch >= FETCH_SHARE else "the training loop"
    return Finding(
        id=ID,
        severity="critical" if max(share, in_fetch) >= 0.2 else "warning",
        confidence="high",
        summary=f"Python's garbage collector takes {max(share, in_fetch):.0%} of {worst}",
        evidence=(
            Evidence(
                "collections in the trainer",
                round(share, 4),
                "share of the loop",
                SHARE,
                max(r.gc_collections for r in profile.ranks),
            ),
            Evidence("collections in fetches", round(in_fetch, 4), "share of the fetch", FETCH_SHARE),
        ),
        advice="Call gc.freeze() once after set-up (in worker_init_fn too), or keep the data in arrays instead of objects.",
        where=profile.primary.dataset_where if in_fetch >= FETCH_SHARE else None,
        speedup=_speedup(profile, share, in_fetch),
        edit="gc.collect(); gc.freeze()",
        explains=_explained(profile, in_fetch),
    )


def _explained(profile: Profile, in_fetch: float) -> tuple[str, ...]:
    pauses = any(rank.long_steps and rank.long_steps.cause == "gc" for rank in profile.ranks)
    return (*(("periodic-pause",) if pauses else ()), *(("slow-dataset-code",) if in_fetch >= 0.4 else ()))


def fetch_share(profile: Profile) -> float:
    """Return the share of a starved loop's fetches spent collecting; 0 when the loop is not starved."""
    seen = starved_loop(profile, ID)
    if not isinstance(seen, Starved) or not seen.fetch.gc_ms:
        return 0.0
    return seen.fetch.gc_ms / max(seen.fetch.mean_wall_ms, 1e-9)


def _speedup(profile: Profile, share: float, in_fetch: float) -> Speedup | None:
    if profile.costs is None:
        return None
    costs = throughput.with_step(profile.costs, profile.costs.device_ms * (1.0 - min(share, 0.9)))
    return throughput.predict(
        profile.costs, throughput.with_work(costs, 1.0 - min(in_fetch, 0.9)), "collections made free", 0.3
    )
