"""Lanes kept in arrays read like the tuples that they stand for."""

from __future__ import annotations

import bisect
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gpuwatch.analyze.series.arrays import Spans, Values
from gpuwatch.build_report import build
from gpuwatch.model.timeline import Lane
from gpuwatch.store.reader import read
from gpuwatch.views.html.decimate import series, span_columns, span_shares, statistics
from gpuwatch.views.live.frame import spans_in, values_in
from gpuwatch.words import lanes
from gpuwatch.words.lanes import STEP, WORKER
from tests.spools import FakeRun

NUMBERS = (1.0, None, 3.0, -2.5)
SPANS = ((0.0, 2.0, "fetching"), (2.0, 2.5, "waiting"), (2.5, 6.0, "fetching"))


def values() -> Any:
    return Values(np.array([np.nan if number is None else number for number in NUMBERS]))


def spans() -> Any:
    starts, ends = (np.array([span[at] for span in SPANS]) for at in (0, 1))
    return Spans(starts, ends, np.array([0, 1, 0], dtype=np.uint8), ("fetching", "waiting"))


def test_values_read_like_a_tuple() -> None:
    told = values()
    assert tuple(told) == NUMBERS and told == NUMBERS and told != (1.0,)
    assert (told[1], told[-1], told[1:3], len(told), bool(told)) == (None, -2.5, [None, 3.0], 4, True)
    assert not Values(np.zeros(0))
    known = statistics(series(told, told)[1])
    assert known and (known.n, known.high) == (3, 3.0)


def test_spans_read_like_a_tuple() -> None:
    told = spans()
    assert tuple(told) == SPANS and told == SPANS
    assert told[-1] == SPANS[-1] and told[1:] == list(SPANS[1:])
    assert bisect.bisect_left(told, (2.2,)) == bisect.bisect_left(SPANS, (2.2,))


def test_views_show_the_same_of_both() -> None:
    labels = ("fetching", "waiting")
    assert np.array_equal(span_shares(spans(), labels, 6.0, 12), span_shares(SPANS, labels, 6.0, 12))
    for one, other in zip(span_columns(spans()), span_columns(SPANS), strict=True):
        assert list(one) == list(other)
    kept, plain = (Lane(WORKER, spans=each, rank=0, worker=0) for each in (spans(), SPANS))
    assert (
        spans_in(kept, 1.0, 3.0)
        == spans_in(plain, 1.0, 3.0)
        == [(1.0, 2.0, "fetching"), *SPANS[1:2], (2.5, 3.0, "fetching")]
    )
    times = (0.0, 1.0, 2.0, 3.0)
    line = Lane(STEP, Values(np.array(times)), values(), rank=0)  # type: ignore[arg-type]
    assert list(values_in(line, 1.0, 2.0)) == [None, 3.0]


def test_a_worker_s_strip_is_in_the_order_of_time(tmp_path: Path) -> None:
    run = FakeRun(tmp_path)
    trainer = run.trainer()
    trainer.loop(20, workers=[(0, 200)])
    worker = run.worker(200)
    for index in range(20):
        worker.fetch(index, 5.0, 2.0)
    timeline = build(read(run.write())).timeline
    assert timeline
    strip = next(lane.spans for lane in timeline.lanes if lane.name == "worker 0")
    assert list(strip) == sorted(strip) and {span[2] for span in strip} == {"fetching", "waiting", "sending"}
    assert sum(b - a for a, b, label in strip if label == "fetching") == pytest.approx(0.1)


def test_every_declared_lane_is_in_the_table() -> None:
    declared = [kind for kind in vars(lanes).values() if isinstance(kind, lanes.LaneKind)]
    assert list(lanes.LANES.values()) == declared and len(lanes.LANES) == len(declared)
