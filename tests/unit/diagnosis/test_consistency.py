"""No report contradicts itself: each kind of contradiction is resolved or named, and none is left in any report."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import gpuwatch
from gpuwatch.diagnosis.consistency import agree, contradictions, lifted, settle
from gpuwatch.diagnosis.engine import judge
from gpuwatch.diagnosis.evidence import BETWEEN_RUNS, STARVED_SHARE, UNEXPLAINED_SHARE
from gpuwatch.diagnosis.examples.parts import (
    make_device,
    make_machine,
    make_operation,
    make_rank,
    make_sampler,
    make_stops,
)
from gpuwatch.diagnosis.examples.runs import BOTH, HIDDEN, STARVED, contended, epochs, long_steps, run_of
from gpuwatch.diagnosis.shared_cores import WORTH
from gpuwatch.judged_report import report_of
from gpuwatch.model.findings import Evidence, Finding, Speedup, Verdict
from gpuwatch.model.loader_profile import QueueProfile, SkippedBatches
from gpuwatch.model.measures import Interval
from gpuwatch.model.profile import Profile
from gpuwatch.model.report import Report
from gpuwatch.rules import RULES
from gpuwatch.views import card, html, markdown, verdict_text
from gpuwatch.words.units import percent
from tests.builders import make_finding
from tests.rules.test_rules import CASES

ALONE = "leave the input pipeline alone"
# What a text must not hold: one of several, an exponent, a number without end, "-0", two units.
UGLY = re.compile(
    r"(?<![\d.,])1 (times|workers|steps|epochs|cores|batches|ranks)\b|\d[eE][+-]\d\d|\d\.\d{5,}|\bnan\b|\binf\b|\(s\)"
)


def gain(predicted: float, spread: float = 0.1) -> Speedup:
    return Speedup(predicted, predicted - spread, predicted + spread, "")


def verdict_on(profile: Profile) -> Verdict:
    return judge(profile, RULES).verdict


def texts_of(report: Report) -> Iterator[str]:
    """Yield what people read of a report: the sentences of the card, and all of the page for a pull request."""
    drawn = card.prepare(report)
    yield from (drawn.headline, drawn.reason, drawn.nothing, drawn.more, *drawn.notes, *drawn.also)
    yield from (part for action in drawn.actions for part in (action.summary, action.advice, action.gain))
    yield from (part for fact in drawn.why for part in (fact.text, fact.note))


def assert_consistent(report: Report) -> None:
    """Assert that a report has no contradiction in its numbers, nor in what its views say."""
    assert not contradictions(report.verdict, report.findings, report.ranks)
    assert not [problem for problem in report.problems if "contradicts itself" in problem]
    said = "\n".join(texts_of(report))
    free, shown = report.verdict.speedup_if_input_free, html.render(report) + markdown.render(report)
    assert_follows_the_wait(report)
    assert_sets_nothing_that_is_set(report)
    assert (ALONE in said.lower()) == report.verdict.leave_input_alone
    if ALONE in (said + shown).lower():
        assert free is None or free.predicted < WORTH
        assert not any(f.traits.about_input and f.severity != "info" for f in report.findings)
    assert not UGLY.search(said), UGLY.search(said)


def assert_follows_the_wait(report: Report) -> None:
    """Assert that a loop that waits for long is bound by its input, and that the headline says how long."""
    verdict, line = report.verdict, verdict_text.headline(report.verdict)
    share = verdict.input_wait_share
    if share is None or verdict.confidence == "borderline":
        return
    for_core = any(words in line for words in ("waits for a core", "with its batches ready"))
    late = verdict.trend is not None and verdict.trend.wait_after > STARVED_SHARE > share.high
    if verdict.bound == "input" and late:
        assert verdict.trend is not None and percent(verdict.trend.wait_after) in line
    elif verdict.bound == "input":
        assert share.high >= STARVED_SHARE and percent(share.median) in line and not for_core
    elif share.low > STARVED_SHARE * (1 + BETWEEN_RUNS):
        delays = [rank.run_queue_delay_share or 0.0 for rank in report.ranks]
        assert share.median - max(delays) < UNEXPLAINED_SHARE
        assert for_core or verdict.bound in ("cpu", "transfer", "startup")


def assert_sets_nothing_that_is_set(report: Report) -> None:
    """Assert that nobody is told to let workers persist that were to persist."""
    primary = next((loader for loader in report.loaders if loader.id == report.primary), None)
    if primary is not None and primary.persistent:
        for finding in report.findings:
            told = f"{finding.advice} {finding.edit or ''}".replace("persistent_workers=True is set", "")
            assert "persistent_workers=True" not in told, finding.id


PROFILES = [(rule_id, at, case.profile) for rule_id, cases in sorted(CASES.items()) for at, case in enumerate(cases)]


@pytest.mark.parametrize("profile", [pytest.param(p, id=f"{name}-{at}") for name, at, p in PROFILES])
def test_no_case_of_a_rule_makes_a_contradictory_report(profile: Profile) -> None:
    assert_consistent(report_of(whole(profile)))


def whole(profile: Profile) -> Profile:
    """Return a profile whose ranks' phases sum to their wall time; cases of rules leave that out."""
    ranks = tuple(replace(rank, seconds=sum(phase.seconds for phase in rank.phases)) for rank in profile.ranks)
    return replace(profile, ranks=ranks)


@st.composite
def profiles(draw: st.DrawFn) -> Profile:
    """Draw runs of all kinds: how long input and step take, on which cores, who else uses them, with or without a GPU."""
    cores = draw(st.sampled_from((1.0, 2.0, 4.0, 16.0)))
    other = draw(st.floats(0.0, cores / 2))
    spare = draw(st.floats(0.0, 1.0)) * (cores - other)
    run = cores - other - spare
    machine = make_machine(
        usable_cores=cores,
        cores=int(cores),
        spare_cores=spare,
        other_cores=other,
        run_cores=run,
        busy_cores=run + other,
    )
    loader: dict[str, Any] = {"compute_cpu_share": draw(st.floats(0.0, 1.0)), "steps": draw(st.integers(1, 400))}
    if draw(st.booleans()):
        queue = QueueProfile(ready_share=1.0, mean_ready=2.0, late_share=0.0, unmade_share=draw(st.floats(0.0, 1.0)))
        loader["queue"] = queue
    fetch = {"busy_share": draw(st.floats(0.0, 1.0)), "bytes_per_batch": draw(st.sampled_from((1e3, 1e8)))}
    delay = draw(st.one_of(st.none(), st.floats(0.0, 0.9)))
    device = draw(st.booleans())
    passes = draw(st.integers(1, 5))
    first = draw(st.floats(0.01, 5.0))
    loader |= {"first_batch_s": (first,) * passes, "iterators": passes, "epoch_batches": 1000.0 / passes}
    workers = draw(st.integers(0, 8))
    loader |= draw(ends_and_starts(passes, workers))
    return run_of(
        work_ms=draw(st.floats(0.01, 500.0)),
        device_ms=draw(st.floats(0.1, 500.0)),
        workers=workers,
        cores=cores,
        machine=machine,
        fetch=fetch,
        loader=loader,
        ranks=(make_rank(run_queue_delay_share=delay, device="NVIDIA H100" if device else "cpu"),),
        devices=(make_device(busy=draw(st.floats(0.0, 1.0))),) if device else (),
    )


@st.composite
def ends_and_starts(draw: st.DrawFn, passes: int, workers: int) -> dict[str, Any]:
    """Draw what happens beside a loader's steps: its sampler, its workers' comings and goings, batches thrown away."""
    fields: dict[str, Any] = {"persistent": False, "worker_starts": 0}
    if workers:
        fields = {"persistent": draw(st.booleans()), "worker_starts": draw(st.integers(1, passes))}
    if draw(st.booleans()):
        fields["attributes"] = {"remade": True}
    if draw(st.booleans()):
        each = draw(st.floats(0.0, 100.0))
        starts = (draw(st.floats(0.0, 3.0)),) * passes
        fields["sampler"] = make_sampler(
            seconds=each, ms_per_batch=each, start_seconds=starts, share=draw(st.floats(0.0, 1.0))
        )
    if draw(st.booleans()):
        seconds = draw(st.floats(0.0, 5.0))
        fields["stop_s"] = (seconds,) * passes
        fields["worker_stops"] = make_stops(
            count=passes, seconds=seconds * passes, left_behind=draw(st.sampled_from((None, "Thread-1")))
        )
    if draw(st.booleans()):
        fields["skipped"] = SkippedBatches(draw(st.integers(1, 500)), draw(st.floats(0.0, 20.0)), None)
    return fields


@settings(max_examples=200, deadline=None)
@given(profiles())
def test_no_run_makes_a_contradictory_report(profile: Profile) -> None:
    assert_consistent(report_of(profile))


# RECORDINGS=FOLDER pytest tests/unit/diagnosis/test_consistency.py: all runs below a folder.
RECORDED = sorted(Path(os.environ.get("RECORDINGS", "/nonexistent")).glob("**/run.json"))


@pytest.mark.parametrize("run", RECORDED, ids=lambda run: run.parent.parent.name)
def test_no_recorded_run_makes_a_contradictory_report(run: Path) -> None:
    assert_consistent(gpuwatch.load(str(run.parent)))


# Each kind, one by one.


def test_of_opposite_advice_the_later_one_is_unknown_and_says_why() -> None:
    more, fewer = make_finding("too-few-workers"), make_finding("too-many-workers")
    settled = settle([more, fewer])
    assert settled.findings == (more,)
    assert [(d.id, d.why) for d in settled.dropped] == [
        ("too-many-workers", "unknown, because too-few-workers, which is surer or larger, advises the opposite")
    ]


def test_an_interval_holds_its_value() -> None:
    torn = make_finding(speedup=Speedup(1.5, 1.6, 1.8, ""))
    assert contradictions(verdict_on(STARVED), (torn,), ())
    assert settle([torn]).findings[0].speedup == Speedup(1.5, 1.5, 1.8, "")


def test_no_finding_wins_more_than_a_free_input_would() -> None:
    verdict = verdict_on(STARVED)
    free = verdict.speedup_if_input_free
    assert free is not None and verdict.bound == "input"
    (kept,) = agree(verdict, [make_finding(speedup=Speedup(9.0, 1.2, 12.0, ""))])
    assert kept.speedup is not None and kept.speedup.predicted == free.predicted and kept.speedup.high == free.high
    assert "wins more than there is to win" in contradictions(verdict, (make_finding(speedup=gain(9.0)),), ())[0]


def test_a_free_input_wins_at_least_what_a_finding_beside_the_waits_does() -> None:
    verdict = verdict_on(STARVED)
    fewer = make_finding("too-many-workers", evidence=(), speedup=gain(3.0))
    raised = lifted(verdict, [fewer]).speedup_if_input_free
    assert raised is not None and (raised.predicted, raised.high) == (3.0, 3.1) and raised.low == pytest.approx(2.9)
    assert contradictions(verdict, (fewer,), ()) == ("too-many-workers wins more than a free input would",)
    assert lifted(verdict, [replace(fewer, severity="info")]) is verdict
    assert lifted(verdict, [make_finding("periodic-pause", evidence=(), speedup=gain(3.0))]) is verdict


def test_gains_that_overlap_are_said_not_to_multiply() -> None:
    starved = report_of(STARVED)
    one, other = make_finding(speedup=gain(1.4)), make_finding("expensive-decode", speedup=gain(1.3))
    both = card.prepare(replace(starved, findings=(one, other)))
    assert both.together == "The gains overlap: changes to the input win 1.50× at most, all together."
    assert card.prepare(replace(starved, findings=(one, make_finding("periodic-pause")))).together == ""
    for render in (markdown.render, html.render):
        assert both.together in render(replace(starved, findings=(one, other)))


def test_no_finding_wins_more_than_its_share_of_the_loop() -> None:
    share = Evidence("time above the median step", 0.2, "share of the loop")
    pause = make_finding("periodic-pause", evidence=(share,), speedup=gain(2.0))
    (kept,) = agree(verdict_on(HIDDEN), [pause])
    assert kept.speedup is not None and kept.speedup.predicted == pytest.approx(1.25)
    of_fetches = replace(pause, evidence=(share, Evidence("in fetches", 0.4, "share of the fetch")))
    assert agree(verdict_on(HIDDEN), [of_fetches]) == (of_fetches,)


def test_a_finding_is_no_surer_than_the_wait_that_it_rests_on() -> None:
    verdict = replace(verdict_on(STARVED), confidence="borderline")
    sure, unsure = make_finding(), make_finding(confidence="low")
    assert [f.confidence for f in agree(verdict, [sure, unsure])] == ["borderline", "low"]
    pause = make_finding("periodic-pause", evidence=())
    assert agree(verdict, [pause]) == (pause,)
    assert contradictions(verdict, (sure,), ()) == ("too-few-workers is surer than the wait that it rests on",)


def test_phases_that_do_not_sum_to_the_wall_time_are_a_problem_of_the_report() -> None:
    report = report_of(replace(STARVED, ranks=(make_rank(seconds=25.0),)))
    assert report.problems == ("this report contradicts itself: the phases of rank 0 do not sum to its wall time",)
    assert card.prepare(report).notes[0].startswith("this report contradicts itself")


def test_the_input_is_not_left_alone_where_a_finding_advises_to_change_it() -> None:
    profile = epochs(50, 0.5, 20, workers=8, work_ms=1.0)
    judged = judge(profile, RULES)
    assert any(f.traits.about_input for f in judged.findings) and not judged.verdict.leave_input_alone
    assert ALONE not in verdict_text.headline(judged.verdict)
    told = replace(judged.verdict, bound="compute", leave_input_alone=True)
    assert any("advises to change it" in left for left in contradictions(told, judged.findings, ()))


def test_a_run_that_waits_is_said_to_be_bound_by_its_input() -> None:
    verdict = verdict_on(STARVED)
    assert verdict.bound == "input" and not contradictions(verdict, (), ())
    other = replace(verdict, bound="host")
    assert contradictions(other, (), ()) == (
        "the loop waits for input for 33% of its time, and the run is bound by host",
    )
    hidden = replace(verdict_on(HIDDEN), bound="input")
    assert "and the run is bound by input" in contradictions(hidden, (), ())[0]


# CPU contention: input and training need the same two cores.


def test_input_and_training_on_the_same_cores_are_a_bound_of_its_own() -> None:
    report = report_of(contended())
    verdict, free = report.verdict, report.verdict.speedup_if_input_free
    assert (verdict.bound, verdict.confidence) == ("cpu", "medium") and not verdict.leave_input_alone
    assert free is not None and free.predicted == pytest.approx((1.43 * 2.0 / 1.1) ** 0.5, abs=0.02)
    assert free.high == pytest.approx(2.0 / 1.1, abs=0.01)  # with all of torch's threads on the cores
    other = verdict.speedup_if_compute_free
    assert other is not None and other.predicted == pytest.approx(50 / 20.5, abs=0.15)
    assert_consistent(report)


def test_workers_that_hold_hardly_a_core_are_no_bound_of_the_training_that_does() -> None:
    profile = contended()
    assert profile.primary is not None and profile.costs is not None
    waiting = replace(
        profile.primary, id="evaluation", role="evaluation", wait_seconds=3.0, seconds=4.0, first_batch_s=(1.0,)
    )
    costs = replace(profile.costs, load=0.05)
    report = report_of(replace(profile, costs=costs, loaders=(profile.primary, waiting)))
    free = report.verdict.speedup_if_input_free
    assert report.verdict.bound == "compute" and free is not None and free.predicted > WORTH, "the evaluation waits"
    assert_consistent(report)


def test_what_making_a_batch_costs_is_named_also_where_it_costs_the_training_its_cores() -> None:
    profile = contended()
    assert profile.primary is not None
    loader = replace(profile.primary, operations=(make_operation("RandomRotation", share=0.8),))
    report = report_of(replace(profile, primary=loader))
    (finding,) = [found for found in report.findings if found.id == "expensive-transform"]
    assert report.verdict.bound == "cpu" and finding.confidence == "medium"
    assert [evidence.key for evidence in finding.evidence][0] == "shared cores"
    free = report.verdict.speedup_if_input_free
    assert finding.speedup is not None and free is not None and 1.05 < finding.speedup.predicted <= free.predicted
    assert_consistent(report)
    alone = report_of(replace(contended(delay=0.02), primary=loader))
    assert "expensive-transform" not in [found.id for found in alone.findings]


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"delay": 0.02}, id="a free input wins little"),
        pytest.param({"cpu": 0.1, "delay": 0.2}, id="the step waits for a device"),
        pytest.param({"machine": replace(BOTH, spare_cores=1.0, busy_cores=1.0)}, id="cores are idle"),
        pytest.param({"machine": replace(BOTH, other_cores=1.5, run_cores=0.4)}, id="others hold the cores"),
        pytest.param({"devices": (make_device(busy=0.4),)}, id="it trains on a GPU"),
    ],
)
def test_the_cores_are_not_the_bound_where(changes: dict[str, Any]) -> None:
    report = report_of(contended(**changes))
    assert report.verdict.bound != "cpu"
    assert_consistent(report)


def test_a_free_input_makes_no_run_slower_where_others_hold_the_cores() -> None:
    crowded = replace(BOTH, other_cores=1.6, run_cores=0.4)
    profile = run_of(10.0, 50.0, workers=0, cores=2.0, machine=crowded, loader={"compute_cpu_share": 1.0})
    free = verdict_on(profile).speedup_if_input_free
    assert free is not None and free.predicted == pytest.approx(1.2, abs=0.02)
    slower = replace(verdict_on(profile), speedup_if_input_free=gain(0.7))
    assert "an input that costs nothing would make the run slower" in contradictions(slower, (), ())


def test_a_busy_gpu_hides_that_its_kernels_are_launched_late() -> None:
    idle, busy = (verdict_on(contended(devices=(make_device(busy=share),))) for share in (0.4, 0.97))
    gains = [v.speedup_if_input_free.predicted for v in (idle, busy) if v.speedup_if_input_free]
    assert gains[0] > 1.3 and gains[1] == pytest.approx(1.0, abs=0.01)


# Few steps.


def short_run(steps: int, share: tuple[float, float, float], seconds: float = 30.0) -> Profile:
    """Return a loop of a few steps over two workers of 6 s a batch; `share`: what of it is waited."""
    waited: dict[str, Any] = {"wait_share": Interval(*share, steps), "wait_seconds": share[0] * seconds}
    return run_of(6000.0, 600.0, 2, loader=waited | {"steps": steps, "batches": steps + 4, "seconds": seconds})


@pytest.mark.parametrize(
    ("steps", "share", "seconds", "bound", "confidence"),
    [
        (6, (0.8, 0.75, 0.85), 18.0, "input", "low"),
        (6, (0.01, 0.0, 0.02), 18.0, "compute", "low"),
        (10, (0.8, 0.75, 0.85), 30.0, "input", "medium"),
        (6, (0.3, 0.12, 0.5), 18.0, "unknown", "low"),
        (6, (0.8, 0.75, 0.85), 0.1, "unknown", "low"),
        (3, (0.8, 0.75, 0.85), 9.0, "unknown", "low"),
    ],
)
def test_a_few_long_steps_get_a_careful_verdict_where_they_leave_no_doubt(
    steps: int, share: tuple[float, float, float], seconds: float, bound: str, confidence: str
) -> None:
    judged = judge(short_run(steps, share, seconds), RULES)
    assert (judged.verdict.bound, judged.verdict.confidence) == (bound, confidence)
    assert all(f.confidence in ("low", "medium") for f in judged.findings)
    assert bool(judged.findings) == (bound == "input")


def test_pauses_and_findings_of_one_share_stay_as_they_are() -> None:
    rank = replace(make_rank(), long_steps=long_steps())
    found: list[Finding] = list(judge(replace(HIDDEN, ranks=(rank,)), RULES).findings)
    assert [f.id for f in found] == ["periodic-pause"] and agree(verdict_on(HIDDEN), found) == tuple(found)
