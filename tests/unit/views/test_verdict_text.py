"""Each verdict in words: what the JSON, the card and the page say of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, get_args

import pytest

from gpuwatch.diagnosis.examples.parts import interval
from gpuwatch.model.findings import Bound, Verdict
from gpuwatch.model.reasons import FewSteps, LoaderSteps, NoLoop, OwnLoopSteps, Reason
from gpuwatch.views import card, html, verdict_text
from tests.builders import make_report

LOADER = LoaderSteps("training", 0.10, 5.0, 10.0)
OWN = OwnLoopSteps(50.0, True, model=0.4, handed=0.25, other=0.35)


def verdict(bound: Bound, reason: Reason, **changes: Any) -> Verdict:
    return replace(Verdict(bound, "high", interval(0.33), "host", None, reason), **changes)


@pytest.mark.parametrize(
    ("said", "headline"),
    [
        (verdict("input", LOADER), "Input-bound: 33% of the training loop is spent waiting for data"),
        (
            verdict("compute", replace(LOADER, role="inference")),
            "Compute-bound: the inference loop waits for data 33% of its time; leave the input pipeline alone",
        ),
        (
            verdict("host", LOADER),
            "Host-bound: the data is there (33% waiting), but the training process spends its time elsewhere",
        ),
        (verdict("startup", LOADER), "Start-up-bound: most of the run passed before the first batch"),
        (
            verdict("input", LOADER, confidence="borderline"),
            "Borderline: 33% of the training loop waits for data, close to the 10% that matter",
        ),
        (
            verdict("input", OWN),
            "Input-bound: 25% of the training's steps wait for the thread or process that makes their batches",
        ),
        (
            verdict("host", OWN),
            "Host-bound: 35% of the training's steps are other code of its process than its model",
        ),
        (
            verdict("unknown", NoLoop("not entered", 2)),
            "Unknown: no training was measured: 2 Python process(es) could not be entered",
        ),
    ],
)
def test_the_headline_is_the_name_and_the_claim(said: Verdict, headline: str) -> None:
    assert verdict_text.headline(said) == headline


@pytest.mark.parametrize(
    ("reason", "said"),
    [
        (LOADER, "each step waited 5 ms for its next batch and computed for 10 ms"),
        (replace(LOADER, wait_ms=None), "each step waited an unknown time for its next batch and computed for 10 ms"),
        (
            replace(LOADER, later_epochs=4, epoch_wait_s=1.04),
            "each step waited 5 ms for its next batch and computed for 10 ms; 4 later epochs waited 1 s each for their first batch",
        ),
        (
            replace(LOADER, later_epochs=1, epoch_wait_s=2.5),
            "each step waited 5 ms for its next batch and computed for 10 ms; the second epoch waited 2.5 s for its first batch",
        ),
        (
            replace(LOADER, later_epochs=50, epoch_wait_s=1.2, iterator_per_step=True),
            "each batch came from an iterator of its own, whose start was waited for 1.2 s; the step computed for 10 ms",
        ),
        (
            replace(OWN, asleep=0.2),
            "its loop is not over a DataLoader: an optimizer step every 50 ms; stack samples show the model in 40% of it, "
            "and for 25% it stands still for another thread or process, and for 20% it sleeps by its own line",
        ),
        (
            replace(OWN, sampled=False),
            "its loop is not over a DataLoader: an optimizer step every 50 ms, and too few stack samples say what it does",
        ),
        (
            replace(OWN, unseen=0.8),
            "its loop is not over a DataLoader: an optimizer step every 50 ms; for 80% of it the process slept or waited "
            "for something that no stack sample shows",
        ),
        (FewSteps(1, 8, 30), "only 1 step after the warm-up; 8 are needed, some 30 for a sure verdict"),
        (NoLoop("no Python"), "the command started no Python that gpuwatch could enter"),
        (NoLoop("no torch"), "Python ran, but never used a torch DataLoader"),
    ],
)
def test_the_reason_says_each_number_it_rests_on(reason: Reason, said: str) -> None:
    assert verdict_text.reason(verdict("unknown", reason)) == said


@pytest.mark.parametrize("bound", get_args(Bound))
def test_no_view_repeats_the_name_in_the_headline(bound: Bound) -> None:
    said = verdict(bound, FewSteps(3, 8, 30) if bound == "unknown" else LOADER)
    name = verdict_text.NAMES[bound]
    drawn, page = card.prepare(make_report(verdict=said)), html.render(make_report(verdict=said))
    assert drawn.badge == name and name not in drawn.headline
    assert f">{name}</span>" in page and f'id="verdict-title">{drawn.headline}</h1>' in page
