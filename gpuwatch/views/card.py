"""The card at the end of a run: verdict, why, what to do, where the time went, and the tables behind it.

`prepare` turns a report into rows of plain text (what tests look at); `render` draws them with rich.
"""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from gpuwatch.model.findings import Finding
from gpuwatch.model.loader_profile import LoaderProfile
from gpuwatch.model.measures import Phase
from gpuwatch.model.reasons import LoaderSteps
from gpuwatch.model.recording import Gap, RunInfo
from gpuwatch.model.report import Report
from gpuwatch.views import gpu_time, identity_text, job_text, text, traced_windows, trials, verdict_text
from gpuwatch.views.answer_text import answer
from gpuwatch.views.card_content import Action, Card, Fact, Slice, Tone
from gpuwatch.views.card_rows import (
    cost_of_batch,
    cpu,
    devices,
    hottest,
    line_row,
    lines_note,
    loaders,
    rank,
    training,
    trial,
)
from gpuwatch.views.explained import also, together
from gpuwatch.views.most_of_step import most_of_step
from gpuwatch.views.text import clean
from gpuwatch.views.verdict_text import sentence
from gpuwatch.views.wall_time import of_run

if TYPE_CHECKING:
    from rich.console import RenderableType

SHOWN_ACTIONS, SHOWN_RANKS, SHOWN_NOTES = 3, 8, 4
SMALLEST_PHASE = 0.005
# A batch that takes less of the step to receive is not a stage of its own.
LEAST_RECEIVING = 0.1
# What a wrapper round the loader takes of the step is told from this share on.
LEAST_ROUND = 0.05
# Of the loop: a sampler that takes less explains nothing.
SAMPLER_SHARE = 0.05


def prepare(report: Report) -> Card:
    """Return the card's rows: cleaned of control characters, numbers in people's units, nothing drawn yet."""
    run, base, traced = report.run, report.run.cwd, gpu_time.shown(report)
    return Card(
        run=" · ".join([_named(run), *identity_text.parts(run.identity)]),
        command=clean(shlex.join(run.command)),
        ended=f"{'GPU trace' if traced else text.ending_of(run)} · {text.duration(report.seconds)}",
        tone=_tone(report),
        badge=verdict_text.name(report.verdict),
        headline=sentence(verdict_text.claim(report.verdict)),
        reason=verdict_text.explanation(report.verdict),
        confidence=report.verdict.confidence,
        why=tuple(gpu_time.why(report, traced) if traced else _why(report)),
        actions=tuple(_action(finding, base) for finding in report.findings[:SHOWN_ACTIONS]),
        more=_more(report),
        also=also(report),
        together=together(report, SHOWN_ACTIONS),
        nothing=_nothing(report),
        tried=tuple(trial(each) for each in trials.newest(report)),
        phases=gpu_time.slices(traced)
        if traced
        else tuple(_slice(phase) for phase in of_run(report) if phase.share >= SMALLEST_PHASE),
        phases_of=gpu_time.slices_of(traced) if traced else _phases_of(report),
        ranks=tuple(rank(each) for each in report.ranks[:SHOWN_RANKS]) if len(report.ranks) > 1 else (),
        lines=tuple(line_row(line, base) for line in hottest(report)),
        lines_note=lines_note(report),
        loaders=tuple(loaders(report)),
        machine=tuple(gpu_time.devices(report)) if traced else (*cpu(report.machine), *devices(report)),
        notes=tuple(_notes(report)),
        cost=_cost(report),
        next=_next(report),
        tried_note=trials.score(report),
        answer=answer(found) if (found := trials.newest_answer(report)) else "",
        trainings=tuple(training(each) for each in report.trainings),
        traced=tuple(traced_windows.facts(report)),
        traced_note=traced_windows.heading(report, window) if (window := traced_windows.newest(report)) else "",
    )


def _named(run: RunInfo) -> str:
    return clean(f"{run.id}  {run.name}" if run.name and run.name not in run.id else run.id)


def render(report: Report, width: int = 100, color: bool = True) -> RenderableType:
    """Return the card as a rich renderable of that width; without colour the phase bar's parts differ in shape."""
    from gpuwatch.views.card_drawing import draw

    return draw(prepare(report), width, color)


def _tone(report: Report) -> Tone:
    if report.verdict.bound == "unknown" or report.verdict.confidence == "borderline":
        return "unsure"
    return "good" if report.verdict.bound == "compute" else "bad"


def _why(report: Report) -> list[Fact]:
    loader, share = report.primary_loader, report.verdict.input_wait_share
    facts = []
    if share is not None:
        facts.append(Fact("input wait", f"{text.share_range(share)} of the loop's time", _by(report, share.n)))
    if loader is not None and loader.step_ms and loader.wait_ms and loader.compute_ms:
        waiting = f"{text.milliseconds(loader.wait_ms.median)} waiting"
        if loader.has_an_iterator_for_each_step:
            start_ms = 1e3 * sum(loader.first_batch_s) / len(loader.first_batch_s)
            waiting = f"{text.milliseconds(start_ms)} for an iterator and its batch"
        split = f"{waiting} + {text.milliseconds(loader.compute_ms.median)} computing"
        facts.append(Fact("step", split, "on average"))
    if loader is not None:
        facts += _why_loader(loader)
    facts += _why_evaluation(report)
    best = report.verdict.speedup_if_input_free
    if best is not None and text.gain(best) and report.verdict.bound in ("input", "cpu"):
        facts.append(Fact("at best", f"{text.gain(best)} if the input cost nothing", clean(best.basis)))
    other = report.verdict.speedup_if_compute_free
    if other is not None and text.gain(other):
        facts.append(Fact("", f"{text.gain(other)} if the training used no core, as on a GPU", clean(other.basis)))
    return facts


def _by(report: Report, count: int) -> str:
    """Return by what a share of the loop is known."""
    loader = report.primary_loader
    if loader is not None and (loader.samples is not None or loader.own_loop):
        return f"by {text.count(count, 'stack sample')}"
    clock = {"cuda": "CUDA events", "device": "device events"}.get(report.verdict.clock, "host clock")
    return f"{clock}, {text.count(count, 'step')}"


def _why_evaluation(report: Report) -> list[Fact]:
    """Return what the evaluation waits, where that bounds the run."""
    reason = report.verdict.reason
    held = max((x for x in report.loaders if x.role == "evaluation"), key=lambda x: x.wait_seconds, default=None)
    if not isinstance(reason, LoaderSteps) or reason.evaluation_wait is None or held is None or not held.waited_share:
        return []
    waits = f"waits for data {text.percent(held.waited_share.median)} of its time"
    return [Fact("evaluation", f"{waits}, {cost_of_batch(held)}", f"{text.count(held.workers, 'worker')}")]


def _why_loader(loader: LoaderProfile) -> list[Fact]:
    facts, fetch, sampler = [], loader.fetch, loader.sampler
    if sampler is not None and sampler.share >= SAMPLER_SHARE and sampler.ms_per_batch:
        drawn = f"{text.milliseconds(sampler.ms_per_batch)} of each wait draw the indices"
        facts.append(Fact("sampler", drawn, f"{clean(sampler.name or 'the sampler')}, in the training process"))
    ready = loader.queue.ready_share if loader.queue is not None else None
    if ready is not None and not loader.has_an_iterator_for_each_step:
        facts.append(Fact("queue", f"next batch already queued for {text.percent(ready)} of requests"))
    receive_ms, step_ms = loader.queue.receive_ms if loader.queue else None, loader.step_ms
    if receive_ms and step_ms and receive_ms >= LEAST_RECEIVING * step_ms.median:
        share = text.percent(receive_ms / step_ms.median)
        facts.append(Fact("receiving", f"{text.milliseconds(receive_ms)} for each batch", f"{share} of the step"))
    wrapper = loader.wrapper
    if wrapper is not None and wrapper.share.median >= LEAST_ROUND:
        share = text.percent(wrapper.share.median)
        asked = f"{clean(wrapper.name)}, in the training process"
        facts.append(Fact("wrapper", f"{text.milliseconds(wrapper.ms)} on each batch, {share} of the step", asked))
    if fetch is not None and loader.workers and fetch.busy_share is not None:
        count = text.count(loader.workers, "worker")
        facts.append(
            Fact("workers", f"{count} busy {text.percent(fetch.busy_share)} of the time", cost_of_batch(loader))
        )
    elif fetch is not None and not loader.workers:
        facts.append(Fact("workers", "none: batches are made in the training process", cost_of_batch(loader)))
    return facts


def _action(finding: Finding, base: str) -> Action:
    return Action(
        id=finding.id,
        summary=sentence(clean(finding.summary)),
        advice=clean(finding.advice),
        edit=clean(finding.edit or ""),
        where=text.place(finding.where, base),
        path=text.link(finding.where),
        gain=text.gain(finding.speedup),
        verify=clean(finding.verify or ""),
        confidence=""
        if finding.confidence == "high"
        else f"{finding.confidence} confidence".replace("borderline confidence", "borderline"),
        severity=finding.severity,
    )


def _more(report: Report) -> str:
    rest = report.findings[SHOWN_ACTIONS:]
    if not rest:
        return ""
    return f"{len(rest)} more: " + ", ".join(finding.id for finding in rest)


def _nothing(report: Report) -> str:
    verdict, traced = report.verdict, gpu_time.shown(report)
    said = gpu_time.nothing(report, traced) if traced else ""
    if said:
        return said
    if verdict.leave_input_alone:
        most = f": even one that cost nothing would make the run {verdict_text.won(verdict)} faster"
        alone = f"Leave the input pipeline alone{most if verdict.speedup_if_input_free else ''}."
        return f"{alone} {most_of_step(report)}".rstrip()
    if verdict.bound == "cpu":
        return verdict_text.SHARED_CORES
    if report.findings:
        return ""
    if not report.loaders and hottest(report):
        return "No training loop was found; the hot lines below show where the time went."
    if said := most_of_step(report):
        return said
    asked, blind = len(report.clear), len(report.not_evaluated)
    if not asked:
        return "No rule could look at this run; `gpuwatch doctor` says what can be measured here."
    return f"No rule matched: {asked} passed, {blind} skipped for missing data (reasons: `gpuwatch report --json`)."


def _slice(phase: Phase) -> Slice:
    return Slice(clean(phase.name), phase.share, text.duration(phase.seconds), text.percent(phase.share))


def _phases_of(report: Report) -> str:
    seconds = sum(phase.seconds for phase in of_run(report))
    over = f", mean of {len(report.ranks)} ranks" if len(report.ranks) > 1 else ""
    which = next((f" of training {each.number}" for each in report.trainings if each.shown), "")
    return f"{text.duration(seconds)}{which}{over}" if report.phases else ""


def _notes(report: Report) -> list[str]:
    named = any("not instrumented" in finding.traits.replaces for finding in report.findings)
    notes = [*job_text.notes(report.job), *(clean(problem) for problem in report.problems)]
    notes += [
        f"not measured: {clean(lost.command)} ({clean(lost.reason)}). {clean(lost.remedy)}"
        for lost in report.unentered
        if not named
    ]
    traced = gpu_time.shown(report)
    notes += gpu_time.notes(traced) if traced else []
    notes += traced_windows.notes(report)
    notes += [_gap(gap, report.seconds) for gap in report.gaps if gap.source != "nvml" or report.devices]
    if report.overhead.dropped_events:
        notes.append(f"{text.count(report.overhead.dropped_events, 'event was', 'events were')} lost (disk full?)")
    notes += _restart(report)
    hidden = len(notes) - SHOWN_NOTES
    return notes[:SHOWN_NOTES] + ([f"and {hidden} more (gpuwatch report --json)"] if hidden > 0 else [])


def _restart(report: Report) -> list[str]:
    """Return what a look at a running training cannot tell."""
    if report.run.attached is None:
        return []
    ids = [each.id for each in report.not_evaluated if "gpuwatch run" in each.missing]
    listed = ", ".join(ids)
    return [f"not looked for: {listed}; they need events that `gpuwatch run -- COMMAND` records"] if ids else []


def _gap(gap: Gap, whole: float) -> str:
    seconds = (gap.end_ns - gap.start_ns) / 1e9
    how_long = f" for {text.duration(seconds)}" if seconds < 0.99 * whole else ""
    return f"no {clean(gap.source)} data{how_long}: {clean(gap.reason)}"


def _cost(report: Report) -> str:
    cost, parts = report.overhead, []
    if cost.hook_us_per_step is not None:
        steps = [rank.step_ms.median for rank in report.ranks if rank.step_ms]
        part = f" ({text.figures(cost.hook_us_per_step / 10 / max(steps), 2)}%)" if steps and max(steps) > 0 else ""
        parts.append(f"{text.figures(cost.hook_us_per_step, 2)} µs a step{part}")
    if cost.sampler_cpu_share is not None:
        parts.append(f"sampler {text.figures(cost.sampler_cpu_share * 100, 2)}% of a core")
    parts.append(f"{text.size(cost.spool_bytes)} {'of traces' if report.gpu_time and not report.ranks else 'recorded'}")
    parts += [took] if (took := traced_windows.cost(report)) else []
    return " · ".join(parts)


def _next(report: Report) -> str:
    if gpu_time.shown(report):
        own = [f"gpuwatch explain {report.findings[0].id}"] if report.findings else []
        return " · ".join([*own, "gpuwatch run -- COMMAND names the worker and the line that are late"])
    verbs = ["gpuwatch report --html FILE"]
    verbs += ["gpuwatch lines"] if report.hot_lines else []
    verbs += [f"gpuwatch explain {report.findings[0].id}"] if report.findings else ["gpuwatch doctor"]
    return " · ".join(verbs)
