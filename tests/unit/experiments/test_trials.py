"""From the windows of remedies to trials: paired with the unchanged loader, failures kept apart."""

from __future__ import annotations

import pytest

from gpuwatch.experiments import trials
from gpuwatch.experiments.remedy import Remedy
from gpuwatch.experiments.session import Result

PLAIN = Remedy("plain", loader={"in_order": False}, edit="+ edit", predicted=1.5)
EPOCHS = Remedy("epochs", loader={"persistent_workers": True}, epochs=True)


def windows(arm: str, *steps_ms: float, steps: int = 10) -> list[Result]:
    return [Result(arm, n, "real", steps, 4, steps * ms / 1e3, 0.1, None) for n, ms in enumerate(steps_ms)]


@pytest.mark.parametrize(
    ("after", "verdict"), [(10, "helps"), (20, "no difference"), (40, "hurts"), (19.7, "no difference")]
)
def test_a_verdict_comes_from_the_pairs(after: float, verdict: str) -> None:
    drift = (1.0, 1.3, 0.8, 1.1, 0.9, 1.2, 1.0, 0.7)
    results = [*windows("unchanged", *(20 * d for d in drift)), *windows("plain", *(after * d for d in drift))]
    (trial,) = trials.conclude(results, [PLAIN], {}, {})
    assert trial.verdict == verdict and trial.ratio.median == pytest.approx(20 / after)
    assert (trial.predicted, trial.outputs) == (1.5, "another order")


def test_a_remedy_that_does_not_fit_fails_with_its_reason_and_the_other_stays() -> None:
    misfit = Result("epochs", 0, "real", 0, 0, None, None, "the loader has no workers")
    results = [*windows("unchanged", 20, 20, 20), *windows("plain", 10, 10, 10), misfit]
    plain, failed = trials.conclude(results, [PLAIN, EPOCHS], {}, {})
    assert plain.verdict == "helps"
    assert (failed.verdict, failed.note) == ("failed", "the loader has no workers")


def test_before_there_is_a_pair_nothing_is_concluded() -> None:
    (trial,) = trials.conclude(windows("plain", 10), [PLAIN], {}, {})
    assert trial.verdict == "inconclusive"


def test_an_arm_without_a_window_is_null_with_its_reason() -> None:
    (half,) = trials.conclude(windows("plain", 10), [PLAIN], {}, {})
    assert half.before is None and half.ratio is None and half.after is not None
    assert half.note.startswith("the budget ended before")
    none = trials.unmeasured(PLAIN, "no round fitted")
    assert (none.before, none.after, none.ratio, none.verdict, none.note) == (
        None,
        None,
        None,
        "inconclusive",
        "no round fitted",
    )


def test_a_large_gain_is_known_after_two_rounds_and_says_nothing_of_rounds() -> None:
    results = [*windows("unchanged", 60, 63), *windows("plain", 20, 20.5)]
    (trial,) = trials.conclude(results, [PLAIN], {}, {})
    assert trial.verdict == "helps" and trial.ratio is not None and trial.ratio.low > 1 and not trial.note
    assert trials.is_settled_trial(trial)


def test_what_is_not_concluded_says_what_is_open_and_how_many_rounds_would_settle_it() -> None:
    results = [*windows("unchanged", 20, 24, 20, 22), *windows("plain", 20, 20, 19, 21)]
    (trial,) = trials.conclude(results, [PLAIN], {}, {})
    assert trial.verdict == "inconclusive" and "4 rounds leave" in trial.note
    assert (trials.rounds_left(trial) or 0) >= 4


def test_the_gain_of_epochs_is_that_of_a_whole_one() -> None:
    """Windows saw 20 steps after a start of 1 s; the epoch has 100: (1 + 2) s against 2 s."""
    results = [
        *windows("unchanged", 20, 20, 20),
        *windows("unchanged, epochs", 70, 70, 70, steps=20),
        *windows("epochs", 20, 20, 20, steps=20),
    ]
    (trial,) = trials.conclude(results, [EPOCHS], {}, {"length": 100})
    assert trial.ratio.median == pytest.approx(3 / 2)
    assert trial.note == "over epochs of 100 batches"


def test_every_round_has_the_unchanged_loader_and_the_order_turns() -> None:
    rounds = [[w.arm for w in trials.round_of([PLAIN, EPOCHS], n, 1.0)] for n in range(4)]
    assert all(set(r) == {"plain", "epochs", "unchanged", "unchanged, epochs"} for r in rounds)
    assert len({r[0] for r in rounds}) == 4
    assert {w.arm for w in trials.closing([PLAIN])} == {"plain", "unchanged"}


@pytest.mark.parametrize(
    ("found", "said"),
    [
        ({"max": 0.0, "samples": 16}, "identical (16 samples)"),
        ({"max": 0.5, "mean": 0.01, "scale": 1.0, "random": False}, "differ by 0.5 at most, 0.01 on average (values up to 1)"),
        ({"max": 0.5, "random": True, "means": [0.4, 0.41]}, "random: distribution only (mean 0.4, then 0.41)"),
        ({"note": "other shapes"}, "other shapes"),
        (None, "not compared"),
    ],
)  # fmt: skip
def test_what_becomes_of_the_samples_is_said(found: dict[str, object] | None, said: str) -> None:
    assert trials.outputs_text(Remedy("packed", hook="packed-batches"), found) == said


@pytest.mark.parametrize(
    ("found", "said"),
    [
        ({"losses": {"max": 0.0, "losses": 4, "mean": 0.0, "scale": 2.0}}, "losses identical (4 batches)"),
        (
            {"losses": {"max": 0.02, "mean": 0.01, "scale": 2.5, "losses": 4, "draws": 0.3}},
            "losses of the same 4 batches differ by 0.02 at most, 0.01 on average (losses up to 2.5; by 0.3 under other random draws)",
        ),
        ({"losses": {"note": "losses not compared: why"}}, "losses not compared: why"),
        (None, "losses not compared"),
    ],
)
def test_what_becomes_of_the_losses_is_said(found: dict[str, object] | None, said: str) -> None:
    step = Remedy("fused-optimizer", hook="fused-optimizer")
    assert trials.outputs_text(step, found) == said
    both = Remedy("both", loader={"in_order": False}, parts=(step, Remedy("packed", hook="packed-batches")))
    assert trials.outputs_text(both, {"max": 0.0, "samples": 16, **(found or {})}) == (
        f"identical (16 samples); another order; {said}"
    )


def test_workers_that_keep_a_cache_have_steps_of_their_own() -> None:
    """Windows saw 20 steps after a start of 1 s; the other 80 of the epoch take 20 ms as it is and 5 ms with the cache."""
    kept = Remedy("kept", finding="lost-cache", loader={"persistent_workers": True}, epochs=True)
    results = [
        *windows("unchanged", 20, 20, 20),
        *windows("unchanged, epochs", 70, 70, 70, steps=20),
        *windows("kept", 5, 5, 5, steps=20),
        *windows("kept, steady", 5, 5, 5),
    ]
    (trial,) = trials.conclude(results, [kept], {}, {"length": 100})
    assert trial.ratio is not None and trial.ratio.median == pytest.approx((1.4 + 80 * 0.02) / (100 * 0.005))
    assert "kept, steady" in {window.arm for window in trials.round_of([kept], 0, 1.0)}
