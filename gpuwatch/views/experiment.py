"""The result of `gpuwatch try`: ceilings, loader sweep and remedies as tables, each with the sentence it proves."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from gpuwatch.model.experiment import PATCH, Answer, Ceiling, Experiment, LoaderTrial, PatchFile, Trial
from gpuwatch.model.measures import Interval
from gpuwatch.views import text
from gpuwatch.views.answer_text import answer, left_out, speedup, spread
from gpuwatch.views.text import clean

_STYLES = {"helps": "green", "hurts": "red", "no difference": "dim", "inconclusive": "yellow", "failed": "yellow"}
_OF_REMEDIES = "Remedies, tried in turns with the unchanged loader, ms a step"
_OF_A_PATCH = "The patch, in whole runs in turns with the command as it is, ms a step"
# A single round shows that the two halves compete when the loop is slower than this part of either.
FAR = 0.7
# Windows from which on that is shown whatever a single one of the other half took.
MANY = 2
# A loop that is slower than this part of the device alone is not held up by the device.
NEAR = 0.9


def render(experiment: Experiment) -> RenderableType:
    """Return everything that an experiment found, in the order of a person's questions."""
    parts: list[RenderableType] = [_answer(experiment.answer)] if experiment.answer else []
    if experiment.ceilings:
        parts += [ceilings_table(experiment.ceilings), _line(balance(experiment))]
    if experiment.sweep:
        parts += [sweep_table(experiment.sweep), _line(knee(experiment))]
    if experiment.trials:
        chosen = experiment.answer.remedies if experiment.answer else ()
        parts += [trials_table(experiment.trials), *_edits(experiment.trials, chosen)]
    parts += [_line("\n".join(patch(experiment.patch)))] if experiment.patch else []
    parts += [_line(clean(note)) for note in experiment.notes]
    return Padding(Group(*parts), (1, 2)) if parts else _line("Nothing was measured.")


def tables(experiment: Experiment) -> list[Table]:
    """Return only the tables: what is shown while the experiment goes on."""
    parts = []
    if experiment.ceilings:
        parts.append(ceilings_table(experiment.ceilings))
    if experiment.sweep:
        parts.append(sweep_table(experiment.sweep))
    if experiment.trials:
        parts.append(trials_table(experiment.trials))
    return parts


def _answer(found: Answer) -> Text:
    drawn = Text(f"{answer(found)}\n", style="bold")
    for line in map(left_out, found.left_out):
        drawn.append(f"{line}\n", style="not bold")
    return drawn


def patch(written: PatchFile) -> list[str]:
    """Return where the patch is and what it makes, and of each remedy that it does not make why."""
    file = clean(written.file or "")
    made = f"{' + '.join(written.remedies)} as a patch of the files in {clean(written.root)}: {file}"
    check = f"Confirm it from end to end: gpuwatch try --check {file} -- COMMAND"
    lines = [made, check] if written.file else []
    return lines + [f"No patch for {row.remedy}: {clean(row.why)}." for row in written.missing]


def _line(sentence: str) -> Text:
    return Text(f"{sentence}\n")


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", box=None, padding=(0, 2, 0, 0))
    for index, column in enumerate(columns):
        table.add_column(column, justify="left" if index == 0 else "right", style=None, header_style="dim")
    return table


def ceilings_table(ceilings: Iterable[Ceiling]) -> Table:
    """Return the three throughputs per number of cores."""
    table = _table("Ceilings, batches per second", "cores", "end to end", "device alone", "loader alone", "limit")
    for row in ceilings:
        table.add_row(str(row.cores), rate(row.end_to_end), rate(row.device), rate(row.loader), row.limit)
    return table


def balance(experiment: Experiment) -> str:
    """Return what the ceilings say, as a sentence."""
    most = max(experiment.ceilings, key=lambda c: c.cores)
    cores = experiment.balance_cores
    on = f"With {text.count(most.cores, 'core')} "
    if most.limit != "loader" and _compete(most):
        part = text.percent(most.end_to_end.median / most.device.median)
        return on + (
            f"the two hold each other up: together they reach {part} of the device alone. Without workers they take turns,"
            " with workers they most likely compete for the cores."
        )
    if most.limit == "device" and most.end_to_end.median < NEAR * most.device.median:
        return on + "the loop is slower than the device alone, but its windows differ too much to say by how much."
    if most.limit == "device":
        return on + "the device is the limit: a faster input pipeline would win nothing."
    if most.limit == "balanced":
        return on + "the two halves are even, or too close to tell apart: neither alone is worth making faster."
    lost = 1.0 - most.end_to_end.median / most.device.median
    sentence = on + f"the input pipeline costs the device {text.percent(max(lost, 0.0))} of its throughput."
    return sentence + (f" About {text.count(cores, 'core', digits=2)} would balance the two." if cores else "")


def _compete(row: Ceiling) -> bool:
    """Say whether the loop is clearly slower than both halves alone; of one round only when by far."""
    whole, slower = row.end_to_end, min((row.device, row.loader), key=lambda rate: rate.median)
    if whole.n > MANY and whole.high < FAR * slower.median:  # one slow window of the other half hides nothing
        return True
    return whole.high < slower.low if whole.n > 1 else whole.median < FAR * slower.median


def sweep_table(rows: Iterable[LoaderTrial]) -> Table:
    """Return the settings that were tried, the knee marked."""
    table = _table(
        "Loader settings, batches per second", "", "workers", "prefetch", "threads", "loader alone", "end to end", "start-up", "memory each", ""
    )  # fmt: skip
    for column in table.columns[:-1]:
        column.no_wrap = True
    table.columns[-1].justify = "left"
    for row in rows:
        table.add_row(
            "→" if row.knee else "",
            str(row.workers),
            str(row.prefetch or text.DASH),
            str(row.threads or text.DASH),
            text.figures(row.loader_rate or None, 4),
            rate(row.loop_rate),
            f"{text.figures(row.startup_s, 2)} s" if row.startup_s is not None else text.DASH,
            text.size(row.memory_per_worker_bytes or None),
            escape(row.note),
            style="bold" if row.knee else None,
        )
    return table


def knee(experiment: Experiment) -> str:
    """Return what to set, as a sentence."""
    if experiment.edit is None:
        if not any(row.knee for row in experiment.sweep):
            return "No setting could be measured in the loop."
        return "The loader's settings are within 3 % of the best that was found: leave them."
    return "\n".join(["Smallest setting within 3 % of the best:", *map(clean, experiment.edit.splitlines())])


def trials_table(trials: Iterable[Trial]) -> Table:
    """Return the remedies: before, after, ratio, verdict, outputs."""
    trials = list(trials)
    table = _table(
        _OF_A_PATCH if [trial.id for trial in trials] == [PATCH] else _OF_REMEDIES,
        "remedy", "before", "after", "speed-up", "predicted", "verdict", "samples",
    )  # fmt: skip
    for column in table.columns[:-1]:
        column.no_wrap = True
    for column in table.columns[-2:]:
        column.justify = "left"
    for row in trials:
        table.add_row(*_trial(row))
    return table


def _trial(row: Trial) -> list[str | Text]:
    failed = row.verdict == "failed"
    return [
        escape(row.remedy),
        text.figures(row.before.median if row.before else None, 4),
        text.figures(row.after.median if row.after and not failed else None, 4),
        speedup(None if failed else row.ratio),
        text.factor(row.predicted or None, 2),
        Text(row.verdict, style=_STYLES[row.verdict]),
        Text("see below" if failed else clean(row.outputs)),
    ]


def estimate(row: Trial) -> str:
    """Return what is known of a remedy so far, in a few words."""
    if row.ratio is None:
        return f"{row.remedy}: {clean(row.note)}"
    rounds = f" after {text.count(row.ratio.n, 'round')}" if row.ratio.n > 1 else ""
    known = f", {row.verdict}" if row.verdict != "inconclusive" else ""
    return f"{row.remedy}: {speedup(row.ratio)}{rounds}{known}"


def _edits(trials: Iterable[Trial], chosen: Sequence[str] = ()) -> list[RenderableType]:
    """Return what follows the table: a remark per remedy that has one, the edits of those that help or, with an answer, of its."""
    rows = list(trials)
    remarks = [f"{t.remedy}: {clean(t.note)}" for t in rows if t.note]
    parts: list[RenderableType] = [_line("\n".join(remarks))] if remarks else [Text()]
    wanted = [t for t in rows if t.verdict == "helps" and (not chosen or t.id in chosen)]
    return parts + [_edit(t) for t in wanted if t.edit]


def _edit(trial: Trial) -> Text:
    styles = {"-": "red", "+": "green"}
    drawn = Text(f"{trial.remedy}:\n", style="bold")
    for line in map(clean, (trial.edit or "").splitlines()):
        drawn.append(f"  {line}\n", style=styles.get(line[:1], "dim"))
    return drawn


def rate(value: Interval | None) -> str:
    """Return a rate with its interval; that of one round has none."""
    if value is None:
        return text.DASH
    low, high = text.figures(value.low, 4), text.figures(value.high, 4)
    return f"{text.figures(value.median, 4)} {spread(value, low, high)}"
