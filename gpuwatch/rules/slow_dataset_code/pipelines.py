"""The rule's findings where the loop is not over a DataLoader of torch's alone: another pipeline, or a wrapper round one."""

from __future__ import annotations

import math

from gpuwatch.analyze import throughput
from gpuwatch.analyze.lines.waiting import waits_for_others
from gpuwatch.diagnosis.evidence import certainty, hot_line, place, starved, wait_evidence
from gpuwatch.diagnosis.pipelines import Language, language_of, making_line
from gpuwatch.diagnosis.rule import Found, Missing
from gpuwatch.diagnosis.thresholds import State, Threshold
from gpuwatch.model.findings import Evidence, Speedup
from gpuwatch.model.hot_lines import HotLine
from gpuwatch.model.loader_profile import LoaderProfile, WrapperProfile
from gpuwatch.model.profile import Costs, Profile
from gpuwatch.words.source_code import excerpt

# A line that is hit less is one of many.
_LEAST_LINE = 0.15
_MOST_LINE = 0.98


def in_pipeline(profile: Profile, loader: LoaderProfile, critical: Threshold) -> Found | Missing | None:
    """Report a pipeline that the loop waits for, with the user's line that makes its batches, where one does."""
    state, costs, share = starved(profile), profile.costs, loader.wait_share
    if state is None or costs is None or share is None:
        return Missing("enough steps of a loop that asks for its batches")
    if state == "no":
        return None
    line, language = making_line(profile), language_of(loader)
    known = line is not None and line.share >= _LEAST_LINE and not waits_for_others(line.stack)
    at = f", most of it at {line_text(line)}" if line and known else ""
    return Found(
        severity="critical" if share.median >= critical else "warning",
        confidence=certainty(state),
        summary=f"{share.median:.0%} of each step waits for {language.name}{at}",
        evidence=(
            wait_evidence(loader),
            Evidence(
                "input wait, per batch",
                _rounded(loader.wait_ms.median if loader.wait_ms else None),
                "ms",
                n=loader.steps,
            ),
            *((_hottest(line),) if line and known else ()),
            *(Evidence(name, value, "") for name, value in _settings(loader)),
        ),
        advice=_advice(language, known),
        where=place(line if known else None, loader.iterated_where),
        speedup=throughput.made_free(
            costs,
            min(line.share, _MOST_LINE),
            min(line.share, _MOST_LINE),
            "the line made free; the low end is half as expensive",
        )
        if line and known
        else None,
        hides=("slow-step-code", "periodic-pause"),
    )


def round_loader(
    profile: Profile, loader: LoaderProfile, wrapper: WrapperProfile, least: Threshold, critical: Threshold
) -> Found | None:
    """Report work on batches between the loader and the loop, which no worker takes over."""
    costs, share = profile.costs, wrapper.share
    if costs is None or share.median < least:
        return None
    line = hot_line(profile, "trainer", "fetch")
    at = f", most of it at {line_text(line)}" if line else ""
    workers, gain = _moved(costs, wrapper)
    more = f", of which it then needs {workers}" if workers > loader.workers else ""
    state: State = "borderline" if share.low < least else "yes"
    return Found(
        severity="critical" if share.median >= critical else "warning",
        confidence=certainty(state),
        summary=f"{share.median:.0%} of each step is work on the batch in the training process, after the loader handed it to {wrapper.name}{at}",
        evidence=(
            Evidence("work round the loader", round(share.median, 4), "share of the step", least, share.n),
            Evidence("of each step", round(wrapper.ms, 3), "ms", n=share.n),
            *((_hottest(line),) if line else ()),
        ),
        advice="Do it where batches are made, in the dataset or collate_fn: there the loader's workers do it beside the training"
        f"{more}. More workers alone do not help.",
        where=place(line, wrapper.where),
        speedup=gain,
        hides=(),
    )


def _moved(costs: Costs, wrapper: WrapperProfile) -> tuple[int, Speedup]:
    """Return how many workers keep up with the work round the loader as well, and what that wins; the low end is half of it
    moved, the high end what is left without any."""
    free_ms = max(costs.step_ms - wrapper.ms, 1e-3)
    work_ms = costs.work_ms + wrapper.ms
    workers = max(min(math.ceil(work_ms / free_ms), math.floor(costs.cores)), costs.workers, 1)
    after_ms = max(free_ms, work_ms / min(workers, max(costs.cores, 1.0)))
    half_ms = max(costs.step_ms - 0.5 * wrapper.ms, after_ms)
    gains = (costs.step_ms / ms for ms in (after_ms, half_ms, free_ms))
    predicted, low, high = (round(gain, 3) for gain in gains)
    return workers, Speedup(predicted, low, high, "the work round the loader done by its workers")


def _advice(language: Language, known: bool) -> str:
    cheaper = (
        "Make this line cheaper: prepare once what is the same every time, use whole arrays instead of loops. Or "
        if known
        else ""
    )
    more = f"{language.more}."
    return f"{cheaper}{more}" if cheaper else f"{more[0].upper()}{more[1:]}"


def line_text(line: HotLine) -> str:
    """Return a line's number with its source, for a summary."""
    return f"line {line.line}" + (f": {excerpt(line.source)}" if line.source else "")


def _hottest(line: HotLine) -> Evidence:
    return Evidence("hottest line", round(line.share, 4), "share of making batches", n=line.samples)


def _settings(loader: LoaderProfile) -> list[tuple[str, float]]:
    told = loader.attributes.get("settings")
    return (
        [(str(name), value) for name, value in told.items() if isinstance(value, int)] if isinstance(told, dict) else []
    )


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)
