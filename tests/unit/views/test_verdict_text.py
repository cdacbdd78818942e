"""Each verdict in words: what the JSON, the card and the page say of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, get_args

import pytest

from gpuwatch.diagnosis.examples.parts import interval, make_trend
from gpuwatch.model.findings import Bound, Speedup, Verdict
from gpuwatch.model.measures import Interval
from gpuwatch.model.reasons import EndedEarly, FewSteps, LoaderSteps, NoLoop, OwnLoopSteps, Reason, SharedCores
from gpuwatch.views import card, html, verdict_text
from tests.builders import make_report

LOADER = LoaderSteps("training", 0.10, 5.0, 10.0)
SHARED = replace(LOADER, cores=SharedCores(2.0, 1.2, 0.7))
SLOWER = make_trend("backward", 10.0, 20.0)
SAID_OF_SLOWER = "Compute-bound: steps grow with the run's age, from 15 ms to 25 ms; what grows is the backward"
OWN = OwnLoopSteps(50.0, True, model=0.4, handed=0.25, other=0.35)


def verdict(bound: Bound, reason: Reason, **changes: Any) -> Verdict:
    return replace(Verdict(bound, "high", interval(0.33), "host", None, reason), **changes)


def gain(predicted: float) -> Speedup:
    return Speedup(predicted, predicted - 0.02, predicted + 0.02, "throughput model")


@pytest.mark.parametrize(
    ("said", "headline"),
    [
        (verdict("input", LOADER), "Input-bound: 33% of the training loop is spent waiting for data"),
        (
            verdict("compute", replace(LOADER, role="inference"), leave_input_alone=True),
            "Compute-bound: the inference loop waits for data 33% of its time; leave the input pipeline alone",
        ),
        (
            verdict("compute", replace(LOADER, ready=True), speedup_if_input_free=gain(1.3)),
            "Compute-bound: the training loop waits for a core 33% of its time, with its batches ready",
        ),
        (verdict("compute", LOADER, trend=SLOWER, speedup_if_input_free=gain(1.04)), SAID_OF_SLOWER),
        (
            verdict("compute", LOADER, trend=SLOWER, speedup_if_input_free=gain(1.13)),
            f"{SAID_OF_SLOWER}; an input that cost nothing would make the run 13% faster",
        ),
        (
            verdict("cpu", SHARED, speedup_if_input_free=gain(1.24), input_wait_share=interval(0.004)),
            "CPU-bound: input and training share 2 cores: the training loop waits for data <1% of its time, but would run "
            "24% faster with an input that cost nothing",
        ),
        (
            verdict("host", LOADER),
            "Host-bound: the training process spends its time outside the model; 33% is input wait",
        ),
        (
            verdict("host", LOADER, speedup_if_input_free=gain(1.3)),
            "Host-bound: the training process spends its time outside the model; 33% is input wait; an input that cost nothing"
            " would make the run 30% faster",
        ),
        (
            verdict("startup", LOADER),
            "Start-up-bound: time goes by before the first batch or between the epochs, not in the steps",
        ),
        (
            verdict("input", LOADER, confidence="borderline"),
            "Borderline: 33% of the training loop waits for data, close to the 10% threshold",
        ),
        (
            verdict("input", OWN),
            "Input-bound: 25% of each step is spent waiting for the thread or process that makes the batches",
        ),
        (
            verdict("input", replace(OWN, fed=0.3, handed=0.03)),
            "Input-bound: 33% of each step goes into the next batch, which the training process gets by itself while the model waits",
        ),
        (
            verdict(
                "input", replace(OWN, fed=0.08), confidence="borderline", input_wait_share=Interval(0.08, 0.04, 0.13)
            ),
            "Borderline: 8% of each step (4% to 13%) goes into the next batch: too few samples to tell that from the 10% threshold",
        ),
        (
            verdict("host", OWN),
            "Host-bound: 35% of each step is code of the training process outside the model",
        ),
        (
            verdict("unknown", NoLoop("not entered", 2)),
            "Unknown: no training was measured: 2 Python processes could not be instrumented",
        ),
    ],
)
def test_the_headline_is_the_name_and_the_claim(said: Verdict, headline: str) -> None:
    assert verdict_text.headline(said) == headline


@pytest.mark.parametrize(
    ("reason", "said"),
    [
        (LOADER, "each step waits 5 ms for the next batch and computes for 10 ms"),
        (replace(LOADER, wait_ms=None), "each step waits an unknown time for the next batch and computes for 10 ms"),
        (
            replace(LOADER, later_epochs=4, epoch_wait_s=1.04),
            "each step waits 5 ms for the next batch and computes for 10 ms; 4 later epochs wait 1.0 s each for their first batch",
        ),
        (
            replace(LOADER, later_epochs=1, epoch_wait_s=2.5),
            "each step waits 5 ms for the next batch and computes for 10 ms; the second epoch waits 2.5 s for its first batch",
        ),
        (
            replace(LOADER, later_epochs=50, epoch_wait_s=1.2, iterator_per_step=True),
            "each batch comes from a new iterator, which takes 1,200 ms to start; the step computes for 10 ms",
        ),
        (
            replace(OWN, asleep=0.2),
            "the loop has no DataLoader: an optimizer step every 50 ms; 40% of the stack samples are in the model; it is "
            "blocked on another thread or process 25% of the time; it sleeps 20% of the time, by a line of its own",
        ),
        (
            replace(OWN, sampled=False),
            "the loop has no DataLoader: an optimizer step every 50 ms, and too few stack samples to say what it does",
        ),
        (
            replace(OWN, unseen=0.8),
            "the loop has no DataLoader: an optimizer step every 50 ms; 80% of it the process sleeps or waits for something "
            "that no stack sample shows",
        ),
        (FewSteps(1, 8, 30), "only 1 step after warm-up; 8 are needed, about 30 for a sure verdict"),
        (EndedEarly(0, 8, 1, None), "the command ended with status 1 before a training step was observed"),
        (EndedEarly(3, 8, None, 9), "the command was killed by signal 9: only 3 steps after warm-up, 8 are needed"),
        (NoLoop("no Python"), "the command started no Python that gpuwatch could instrument"),
        (NoLoop("no torch"), "Python ran, but used no torch DataLoader"),
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


def test_shared_cores_say_who_uses_them_and_what_each_side_would_win() -> None:
    said = verdict("cpu", SHARED, speedup_if_input_free=gain(1.24), speedup_if_compute_free=gain(1.9))
    assert verdict_text.reason(said).startswith(
        "the training uses 1.2 of 2 cores and its workers 0.7; if it computed elsewhere, as on a GPU, the loop would run up "
        "to 1.90× as fast; each step waits 5 ms"
    )
    page, drawn = html.render(make_report(verdict=said)), card.prepare(make_report(verdict=said))
    assert drawn.nothing == verdict_text.SHARED_CORES and "alone" not in drawn.headline + drawn.nothing
    assert [fact.text.partition(" ")[0] for fact in drawn.why if "faster" in fact.text] == ["1.24×", "1.90×"]
    assert "b-cpu" in page and "as fast if the training used no core" in page
