"""Profiles, and what the rule says of them."""

from __future__ import annotations

from dataclasses import replace

from gpuwatch.diagnosis.examples.cases import clear, fires, unknown
from gpuwatch.diagnosis.examples.runs import HIDDEN, SAMPLED, WORK_LINE, ranks, run_of
from gpuwatch.model.measures import Place
from gpuwatch.model.profile import Profile
from gpuwatch.model.rank_comparison import RankWork

BARRIER = Place("/home/me/project/train.py", 30, "main")
INDEX = RankWork(0, 6.0, 1, "startup", None, BARRIER, 1.0)


def waiting(*work: RankWork, sampled: bool = False) -> Profile:
    """Return two ranks of which one waits for the other's work."""
    profile = replace(run_of(8.0, ranks=ranks((15.0, 5.0), (15.0, 5.0))), rank_work=work)
    if not sampled:
        return profile
    own = replace(WORK_LINE, process_role="trainer", activity="startup", share=0.6, seconds=5.5)
    barrier = replace(own, file=BARRIER.file, line=BARRIER.line, seconds=6.0)
    return replace(profile, hot_lines=(barrier, own), stacks=SAMPLED)


CASES = (
    fires(
        waiting(INDEX, sampled=True),
        "critical",
        "all other ranks wait 6.0 s, 30% of the run, while rank 0 works before the first step",
        where="/home/me/project/data.py:48",
        speedup=1.429,
    ),
    fires(
        waiting(INDEX),
        "critical",
        "all other ranks wait 6.0 s, 30% of the run, while rank 0 works before the first step",
        confidence="medium",
        where="/home/me/project/train.py:30",
        speedup=1.429,
    ),
    fires(
        waiting(RankWork(0, 3.0, 12, "saving", Place("/home/me/project/train.py", 51, "save"), BARRIER, 0.95)),
        "warning",
        "all other ranks wait 3.0 s, 15% of the run, while rank 0 saves",
        where="/home/me/project/train.py:51",
        speedup=1.176,
    ),
    # One process was started a little later.
    clear(waiting(replace(INDEX, seconds=0.6))),
    clear(waiting(replace(INDEX, seconds=0.95))),
    # Ranks take turns, or one is late in every other step: no work of its own.
    clear(waiting(replace(INDEX, shown=0.5))),
    clear(waiting(replace(INDEX, doing="step", times=500))),
    clear(waiting()),
    unknown(HIDDEN, "when each of at least two ranks waited for the others"),
)
