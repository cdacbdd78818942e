"""The time to the first batch is a large part of the run.

What it means
    Imports, building the dataset (listing files, reading an index, unpickling), building the model and starting the
    workers take long compared with the training. It hurts short runs, restarts and debugging most.

How it is measured
    From the process's start to its first batch, against the whole run; the line comes from stack samples taken then.
    What they show to be imports is left out: what libraries take to load is no fault of the script.

When it is wrong
    A short test of a long training has the same start-up and little else: judge by the seconds, not by the share.

What to do
    Cache the file list or index, load lazily, keep the dataset's __init__ small, and start fewer workers.
"""

from __future__ import annotations

from gpuwatch.diagnosis.evidence import STARTUP_SHARE, hot_line, place
from gpuwatch.model.findings import Clear, Evidence, Finding, NotEvaluated, Speedup
from gpuwatch.model.profile import Profile, RankProfile

ID = "slow-startup"
SHARE = 0.3
SECONDS = 5.0
LINE_SHARE = 0.1
# Less than this of the start-up, or in seconds, is not worth a word when all else was imports.
OWN_SHARE, OWN_SECONDS = 0.2, 2.0
# Samples that stand for less of the start-up than this tell nothing of the rest.
SEEN_SHARE = 0.6
# Start-up above this share is worth a warning even if nothing but imports was seen.
MOST = 0.75


def check(profile: Profile) -> Finding | Clear | NotEvaluated:
    """Report a first batch that comes after 30 % of the run and at least five seconds."""
    firsts = [rank for rank in profile.ranks if rank.first_batch_s is not None]
    if not firsts:
        return NotEvaluated(ID, "a first batch")
    slowest = max(firsts, key=lambda rank: rank.first_batch_s or 0.0)
    first = slowest.first_batch_s or 0.0
    share = first / slowest.seconds if slowest.seconds > 0 else 0.0
    if share < SHARE or first < SECONDS:
        return Clear(ID)
    line = hot_line(profile, "trainer", "startup")
    own = line is not None and line.share >= LINE_SHARE
    spent = own_seconds(profile, slowest)
    if spent is not None and spent < max(OWN_SHARE * first, OWN_SECONDS):
        return Clear(ID)
    return Finding(
        id=ID,
        severity="warning" if own or share >= MOST else "info",
        confidence="high",
        summary=f"the first batch came after {first:.3g} s, {share:.0%} of the run",
        evidence=(
            Evidence("time to first batch", round(first, 2), "s", SECONDS),
            Evidence("time to first batch", round(share, 4), "share of the run", SHARE, key=STARTUP_SHARE),
            *(
                Evidence(p.name, round(p.seconds, 2), "s")
                for p in slowest.phases
                if p.name in ("startup", "loader startup")
            ),
        ),
        advice=_advice(profile),
        where=place(line) if own else None,
        speedup=_speedup(first if spent is None else min(spent, first), slowest.seconds),
        rank=slowest.rank if len(profile.ranks) > 1 else None,
    )


def own_seconds(profile: Profile, rank: RankProfile) -> float | None:
    """Return what of a rank's start-up was not imports: its own lines and the loader's; None when nobody looked."""
    if profile.stacks.trust == "none":
        return None
    lines = [h for h in profile.hot_lines if h.process_role == "trainer" and h.activity in ("startup", "importing")]
    if sum(h.seconds for h in lines) < SEEN_SHARE * (rank.first_batch_s or 0.0):
        return None
    made = min(rank.first_batch_s or 0.0, _first_epoch_s(profile, rank))
    return sum(h.seconds for h in lines if h.activity == "startup") + made


def _first_epoch_s(profile: Profile, rank: RankProfile) -> float:
    firsts = [
        loader.first_batch_s[0] for loader in profile.loaders if loader.rank == rank.rank and loader.first_batch_s
    ]
    return max(firsts, default=0.0)


def _advice(profile: Profile) -> str:
    workers = profile.primary.workers if profile.primary else 0
    fewer = ", and start fewer workers" if workers > 1 else ""
    lazily = "load lazily" if fewer else "and load lazily"
    return f"Cache what is computed before the first batch (file lists, indexes), {lazily}{fewer}."


def _speedup(spent: float, seconds: float) -> Speedup:
    half = round(seconds / max(seconds - spent / 2, 1e-9), 3)
    return Speedup(
        half,
        1.0,
        round(seconds / max(seconds - spent, 0.05 * seconds), 3),
        "half of the start-up of the whole run saved",
    )
