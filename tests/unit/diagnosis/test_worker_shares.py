"""What is said of an iterable dataset's workers, by all rules together."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from gpuwatch.diagnosis.consistency import contradictions
from gpuwatch.diagnosis.engine import Judgement, judge
from gpuwatch.diagnosis.examples.runs import BLOCKED, keeping, masked, run_of, stream
from gpuwatch.model.measures import Place
from gpuwatch.model.profile import Profile
from gpuwatch.rules import RULES


def judged(profile: Profile) -> Judgement:
    said = judge(profile, RULES)
    assert contradictions(said.verdict, said.findings, ()) == ()
    return said


def advice(said: Judgement) -> str:
    return " ".join(f"{finding.advice} {finding.edit}" for finding in (*said.findings, *said.suppressed))


@pytest.mark.parametrize("ended", [0, 3])
def test_data_that_each_worker_repeats_comes_first_where_nothing_waits(ended: int) -> None:
    said = judged(stream(2, (80.0, 80.0), 4.0, ended=ended, passes_over=2.0, passes_basis="content", splits=False))
    assert said.verdict.bound == "compute" and not said.verdict.leave_input_alone
    assert said.findings[0].id == "repeated-data"
    # What a loop with a fixed number of steps would win is no time.
    assert (said.findings[0].speedup is not None) == (ended > 0)


def test_epochs_of_different_lengths_are_reported_where_nothing_waits() -> None:
    said = judged(run_of(work_ms=8.0, loader={"whole_passes": (3840, 2400, 3100)}))
    assert said.findings[0].id == "uneven-epochs" and not said.verdict.leave_input_alone


@pytest.mark.parametrize("fetch", [{}, BLOCKED])
@pytest.mark.parametrize("workers", [0, 2])
def test_no_more_workers_for_a_stream_that_is_not_seen_to_be_split(workers: int, fetch: dict[str, Any]) -> None:
    said = judged(run_of(workers=workers, fetch=fetch, loader={"dataset_kind": "iterable"}))
    assert "num_workers from" not in advice(said) and "raise num_workers" not in advice(said)
    if workers == 0:
        assert "num_workers=1" in advice(said)


def test_more_workers_for_a_stream_that_is_split() -> None:
    said = judged(stream(2, (80.0, 80.0), splits=True))
    assert said.findings[0].id == "too-few-workers"


def test_a_worker_without_data_comes_before_more_workers_and_cheaper_code() -> None:
    said = judged(stream(4, (400.0, 0.0, 0.0, 0.0), work_ms=25.0, splits=True))
    assert [finding.id for finding in said.findings][:1] == ["fewer-shards-than-workers"]
    assert "Raise num_workers" not in " ".join(finding.advice for finding in said.findings)


def test_workers_on_one_core_come_before_cheaper_code() -> None:
    said = judged(masked("worker", workers=1, set_where=Place("/home/me/d.py", 9, "set_up")))
    assert said.findings[0].id == "narrow-affinity"
    assert not {"cpu-saturated", "too-few-workers", "slow-dataset-code"} & {finding.id for finding in said.findings}


def test_a_lost_cache_comes_before_the_workers_that_lose_it() -> None:
    profile = keeping("dict", 320.0)
    assert profile.primary is not None and profile.primary.workers_seen is not None
    said = judged(profile)
    assert "lost-cache" in {finding.id for finding in said.findings}
    assert "worker-restart" not in {finding.id for finding in said.findings}
    # Workers that live on have lost nothing.
    living = replace(profile.primary, workers_seen=replace(profile.primary.workers_seen, processes=2), persistent=True)
    said = judged(replace(profile, primary=living, loaders=(living,)))
    assert "lost-cache" not in {finding.id for finding in said.findings}
