"""Profile → report: the verdict, the findings and the pictures' series, ready for any view."""

from __future__ import annotations

from gpuwatch.analyze.engine import judge
from gpuwatch.analyze.lanes import draw_lanes
from gpuwatch.analyze.profile import analyse, profile_of
from gpuwatch.model import PHASES, Phase, Profile, RankProfile, Recording, Report, Timeline


def build(recording: Recording, with_timeline: bool = True) -> Report:
    """Analyse a recording. `with_timeline=False` leaves the series out, for cards and gates."""
    analysis = analyse(recording)
    profile = profile_of(analysis)
    return report_of(profile, draw_lanes(analysis, profile) if with_timeline else None)


def report_of(profile: Profile, series: Timeline | None = None) -> Report:
    """Judge a profile and gather what is said of it."""
    judgement = judge(profile)
    return Report(
        run=profile.run,
        seconds=profile.seconds,
        hosts=tuple(dict.fromkeys(rank.host for rank in profile.ranks)) or (profile.run.host,),
        ranks=profile.ranks,
        verdict=judgement.verdict,
        phases=merge_phases(profile.ranks),
        loaders=profile.loaders,
        primary=profile.primary.id if profile.primary else None,
        hot_lines=profile.hot_lines,
        stacks=profile.stacks,
        findings=judgement.findings,
        suppressed=judgement.suppressed,
        not_evaluated=judgement.not_evaluated,
        clear=judgement.clear,
        devices=profile.devices,
        machine=profile.machine,
        costs=profile.costs,
        overhead=profile.overhead,
        gaps=profile.gaps,
        problems=profile.problems,
        unentered=profile.unentered,
        timeline=series,
    )


def merge_phases(ranks: tuple[RankProfile, ...]) -> tuple[Phase, ...]:
    """Return the mean rank's phases: their seconds sum to the mean wall time of the ranks."""
    if not ranks:
        return ()
    seconds = dict.fromkeys(PHASES, 0.0)
    for rank in ranks:
        for phase in rank.phases:
            seconds[phase.name] += phase.seconds / len(ranks)
    whole = sum(seconds.values())
    return tuple(Phase(name, value, value / whole if whole > 0 else 0.0) for name, value in seconds.items())
