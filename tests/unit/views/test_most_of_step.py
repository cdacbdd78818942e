"""What is said of a step in which no rule found anything: what takes most of it, and what was looked at."""

from __future__ import annotations

from dataclasses import replace

from gpuwatch.diagnosis.examples.runs import MODEL_LINE, PLANNING, SAMPLED, beside, phases, run_of
from gpuwatch.judged_report import report_of
from gpuwatch.model.report import Report
from gpuwatch.views.most_of_step import most_of_step

LINE = replace(MODEL_LINE, share=0.7, line=47, source="hidden = block(tokens)")
COMPUTES = phases(input_wait=0.1, forward=6.0, backward=3.0, optimizer=0.5)


def report() -> Report:
    return report_of(run_of(2.0, hot_lines=(LINE,), stacks=SAMPLED, ranks=COMPUTES))


def test_what_takes_most_of_the_step_is_named_with_its_line() -> None:
    said = most_of_step(report())
    assert "Of the time that it computes, forward 63% and backward 32%; 70% at line 47: hidden = block(tokens)" in said


def test_what_was_looked_at_is_named() -> None:
    said = most_of_step(report())
    assert "Looked at and clear: " in said
    assert "slow-step-code" in said and "step-sync" in said
    assert "worker-restart" not in said


def test_nothing_is_said_beside_a_finding() -> None:
    assert most_of_step(report_of(beside(PLANNING))) == ""
