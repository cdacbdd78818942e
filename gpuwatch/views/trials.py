"""The trials that a report shows: of each remedy the newest, what they come to together, and how well predictions did."""

from __future__ import annotations

from gpuwatch.model.experiment import Answer, Trial
from gpuwatch.model.report import Report
from gpuwatch.views import text


def newest(report: Report) -> list[Trial]:
    """Return the newest trial of each remedy; a failed one only if it never worked."""
    found: dict[str, Trial] = {}
    for trial in (*report.trials, *(trial for experiment in report.experiments for trial in experiment.trials)):
        if trial.verdict != "failed" or found.get(trial.remedy, trial).verdict == "failed":
            found[trial.remedy] = trial
    return list(found.values())


def newest_answer(report: Report) -> Answer | None:
    """Return what the newest experiment answers that came to an answer."""
    return next((each.answer for each in reversed(report.experiments) if each.answer is not None), None)


def score(report: Report) -> str:
    """Return how far predictions were from what was measured, as a few words; empty when nothing was predicted."""
    known = report.prediction_score
    if known is None:
        return ""
    trials = f"{text.count(known.trials, 'trial')} here"
    return f"predictions off by {text.percent(known.median_error)} in the median of {trials}"
