"""Recording → report: what was recorded, analysed and judged, ready for any view."""

from __future__ import annotations

import os
import shlex
from dataclasses import replace
from pathlib import Path

from gpuwatch.analyze.attached.build import attached_analysis, attached_profile
from gpuwatch.analyze.build import analysis_of, profile_of
from gpuwatch.analyze.gpu_time.windows import add_windows
from gpuwatch.analyze.loops import Analysis
from gpuwatch.analyze.processes.attached import attached_processes
from gpuwatch.analyze.processes.sorting import Processes, sort_processes
from gpuwatch.analyze.processes.trainings import Group, chief, find_trainings, looped_seconds, only, seconds_of
from gpuwatch.analyze.series.lanes import draw_lanes
from gpuwatch.errors import UsageError
from gpuwatch.judged_report import report_of
from gpuwatch.model.profile import Profile
from gpuwatch.model.recording import Recording
from gpuwatch.model.report import Report, Training
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
