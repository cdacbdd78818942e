"""Ranking: causes before symptoms, surer and larger gains first; the verdict follows the loop."""

from __future__ import annotations

from dataclasses import replace

from gpuwatch.diagnosis.engine import WORTH, evaluate, hidden_by, judge, suppress
from gpuwatch.diagnosis.evidence import starved
from gpuwatch.diagnosis.examples.parts import (
    interval,
    make_device,
    make_loader,
    make_profile,
    make_rank,
    make_trend,
)
from gpuwatch.diagnosis.examples.runs import (
    FED,
    FED_BY_PROCESS,
    HIDDEN,
    LONE,
    MODEL_LINE,
    PLANNING,
    READING,
    SAMPLED,
    SAMPLER_LINE,
    SLEEPING,
    STARVED,
    TAKE_TURNS,
    WORK_LINE,
    beside,
    epochs,
    no_loader,
    own_loop,
    phases,
    run_of,
)
from gpuwatch.diagnosis.rule import Found, Rule
from gpuwatch.diagnosis.thresholds import Comparison
from gpuwatch.model.findings import Clear, Confidence, Finding, NotEvaluated, Speedup, Traits
from gpuwatch.model.hot_lines import StackQuality
from gpuwatch.model.measures import Interval
from gpuwatch.model.profile import Profile
from gpuwatch.model.reasons import FewSteps, NoLoop
from gpuwatch.rules import RULES
from gpuwatch.views.verdict_text import headline, reason
from tests.builders import make_finding


def rule(id: str, outcome: object) -> Rule:
    """Return a rule that finds one thing, nothing, or raises."""

    def check(profile: Profile, thresholds: object) -> Found | None:
        if isinstance(outcome, Exception):
            raise outcome
        return outcome  # type: ignore[return-value]

    return Rule(id=id, page="", check=check)


def finding(id: str, gain: float, **changes: object) -> Finding:
    return make_finding(id, speedup=Speedup(gain, gain, gain, ""), **changes)


def found(gain: float, confidence: Confidence = "high") -> Found:
    return Found("critical", confidence, "", (), "", speedup=Speedup(gain, gain, gain, ""))


def test_a_broken_rule_abstains() -> None:
    judged = judge(make_profile(), (rule("a-b", ValueError("odd")),))
    assert judged.not_evaluated == (NotEvaluated("a-b", "the rule failed: ValueError: odd", "clause"),)


def test_a_larger_gain_comes_first_within_a_severity() -> None:
    rules = (rule("small", found(1.2)), rule("large", found(2.0)), rule("fine", None))
    judged = judge(make_profile(), rules)
    assert [f.id for f in judged.findings] == ["large", "small"]
    assert judged.clear == ("fine",)


def test_the_gain_decides_the_order_of_what_is_critical_and_what_is_a_warning() -> None:
    rules = (rule("small", found(1.6)), rule("large", replace(found(2.5), severity="warning")))
    facts = (
        rule("fact", replace(found(9.0), severity="info")),
        rule("dangerous", replace(found(1.0), speedup=None)),
    )
    assert [f.id for f in judge(make_profile(), (*rules, *facts)).findings] == ["dangerous", "large", "small", "fact"]


def test_an_unsure_gain_counts_less() -> None:
    rules = (rule("sure", found(1.6)), rule("unsure", found(2.0, "borderline")))
    assert [f.id for f in judge(make_profile(), rules).findings] == ["sure", "unsure"]


def test_a_cause_suppresses_what_it_explains() -> None:
    cause, symptom = finding("cause", 1.2, explains=("symptom",)), finding("symptom", 2.0)
    kept, hidden = suppress([symptom, cause])
    assert kept == [cause] and hidden == [symptom]


def test_a_symptom_may_name_its_cause() -> None:
    symptom = finding("symptom", 2.0, traits=Traits(explained_by=("cause",)))
    cause = finding("cause", 1.2)
    assert suppress([symptom, cause]) == ([cause], [symptom])
    assert suppress([symptom, replace(cause, confidence="low")])[1] == []


def test_a_finding_names_what_hides_it() -> None:
    cause, symptom = finding("cause", 1.2, explains=("symptom",)), finding("symptom", 2.0)
    assert hidden_by(symptom, (cause, symptom)) == ("cause",) and hidden_by(cause, (cause, symptom)) == ()


def test_a_finding_whose_advice_wins_nothing_is_clear_and_the_gain_is_among_the_numbers() -> None:
    trace = evaluate(rule("small", found(1.02)), make_profile(), {})
    assert trace.outcome == Clear("small")
    assert trace.comparisons == (Comparison(WORTH, 1.02, "<", "yes"),)
    assert isinstance(evaluate(rule("large", found(1.2)), make_profile(), {}).outcome, Finding)


def test_an_unsure_cause_suppresses_nothing_that_is_sure() -> None:
    cause, symptom = finding("cause", 1.2, explains=("symptom",), confidence="low"), finding("symptom", 2.0)
    assert suppress([symptom, cause])[1] == []


def test_of_two_that_explain_each_other_the_larger_gain_stays() -> None:
    small, large = finding("small", 1.2, explains=("large",)), finding("large", 2.0, explains=("small",))
    assert suppress([small, large]) == ([large], [small])


def test_starved_is_input_bound() -> None:
    assert judge(STARVED, RULES).verdict.bound == "input"
    assert judge(LONE, RULES).verdict.bound == "input"


def test_hidden_loading_is_compute_bound_and_says_to_leave_it_alone() -> None:
    judged = judge(HIDDEN, RULES)
    assert judged.verdict.bound == "compute"
    assert "leave the input pipeline alone" in headline(judged.verdict)
    assert judged.findings == ()


def test_an_interval_around_the_threshold_is_borderline() -> None:
    share = Interval(0.11, 0.08, 0.14, 400)
    assert judge(run_of(loader={"wait_share": share}), RULES).verdict.confidence == "borderline"


def test_nothing_measured_is_unknown_and_says_why() -> None:
    verdict = judge(no_loader(), RULES).verdict
    assert (verdict.bound, verdict.reason) == ("unknown", NoLoop("no loader"))


def test_stack_samples_tell_what_bounds_a_loop_without_a_loader() -> None:
    host = judge(own_loop(MODEL_LINE, WORK_LINE), RULES)
    assert host.verdict.bound == "host" and host.verdict.input_wait_share is None
    assert [f.id for f in host.findings] == ["slow-step-code"] and "DataLoader" in host.findings[0].advice
    assert judge(FED, RULES).verdict.bound == "input" and judge(FED, RULES).findings[0].id == "slow-dataset-code"
    by_process = judge(FED_BY_PROCESS, RULES).findings[0]
    assert by_process.id == "slow-dataset-code" and "a process that makes" in by_process.summary
    assert judge(READING, RULES).verdict.bound == "host" and judge(SLEEPING, RULES).verdict.bound == "compute"
    for busy, bound in ((0.97, "compute"), (0.3, "unknown")):
        waits_for_gpu = own_loop(WORK_LINE, loader={"compute_cpu_share": 0.1}, devices=(make_device(busy=busy),))
        assert judge(waits_for_gpu, RULES).verdict.bound == bound
    assert judge(own_loop(MODEL_LINE), RULES).verdict.bound == "compute"
    unsampled = judge(own_loop(stacks=StackQuality("none", 0, "none", "")), RULES).verdict
    assert unsampled.bound == "unknown" and "too few stack samples" in reason(unsampled)
    assert judge(own_loop(WORK_LINE), RULES).verdict.bound == "unknown"


def test_advice_fits_a_lock_a_sampler_and_an_iterator_for_each_step() -> None:
    for profile, id, words in (
        (TAKE_TURNS, "slow-dataset-code", "independent"),
        (
            run_of(0.0, ranks=phases(input_wait=7.0, forward=3.0), hot_lines=(SAMPLER_LINE,), stacks=SAMPLED),
            "slow-sampler",
            "sampler",
        ),
        (epochs(50, 0.1, 1), "worker-restart", "Keep one iterator"),
    ):
        found = {finding.id: finding for finding in judge(profile, RULES).findings}
        assert words in found[id].advice, id


def test_few_steps_are_unknown() -> None:
    verdict = judge(make_profile(make_loader(steps=3, step_ms=interval(3.0))), RULES).verdict
    assert (verdict.bound, verdict.reason) == ("unknown", FewSteps(3, 8, 30))


def test_a_wait_for_the_interpreter_lock_is_none_for_input() -> None:
    profile = beside(PLANNING)
    loader = profile.primary
    assert loader is not None and loader.queue is not None and loader.fetch is not None
    waiting = replace(
        loader,
        wait_share=Interval(0.34, 0.3, 0.4, 990),
        queue=replace(loader.queue, ready_share=1.0, unmade_share=0.0),
        fetch=replace(loader.fetch, busy_share=0.05, bytes_per_batch=1e5),
    )
    held = judge(replace(profile, primary=waiting), RULES)
    assert held.verdict.bound == "host" and held.findings[0].id == "gil-contention"
    assert judge(replace(profile, primary=waiting, threads=()), RULES).verdict.bound == "input"


def test_a_loop_on_the_threshold_whose_wait_is_over_is_not_starved() -> None:
    share = Interval(0.08, 0.04, 0.12, 200)
    on_it = run_of(10.0, workers=0, loader={"wait_share": share})
    assert starved(replace(on_it, trend=make_trend(wait_before=0.15, wait_after=0.12))) == "borderline"
    assert starved(replace(on_it, trend=make_trend(wait_before=0.15, wait_after=0.03))) == "no"
    sure = run_of(10.0, workers=0, loader={"wait_share": Interval(0.4, 0.35, 0.45, 200)})
    assert starved(replace(sure, trend=make_trend(wait_before=0.6, wait_after=0.03))) == "yes"


def test_start_up_of_the_scripts_own_comes_first_where_the_run_is_mostly_that() -> None:
    def order(seconds: float) -> list[str]:
        line = replace(WORK_LINE, process_role="trainer", activity="startup", share=seconds / 12.0, seconds=seconds)
        imports = replace(line, activity="importing", share=1.0 - line.share, seconds=12.0 - seconds)
        run = run_of(ranks=(make_rank(first_batch_s=12.0),), hot_lines=(line, imports), stacks=SAMPLED)
        return [finding.id for finding in judge(run, RULES).findings]

    assert order(8.0)[0] == "slow-startup"
    assert order(3.0)[-1] == "slow-startup"
