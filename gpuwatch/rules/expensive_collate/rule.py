"""Collating the samples to a batch dominates the fetch.

What it means
    The collate function (yours, or the default one on awkward samples) takes more time than reading and transforming:
    padding in Python, tensors built from lists, many small fields.

How it is measured
    The collate function's time inside each fetch.

When it is wrong
    A collate function that tokenises or decodes the whole batch at once does the fetch's real work; then make that
    work cheaper, not the collating.

What to do
    Build tensors once from numpy arrays, pad with one preallocated tensor, return few and large fields, or move the
    work into __getitem__ of pre-computed data.
"""

from __future__ import annotations

from gpuwatch.analyze import throughput
from gpuwatch.diagnosis.evidence import (
    Starved,
    certainty,
    hot_line,
    operations,
    place,
    saturation,
    share_of,
    wait_evidence,
    working_loop,
)
from gpuwatch.model.findings import Clear, Evidence, Finding, NotEvaluated, Speedup
from gpuwatch.model.measures import Place
from gpuwatch.model.profile import Profile

ID = "expensive-collate"
SHARE = 0.4


def check(profile: Profile) -> Finding | Clear | NotEvaluated:
    """Report collating that takes the largest part of the fetch of a starved loop."""
    seen = working_loop(profile, ID)
    if not isinstance(seen, Starved):
        return seen
    share = share_of(seen.loader, "collate")
    if not seen.loader.operations:
        return NotEvaluated(ID, "times of the operations in a fetch")
    if share < SHARE:
        return Clear(ID)
    return Finding(
        id=ID,
        severity="critical" if share >= 0.6 else "warning",
        confidence=certainty(seen.state),
        summary=f"collating takes {share:.0%} of making a batch ({seen.fetch.collate_ms:.3g} ms)",
        evidence=(
            wait_evidence(seen.loader),
            Evidence("collate", round(share, 4), "share of the fetch", SHARE, seen.fetch.n),
            Evidence("collate", round(seen.fetch.collate_ms, 3), "ms per batch", n=seen.fetch.n),
            Evidence("tensors per batch", seen.fetch.tensors_per_batch, "tensors"),
        ),
        advice="Collate with one preallocated tensor per field, from arrays instead of lists, and into few large fields.",
        where=_where(profile, seen),
        speedup=_speedup(seen, share),
        verify=lines_command(profile),
        explains=("slow-dataset-code", "gc-pause", *saturation(share)),
    )


def _where(profile: Profile, seen: Starved) -> Place | None:
    named = operations(seen.loader, "collate")
    return place(hot_line(profile, "worker", "collate"), named[0].where if named else None)


def lines_command(profile: Profile) -> str:
    """Return the call that times the collate function's lines exactly."""
    from gpuwatch.diagnosis.evidence import command_line

    return f"gpuwatch lines --exact -- {command_line(profile)}"


def _speedup(seen: Starved, share: float) -> Speedup:
    basis = "collating made free; the low end is half as expensive"
    return throughput.made_free(seen.costs, min(share, 0.98), share, basis)
