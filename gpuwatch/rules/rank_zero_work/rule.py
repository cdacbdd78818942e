"""One rank works while all others wait for it.

What it means
    One rank prepares an index, evaluates or saves, and the others stand at a barrier, or in the exchange of their next step,
    for as long. All devices are paid for meanwhile. On their own the waiting ranks look like a slow network.

How it is measured
    The times in which all ranks but one were inside a call that waits for the others (a barrier, a collective, the meeting of
    the ranks), and steps in which one rank is far longer than usual while the others wait in their backward pass. What the
    working rank did is known from its checkpoints, its evaluation loops and its stack samples.

When it is wrong
    A rank that is late by itself (a slow node that imports longer) looks the same before the first step: see whether the
    line is one that the other ranks do not run.

What to do
    Do it once and keep it (a cached index that every rank opens), share it among the ranks (each evaluates its part), or do it
    beside the training (save in a thread, from a copy).
"""

from __future__ import annotations

from gpuwatch.diagnosis.needs import RANK_WORK
from gpuwatch.diagnosis.rule import Found, Rule
from gpuwatch.diagnosis.thresholds import NoThresholds, Threshold
from gpuwatch.model.findings import Bound, Evidence, Speedup, Traits
from gpuwatch.model.hot_lines import HotLine
from gpuwatch.model.measures import Place
from gpuwatch.model.profile import Profile
from gpuwatch.model.rank_comparison import Doing, RankWork
from gpuwatch.records import dataclass
from gpuwatch.words.units import duration


@dataclass(frozen=True)
class Thresholds(NoThresholds):
    """From which values on the rule reports."""

    seconds: Threshold = Threshold(1.0, "s", "Processes do not start in the same instant.")
    share: Threshold = Threshold(0.05, "share of the run", "Less is not worth a change.")
    critical_share: Threshold = Threshold(0.25, "share of the run", "A quarter of all ranks' time.")
    one: Threshold = Threshold(0.8, "share of such times", "Where ranks take turns at it, it is no one rank's work.")
    often: Threshold = Threshold(
        0.2, "times per step", "A rank that is late in many steps is slow, and has no work of its own."
    )
    line_share: Threshold = Threshold(
        0.3, "share of the wait", "A line that takes less is not what the others wait for."
    )


_DOING: dict[Doing, str] = {
    "startup": "works before the first step",
    "saving": "saves",
    "evaluation": "evaluates",
    "between loops": "works between the epochs",
    "step": "does more than the others in some steps",
}
_ADVICE: dict[Doing, str] = {
    "startup": "Prepare it once and keep it: let every rank open what was saved, or let each make a part.",
    "saving": "Save beside the training: copy the state and write it in a thread, or let every rank write its part.",
    "evaluation": "Let every rank evaluate its part and add up the results, or evaluate beside the training.",
    "between loops": "Let every rank do its part of it, or do it beside the training.",
    "step": "Let every rank do its part of it, or do it less often.",
}
# The activities of stack samples that may be what the rank did.
_ACTIVITIES: dict[Doing, tuple[str, ...]] = {
    "startup": ("startup",),
    "saving": (),
    "evaluation": (),
    "between loops": ("between loops",),
    "step": ("long step",),
}


def check(profile: Profile, t: Thresholds, work: RankWork) -> Found | None:
    """Report the rank for whose work all others wait."""
    whole = max((rank.seconds for rank in profile.ranks), default=profile.seconds)
    share = work.seconds / whole if whole > 0 else 0.0
    if work.seconds < t.seconds or share < t.share or work.shown < t.one:
        return None
    steps = max((rank.steps for rank in profile.ranks), default=0)
    if steps and work.times / steps >= t.often:
        return None
    line = _line(profile, work, t)
    at = work.waits_at
    return Found(
        severity="critical" if share >= t.critical_share else "warning",
        confidence="high" if work.where or line or work.doing != "startup" else "medium",
        summary=f"all other ranks wait {duration(work.seconds)}, {share:.0%} of the run, while rank {work.rank}"
        f" {_DOING[work.doing]}",
        evidence=(
            Evidence("others waiting for this rank", round(work.seconds, 2), "s", t.seconds, work.times),
            Evidence("others waiting for this rank", round(share, 4), "share of the run", t.share),
            *((Evidence("ranks that wait at", at.line, "line", note=at.file),) if at else ()),
        ),
        advice=_ADVICE[work.doing],
        where=work.where or line or at,
        speedup=_speedup(work.seconds, whole),
        rank=work.rank,
        bound=_bound(work.doing),
        decides=share >= t.critical_share,
        first=share >= t.critical_share,
    )


def _bound(doing: Doing) -> Bound:
    return "startup" if doing == "startup" else "host"


def _line(profile: Profile, work: RankWork, t: Thresholds) -> Place | None:
    """Return the line that took the rank's time, by stack samples; none of those at which ranks wait."""
    lines = [
        line
        for line in profile.hot_lines
        if line.process_role == "trainer"
        and line.activity in _ACTIVITIES[work.doing]
        and not _is_at(line, work.waits_at)
    ]
    most = max(lines, key=lambda line: line.seconds, default=None)
    if most is None or most.seconds / work.seconds < t.line_share:
        return None
    return Place(most.file, most.line, most.function)


def _is_at(line: HotLine, place: Place | None) -> bool:
    return place is not None and (line.file, line.line) == (place.file, place.line)


def _speedup(waited: float, seconds: float) -> Speedup:
    """Return what the run wins where no rank waits; half of it where the work is shared."""
    all_of_it = round(seconds / max(seconds - waited, 0.05 * seconds), 3)
    half = round(seconds / max(seconds - waited / 2, 0.05 * seconds), 3)
    return Speedup(all_of_it, half, all_of_it, "the whole run without the wait")


RULE = Rule(
    id="rank-zero-work",
    page=__doc__,
    check=check,
    needs=(RANK_WORK,),
    thresholds=Thresholds(),
    hides=("communication-bound", "straggler-rank", "slow-startup"),
    by_events=True,
    traits=Traits(bound="host", lanes=("step", "cpu_busy"), windows="waiting"),
)
