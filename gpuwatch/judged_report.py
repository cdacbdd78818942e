"""Profile → report: the verdict, the findings and the pictures' series, ready for any view."""

from __future__ import annotations

from gpuwatch.analyze.attached.shown import without_times
from gpuwatch.diagnosis.consistency import contradictions
from gpuwatch.diagnosis.engine import judge
from gpuwatch.model.measures import PHASES, Phase, phase_rows
from gpuwatch.model.profile import Profile, RankProfile
from gpuwatch.model.report import Report
from gpuwatch.model.timeline import Timeline
from gpuwatch.rules import all_rules


def report_of(profile: Profile, series: Timeline | None = None) -> Report:
    """Judge a profile and gather what is said of it."""
    rules = all_rules()
    judgement = judge(profile, rules)
    of_step = {rule.id for rule in rules if rule.traits.bound in ("host", "compute", "transfer")}
    left = contradictions(judgement.verdict, judgement.findings, profile.ranks)
    return Report(
        run=profile.run,
        seconds=profile.seconds,
        hosts=tuple(dict.fromkeys(rank.host for rank in profile.ranks)) or (profile.run.host,),
        ranks=profile.ranks,
        verdict=judgement.verdict,
        phases=merge_phases(profile.ranks),
        loaders=tuple(map(without_times, profile.loaders)),
        primary=profile.primary.id if profile.primary else None,
        hot_lines=profile.hot_lines,
        stacks=profile.stacks,
        findings=judgement.findings,
        suppressed=judgement.suppressed,
        not_evaluated=judgement.not_evaluated,
        clear=judgement.clear,
        clear_of_step=tuple(id for id in judgement.clear if id in of_step),
        devices=profile.devices,
        machine=profile.machine,
        costs=None if profile.costs is not None and profile.costs.relative else profile.costs,
        overhead=profile.overhead,
        gaps=profile.gaps,
        problems=(*profile.problems, *(f"this report contradicts itself: {what}" for what in left)),
        unentered=profile.unentered,
        timeline=series,
        gpu_time=profile.gpu_time,
        traced=profile.traced,
    )


def merge_phases(ranks: tuple[RankProfile, ...]) -> tuple[Phase, ...]:
    """Return the mean rank's phases: their seconds sum to the mean wall time of the ranks."""
    if not ranks:
        return ()
    seconds = dict.fromkeys(PHASES, 0.0)
    for rank in ranks:
        for phase in rank.phases:
            seconds[phase.name] += phase.seconds / len(ranks)
    return phase_rows(seconds, sum(seconds.values()))
