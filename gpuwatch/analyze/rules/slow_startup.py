"""The time to the first batch is a large part of the run.

What it means
    Imports, building the dataset (listing files, reading an index, unpickling), building the model and starting the
    workers take long compared with the training. It hurts short runs, restarts and debugging most.

How it is measured
    From the process's start to its first batch, against the whole run; the line comes from stack samples taken then.

When it is wrong
    A short test of a long training has the same start-up and little else: judge by the seconds, not by the share.

What to do
    Cache the file list or index, load lazily, keep the dataset's __init__ small, and start fewer workers.
"""

from __future__ import annotations

from gpuwatch.analyze.evidence import hot_line, place
from gpuwatch.model import Clear, Evidence, Finding, NotEvaluated, Profile, Speedup

ID = "slow-startup"
SHARE = 0.3
SECONDS = 5.0
# Imports are told apart: what libraries take to load is no fault of the script, and they never leave it the rest.
LINE_SHARE = 0.1
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
    return Finding(
        id=ID,
        severity="warning" if own or share >= MOST else "info",
        confidence="high",
        summary=f"the first batch came after {first:.3g} s, {share:.0%} of the run",
        evidence=(
            Evidence("time to first batch", round(first, 2), "s", SECONDS),
            Evidence("time to first batch", round(share, 4), "share of the run", SHARE),
            *(
                Evidence(p.name, round(p.seconds, 2), "s")
                for p in slowest.phases
                if p.name in ("startup", "loader startup")
            ),
        ),
        advice="Cache what is computed before the first batch (file lists, indexes), load lazily, and start fewer workers.",
        where=place(line) if own else None,
        speedup=_speedup(first, slowest.seconds),
        rank=slowest.rank if len(profile.ranks) > 1 else None,
    )


def _speedup(first: float, seconds: float) -> Speedup:
    half = round(seconds / max(seconds - first / 2, 1e-9), 3)
    return Speedup(
        half,
        1.0,
        round(seconds / max(seconds - first, 0.05 * seconds), 3),
        "half of the start-up of the whole run saved",
    )
