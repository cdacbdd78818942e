"""The phases of the run, what was tried on it, and the run itself."""

from __future__ import annotations

import shlex

from gpuwatch.model.experiment import Experiment, LoaderTrial, Trial
from gpuwatch.model.measures import Phase
from gpuwatch.model.report import Report
from gpuwatch.views import identity_text, job_text, text
from gpuwatch.views.answer_text import answer
from gpuwatch.views.html import gpu_time, words
from gpuwatch.views.html.ceilings import ceilings
from gpuwatch.views.html.markup import Markup, content, el, facts, table
from gpuwatch.views.html.pictures import phase_bar, slug
from gpuwatch.views.trials import newest, newest_answer, score
from gpuwatch.views.wall_time import of_run


def phases(report: Report) -> Markup:
    """Return the phase bar with its legend: all of the wall time, every second counted once."""
    several = len(report.ranks) > 1
    whose = "all ranks together" if several else "the run"
    if report.judged_gpu is not None and not report.ranks:
        return gpu_time.where_it_went(report, report.judged_gpu)
    if not report.phases:
        return el(
            "section",
            el("h2", "Where the time went"),
            el("p", "No training process was measured, so there are no phases."),
            id="phases",
        )
    intro = f"All of the wall time, each second counted once{f', {whose}' if several else ''}."
    rows = of_run(report)
    body = [el("p", intro, class_="soft"), phase_bar(rows, whose), _legend(rows)]
    return el("section", el("h2", "Where the time went"), body, id="phases")


def _legend(rows: tuple[Phase, ...]) -> Markup:
    shown = [phase for phase in rows if phase.seconds > 0]
    items = [
        [
            content([el("i", class_=f"key {slug(phase.name)}"), phase.name]),
            text.percent(phase.share),
            text.duration(phase.seconds),
            words.PHASE_HELP.get(phase.name, ""),
        ]
        for phase in shown
    ]
    return table(["phase", "share", "time", "what it is"], items, "Phases of the wall time", numeric=(1, 2))


def experiments(report: Report) -> Markup | None:
    """Return what was tried: predicted beside measured; None when nothing was."""
    trials = newest(report)
    bounded = [experiment for experiment in report.experiments if experiment.ceilings]
    swept = [experiment for experiment in report.experiments if experiment.sweep]
    if not (trials or bounded or swept):
        return None
    head = ["tried", "before", "after", "predicted", "measured", "verdict", "outputs"]
    body = [table(head, [_trial(trial) for trial in trials], "Experiments", numeric=range(1, 5))] if trials else []
    return el(
        "section",
        el("h2", "Experiments"),
        el("p", el("strong", answer(found))) if (found := newest_answer(report)) else None,
        body,
        el("p", f"{score(report).capitalize()}.", class_="soft") if score(report) else None,
        [_edit(trial.remedy, trial.edit) for trial in trials if trial.edit and trial.verdict == "helps"],
        _sweep(swept[-1]) if swept else None,
        ceilings(bounded[-1].ceilings, bounded[-1].balance_cores) if bounded else None,
        id="experiments",
    )


def _edit(name: str, edit: str) -> Markup:
    return content([el("h4", name), el("pre", el("code", edit), class_="edit")])


def _sweep(experiment: Experiment) -> Markup:
    head = ["workers", "prefetch", "threads", "loader alone", "end to end", "memory per worker", ""]
    rows = [_setting(row) for row in experiment.sweep]
    parts = [el("h3", "Loader settings"), el("p", "Batches per second.", class_="soft")]
    parts.append(table(head, rows, "Loader settings", numeric=range(6)))
    if experiment.edit:
        parts.append(_edit("Smallest setting within 3 % of the best", experiment.edit))
    return content(parts)


def _setting(row: LoaderTrial) -> list[object]:
    return [
        str(row.workers),
        str(row.prefetch or text.DASH),
        str(row.threads or text.DASH),
        text.figures(row.loader_rate),
        text.figures(row.loop_rate.median if row.loop_rate else None),
        text.size(row.memory_per_worker_bytes),
        content([el("b", "the knee") if row.knee else None, el("span", row.note, class_="soft")]),
    ]


def _trial(trial: Trial) -> list[object]:
    ratio = trial.ratio
    between = f" ({text.factor(ratio.low)} to {text.factor(ratio.high)})" if ratio and ratio.n > 1 else ""
    measured = f"{text.factor(ratio.median)}{between}" if ratio else text.DASH
    verdict = el("span", trial.verdict, class_=f"v-{trial.verdict.split()[0]}")
    return [
        trial.remedy,
        text.value(trial.before.median, trial.unit) if trial.before else text.DASH,
        text.value(trial.after.median, trial.unit) if trial.after else text.DASH,
        text.factor(trial.predicted),
        measured,
        verdict,
        content([trial.outputs, el("span", f" {trial.note}", class_="soft") if trial.note else None]),
    ]


def the_run(report: Report) -> Markup:
    """Return the run's metadata, what gpuwatch itself cost, and what was not recorded."""
    run, overhead = report.run, report.overhead
    hook = (
        f"{text.figures(overhead.hook_us_per_step)} µs per step" if overhead.hook_us_per_step is not None else text.DASH
    )
    first = report.ranks[0] if report.ranks else None
    pairs = [
        ("run", run.id + (f" ({run.name})" if run.name else "")),
        ("command", el("code", shlex.join(run.command))),
        ("folder", el("code", run.cwd)),
        ("hosts", ", ".join(report.hosts)),
        *[("of", part) for part in identity_text.parts(run.identity)],
        *[("job", note) for note in job_text.notes(report.job)],
        ("Python, torch", f"{first.python}, {first.torch or text.DASH}" if first else text.DASH),
        ("ended", text.ending_of(run)),
        (
            "gpuwatch",
            f"{run.gpuwatch}; cost {hook}, sampler {text.percent(overhead.sampler_cpu_share)} of a core, {text.size(overhead.spool_bytes)} written",
        ),
    ]
    return el("section", el("h2", "About this run"), facts(pairs), _missing(report), id="run")


def _missing(report: Report) -> Markup | None:
    notes = [*report.problems]
    notes += [
        f"{gap.source}: nothing recorded for {text.duration((gap.end_ns - gap.start_ns) / 1e9)} ({gap.reason})"
        for gap in report.gaps[:20]
    ]
    notes += [
        f"not entered: {item.command} (pid {item.pid}): {item.reason}. {item.remedy}" for item in report.unentered[:20]
    ]
    if report.overhead.dropped_events:
        notes.append(f"{text.count(report.overhead.dropped_events, 'event was', 'events were')} dropped")
    return content([el("h3", "Not recorded"), el("ul", [el("li", note) for note in notes])]) if notes else None
