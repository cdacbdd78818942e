"""Profile → report: the verdict, the findings and the pictures' series, ready for any view."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from gpuwatch.analyze.attached.build import attached_analysis, attached_profile
from gpuwatch.analyze.attached.loader import without_times
from gpuwatch.analyze.build import analysis_of, profile_of
from gpuwatch.analyze.gpu_time.build import judge_traces
from gpuwatch.analyze.gpu_time.lanes import draw_traced
from gpuwatch.analyze.gpu_time.profile import traced_profile
from gpuwatch.analyze.gpu_time.windows import add_windows
from gpuwatch.analyze.loops import Analysis
from gpuwatch.analyze.processes.attached import attached_processes
from gpuwatch.analyze.processes.sorting import Processes, sort_processes
from gpuwatch.analyze.processes.trainings import Group, chief, find_trainings, looped_seconds, only, seconds_of
from gpuwatch.analyze.series.lanes import draw_lanes
from gpuwatch.diagnosis.consistency import contradictions
from gpuwatch.diagnosis.engine import judge
from gpuwatch.errors import UsageError
from gpuwatch.model.measures import PHASES, Phase, phase_rows
from gpuwatch.model.profile import Profile, RankProfile
from gpuwatch.model.recording import Recording
from gpuwatch.model.report import Report, Training
from gpuwatch.model.timeline import Timeline
from gpuwatch.model.trace import Trace
from gpuwatch.rules import all_rules
from gpuwatch.traces.windows import read_windows
from gpuwatch.words.masking import mask_arguments

# The others are judged as well, which takes its time; a script that trains a hundred models gets the longest ones.
MOST_TRAININGS = 8


def build(recording: Recording, with_timeline: bool = True, training: int | None = None) -> Report:
    """Analyse a recording. `with_timeline=False` leaves the series out, for cards and gates.

    Of several trainings in one run the report is about the longest, or about number `training`, from 1 in the order of
    their starts. Raises UsageError when there is no such number."""
    processes = sorted_processes(recording)
    trainings = find_trainings(processes.trainers)
    if training is not None and not trainings:
        raise UsageError(f"there is no training {training} in this run: it has none")
    if not trainings:
        return _build(processes, with_timeline)
    shown = _chosen(trainings, processes, training)
    report = _build(only(processes, trainings[shown]), with_timeline)
    return report if len(trainings) == 1 else _among(report, processes, trainings, shown)


def build_traced(traces: Sequence[Trace], with_timeline: bool = True) -> Report:
    """Analyse GPU traces that somebody recorded. Raises GpuwatchError where none of them has a device at work."""
    judged = judge_traces(traces)
    profile = traced_profile(traces, judged)
    return report_of(profile, draw_traced(judged) if with_timeline else None)


def profile_of_traces(traces: Sequence[Trace]) -> Profile:
    """Return the profile that the rules look at where there are only GPU traces."""
    return traced_profile(traces, judge_traces(traces))


def profile_in(recording: Recording, training: int | None = None) -> Profile:
    """Return the profile that the rules look at, of the training that `build` would show."""
    processes = sorted_processes(recording)
    trainings = find_trainings(processes.trainers)
    if trainings:
        processes = only(processes, trainings[_chosen(trainings, processes, training)])
    return analysed(processes)[1]


def sorted_processes(recording: Recording) -> Processes:
    return sort_processes(recording) if recording.run.attached is None else attached_processes(recording)


def analysed(processes: Processes) -> tuple[Analysis, Profile]:
    """Return what is derived of a recording: by its events, or, where a training was attached to, by its stack samples."""
    if processes.recording.run.attached is not None:
        analysis = attached_analysis(processes)
        return analysis, attached_profile(analysis)
    analysis = analysis_of(processes)
    return analysis, _with_windows(profile_of(analysis), analysis)


def _with_windows(profile: Profile, analysis: Analysis) -> Profile:
    """Return a profile with what torch.profiler recorded of the run, where that was asked for; while it goes on without."""
    if profile.run.gpu_trace is None or profile.run.state == "running":
        return profile
    traces, problems = read_windows(Path(analysis.processes.recording.path))
    profile = replace(profile, problems=(*profile.problems, *problems))
    return add_windows(profile, analysis, traces)


def _chosen(trainings: list[Group], processes: Processes, training: int | None) -> int:
    """Return the index of the training to show. Raises UsageError when there is no such number."""
    if training is not None and not 1 <= training <= len(trainings):
        raise UsageError(f"there is no training {training} in this run: it has {len(trainings)}")
    return chief(trainings, processes.goes_on) if training is None else training - 1


def _build(processes: Processes, with_timeline: bool) -> Report:
    analysis, profile = analysed(processes)
    return report_of(profile, draw_lanes(analysis, profile) if with_timeline else None)


def _among(report: Report, processes: Processes, trainings: list[Group], shown: int) -> Report:
    """Return the report of one training with the others listed in it."""
    longest = sorted(range(len(trainings)), key=lambda n: (n != shown, -looped_seconds(trainings[n])))[:MOST_TRAININGS]
    listed = []
    for n in sorted(longest):
        own = report if n == shown else _build(only(processes, trainings[n]), False)
        listed.append(replace(_summary(own, n + 1, trainings[n], processes.start_ns), shown=n == shown))
    mine = next(each for each in listed if each.shown)
    note = f"the command ran {len(trainings)} trainings; this is number {mine.number}, {mine.command}"
    hint = "`gpuwatch report :N` shows another, as do the other verbs" + (
        f"; the {MOST_TRAININGS} longest are listed" if len(trainings) > MOST_TRAININGS else ""
    )
    return replace(report, trainings=tuple(listed), problems=(f"{note}. {hint}", *report.problems))


def _summary(report: Report, number: int, group: Group, start_ns: float) -> Training:
    first = group[0]
    interpreter, *arguments = mask_arguments(map(str, first.log.header.get("argv") or ("?",)))
    return Training(
        number=number,
        pid=first.log.pid,
        command=shlex.join((os.path.basename(interpreter), *arguments)),
        start_s=(min(trainer.start_ns for trainer in group) - start_ns) / 1e9,
        seconds=seconds_of(group),
        ranks=len(group),
        steps=max((rank.steps for rank in report.ranks), default=0),
        verdict=report.verdict,
        phases=report.phases,
        findings=tuple(finding.id for finding in report.findings),
    )


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
