"""slow-step-code reports no more than was measured outside of the model, whatever the samples of a line look like."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from gpuwatch.diagnosis.examples.runs import SAMPLED, WORK_LINE, phases, run_of
from gpuwatch.diagnosis.trainer_code import other_share
from gpuwatch.model.findings import Finding
from gpuwatch.model.hot_lines import Callee, HotLine
from gpuwatch.rules.slow_step_code.rule import RULE

SHARE = st.floats(0.0, 1.0)
CALLEES = st.sampled_from((None, "torch", "lightning", "fastai", "accelerate", "keras", "ultralytics", "numpy", "tqdm"))
SECONDS = st.floats(0.0, 10.0)


@st.composite
def lines(draw: st.DrawFn) -> HotLine:
    library = draw(CALLEES)
    return replace(
        WORK_LINE,
        share=draw(SHARE),
        line=draw(st.integers(1, 99)),
        activity=draw(st.sampled_from(("step", "long step"))),
        callee=Callee(library, "fit") if library else None,
        model_share=draw(st.none() | SHARE),
        blocked_share=draw(st.none() | SHARE),
    )


@given(st.lists(lines(), max_size=4), SECONDS, SECONDS, SECONDS, SECONDS)
def test_never_more_than_other_in_step(
    hot: list[HotLine], forward: float, backward: float, optimizer: float, other: float
) -> None:
    ranks = phases(input_wait=1.0, forward=forward, backward=backward, optimizer=optimizer, other_in_step=other)
    profile = run_of(ranks=ranks, hot_lines=tuple(hot), stacks=SAMPLED)
    found = RULE.evaluate(profile)
    if isinstance(found, Finding):
        own, measured, hottest = (evidence.value for evidence in found.evidence[:3])
        assert isinstance(own, float) and isinstance(hottest, float)
        assert max(own, hottest) <= other_share(profile) + 1e-4
        assert measured is not None
