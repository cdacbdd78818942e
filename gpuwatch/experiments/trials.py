"""Trying remedies: the windows of a round, and from their results the trials with their verdicts."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from gpuwatch.experiments.pairing import by_arm, is_settled, outcome, ratio, rounds_to_settle, step_interval
from gpuwatch.experiments.remedy import Remedy
from gpuwatch.experiments.sequential import LEAST_ROUNDS
from gpuwatch.experiments.session import Result, Window
from gpuwatch.model.experiment import Trial
from gpuwatch.model.measures import Interval
from gpuwatch.words.units import count, figures

BASELINE = "unchanged"
WITH_EPOCHS = "unchanged, epochs"
FREEZES_DRAWS = "random: keeping items would freeze the draws"


def round_of(remedies: Sequence[Remedy], number: int, seconds: float) -> list[Window]:
    """Return one round: the unchanged loader and each remedy once, in an order that changes with the round.

    Remedies whose gain lies in the start of epochs are held against an unchanged loader that starts them too."""
    changed = [each for remedy in remedies for each in (remedy, remedy.steady) if each]
    windows = [each.window("real", number, seconds) for each in changed]
    windows.append(Window(BASELINE, "real", number, seconds))
    if any(remedy.epochs for remedy in remedies):
        windows.append(Window(WITH_EPOCHS, "real", number, seconds, epochs=True))
    shift = number % len(windows)
    return [*windows[shift:], *windows[:shift]]


def closing(remedies: Sequence[Remedy]) -> list[Window]:
    """Return the windows that end the workers of a round's arms."""
    return [Window(window.arm, "close") for window in round_of(remedies, 0, 0.0)]


def conclude(
    results: Sequence[Result],
    remedies: Sequence[Remedy],
    outputs: dict[str, dict[str, Any]],
    loop: dict[str, Any],
) -> tuple[Trial, ...]:
    """Return a trial per remedy of which something is known: paired by round, with its verdict."""
    groups = by_arm(results)
    notes = {r.arm: r.note for r in results if r.note and r.kind == "real"}
    tried = [remedy for remedy in remedies if remedy.name in groups or remedy.name in notes]
    return tuple(_trial(remedy, groups, notes, outputs.get(remedy.name), loop) for remedy in tried)


def unmeasured(remedy: Remedy, reason: str) -> Trial:
    """Return the trial of a remedy for which there was no window, with the reason."""
    return Trial(
        remedy.name, remedy.name, remedy.finding, None, None, "ms a step", None, "inconclusive", "not compared",
        remedy.edit, remedy.predicted, reason,
    )  # fmt: skip


def is_settled_trial(trial: Trial) -> bool:
    """Say whether more rounds would not change a trial's verdict."""
    return trial.verdict == "failed" or is_settled(trial.ratio)


def rounds_left(trial: Trial) -> int | None:
    """Return how many more rounds would settle a trial; None when no number within reach would."""
    needed = rounds_to_settle(trial.ratio)
    return None if needed is None else max(needed - (trial.ratio.n if trial.ratio else 0), 1)


def _trial(
    remedy: Remedy,
    groups: dict[str, list[Result]],
    notes: dict[str, str],
    compared: dict[str, Any] | None,
    loop: dict[str, Any],
) -> Trial:
    unchanged, changed = arms(remedy, groups, loop)
    value = ratio(unchanged, changed)
    found = "failed" if remedy.name in notes else outcome(value) if value else "inconclusive"
    return Trial(
        id=remedy.name,
        remedy=remedy.name,
        finding=remedy.finding,
        before=step_interval(unchanged),
        after=step_interval(changed),
        unit="ms a step",
        ratio=value,
        verdict=found,
        outputs=outputs_text(remedy, compared),
        edit=remedy.edit,
        predicted=remedy.predicted,
        note=notes.get(remedy.name) or _note(remedy, value, compared, loop),
    )


def arms(remedy: Remedy, groups: dict[str, list[Result]], loop: dict[str, Any]) -> tuple[list[Result], list[Result]]:
    """Return the windows before and after of the same rounds, those of epochs as if they had lasted a whole one."""
    changed = groups.get(remedy.name, [])
    rounds = {result.round for result in changed}
    beside = {arm: [r for r in results if r.round in rounds] for arm, results in groups.items()}
    steady = beside.get(BASELINE, [])
    if not remedy.epochs:
        return steady, changed
    unchanged, length, step_ms = beside.get(WITH_EPOCHS, []), loop.get("length"), _usual_ms(steady)
    if not length or step_ms is None:
        return unchanged, changed
    own_ms = _usual_ms(beside.get(remedy.steady.name, [])) if remedy.steady else None
    return (
        [whole_epoch(r, length, step_ms) for r in unchanged],
        [whole_epoch(r, length, own_ms or step_ms) for r in changed],
    )


def _usual_ms(results: Sequence[Result]) -> float | None:
    return statistics.median(r.step_ms or 0.0 for r in results) if results else None


def whole_epoch(result: Result, length: int, step_ms: float) -> Result:
    """Return a window that began with an epoch as if it had gone on to the epoch's end at `step_ms`."""
    missing = max(length - result.steps, 0)
    return replace(result, steps=result.steps + missing, seconds=(result.seconds or 0.0) + missing * step_ms / 1e3)


def _note(remedy: Remedy, value: Interval | None, compared: dict[str, Any] | None, loop: dict[str, Any]) -> str:
    parts = [_reason(value)]
    if remedy.epochs:
        parts.append(
            f"over epochs of {loop['length']} batches" if loop.get("length") else "the length of an epoch is unknown"
        )
    if compared and compared.get("about"):
        parts.append(str(compared["about"]))
    return "; ".join(filter(None, parts))


def _reason(value: Interval | None) -> str:
    """Return why nothing is concluded, or what "no difference" excludes; empty for a change that is clear."""
    if value is None:
        return "the budget ended before both it and the unchanged loader had a window of one round"
    if value.n < LEAST_ROUNDS:
        return "one round has no interval"
    found, between = outcome(value), f"{value.low:.2f}× to {value.high:.2f}×"
    if found == "inconclusive":
        return f"{value.n} rounds leave {between} open"
    return f"it lies within {between}" if found == "no difference" else ""


def outputs_text(remedy: Remedy, found: dict[str, Any] | None) -> str:
    """Return whether the samples change, or the losses of the same samples, in words."""
    parts = [_samples_text(remedy, found)] if remedy.changes_samples else []
    parts += ["another order"] if remedy.loader.get("in_order") is False else []
    parts += [_losses_text((found or {}).get("losses"))] if remedy.changes_step else []
    return "; ".join(parts) or "unchanged"


def _losses_text(found: dict[str, Any] | None) -> str:
    if found is None:
        return "losses not compared"
    if found.get("note"):
        return str(found["note"])
    if found["max"] == 0.0:
        return f"losses identical ({count(found['losses'], 'batch', 'batches')})"
    return (
        f"losses of the same {count(found['losses'], 'batch', 'batches')} differ by {found['max']:.2g} at most,"
        f" {found['mean']:.2g} on average (losses up to {found['scale']:.3g}{_draws(found.get('draws'))})"
    )


def _draws(largest: float | None) -> str:
    return f"; by {largest:.2g} under other random draws" if largest else ""


def _samples_text(remedy: Remedy, found: dict[str, Any] | None) -> str:
    if found is None or not ({"max", "note"} & found.keys()):
        return "not compared"
    if found.get("max") == 0.0 and remedy.name == "cache-items" and found.get("random"):
        return FREEZES_DRAWS
    if found.get("max") == 0.0:
        return f"identical ({found['samples']} samples)"
    if found.get("note"):
        return str(found["note"])
    if found.get("random"):
        before, after = found.get("means") or (None, None)
        means = (
            f" (mean {figures(before, 4)}, then {figures(after, 4)})"
            if before is not None and after is not None
            else ""
        )
        return f"random: distribution only{means}"
    return f"differ by {found['max']:.3g} at most, {found['mean']:.2g} on average (values up to {found['scale']:.3g})"
