"""The HTML's parts without a browser: escaping, decimation, lanes in order, packed numbers, windows of findings."""

from __future__ import annotations

import base64
import gzip
import html
import json
import re
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpuwatch.diagnosis.examples.parts import SECOND, interval, make_profile, make_rank
from gpuwatch.judged_report import report_of
from gpuwatch.model.experiment import Trial
from gpuwatch.model.profile import LongSteps
from gpuwatch.model.report import Training
from gpuwatch.model.timeline import Lane, Timeline
from gpuwatch.rules import RULES
from gpuwatch.views import verdict_text
from gpuwatch.views.html import render
from gpuwatch.views.html.decimate import bridge, line_buckets, series, span_shares, statistics
from gpuwatch.views.html.lanes import prepare
from gpuwatch.views.html.markup import Markup, el, table
from gpuwatch.views.html.pack import pack, script_json
from gpuwatch.views.html.verdict import verdict_card
from gpuwatch.views.html.windows import shown
from gpuwatch.words.lanes import (
    CPU_BUSY,
    EPOCHS,
    GPU_BUSY,
    INPUT_WAIT,
    LANES,
    MISSING_DATA,
    POWER,
    PROCESS_CPU,
    STEP,
    WORKER,
    LaneKind,
)
from tests.browser.reports import hostile, nothing, three_steps
from tests.builders import make_finding, make_report, make_timeline
from tests.rules.cases import CASES


def line(of: LaneKind, values: list[float | None], step_s: float = 1.0, **whose: int) -> Lane:
    return Lane(of, tuple(step_s * n for n in range(len(values))), tuple(values), **whose)


def halves(blob: bytes, at: int, count: int, scale: float) -> np.ndarray:
    """Read a plane as the page does: all high bytes, then all low bytes."""
    raw = np.frombuffer(blob, np.uint8, 2 * count, at).astype(np.uint16)
    return ((raw[:count] << 8) | raw[count:]).astype("<u2").view("<f2").astype(float) * scale


def test_elements_escape_what_is_put_into_them() -> None:
    assert el("p", "<b>&", title='"x"') == '<p title="&quot;x&quot;">&lt;b&gt;&amp;</p>'
    assert el("p", Markup("<b>"), None, [1, "<"]) == "<p><b>1&lt;</p>"
    assert el("button", "x", hidden=True, disabled=False) == "<button hidden>x</button>"
    assert "\u202e" not in el("p", "a\u202eb\x1b\ud800")
    assert "&lt;td&gt;" in table(["a"], [["<td>"]], "c")


def test_data_in_a_script_cannot_end_it() -> None:
    text = script_json({"name": "</script><!--\u2028"})
    assert "<" not in text and "\u2028" not in text
    assert json.loads(text) == {"name": "</script><!--\u2028"}


def test_statistics_are_of_every_value() -> None:
    found = statistics(np.array([0.0, 0.0, 10.0, np.nan]))
    assert found and (found.n, found.low, found.high, found.median) == (3, 0.0, 10.0, 0.0)
    assert statistics(np.array([np.nan])) is None


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=300), st.integers(1, 40))
def test_buckets_keep_the_extremes_and_the_median(values: list[float], count: int) -> None:
    times = np.arange(len(values), dtype=float)
    buckets = line_buckets(times, np.array(values), float(len(values)), count)
    assert np.nanmin(buckets.low) == min(values) and np.nanmax(buckets.high) == max(values)
    place = np.minimum((times * (count / len(values))).astype(int), count - 1)
    for at in set(place.tolist()):
        assert buckets.mid[at] == pytest.approx(float(np.median(np.array(values)[place == at])))


def test_empty_buckets_are_holes_and_short_holes_are_bridged() -> None:
    buckets = line_buckets(np.array([0.0, 2.0, 9.0]), np.array([1.0, 2.0, 3.0]), 10.0, 10)
    assert np.isnan(buckets.mid).sum() == 7
    bridged = bridge(buckets, 1)
    assert bridged.mid[1] == 1.0 and np.isnan(bridged.mid[3])


def test_times_out_of_order_are_sorted() -> None:
    times, values = series((2.0, 1.0), (20.0, None))
    assert times.tolist() == [1.0, 2.0] and np.isnan(values[0]) and values[1] == 20.0


@given(st.lists(st.tuples(st.floats(0, 100), st.floats(0, 100)), max_size=30), st.integers(1, 50))
def test_span_shares_sum_to_the_spans_time(pairs: list[tuple[float, float]], count: int) -> None:
    edges = sorted(x for pair in pairs for x in pair)
    spans = [(a, b, "fetching") for a, b in zip(edges[::2], edges[1::2], strict=True)]
    shares = span_shares(spans, ("fetching",), 100.0, count)
    assert shares.sum() * 100.0 / count == pytest.approx(sum(b - a for a, b, _ in spans), abs=1e-6)
    assert shares.min() >= 0 and shares.max() <= 1


def test_members_are_named_by_what_tells_them_apart() -> None:
    span = ((0.0, 1.0, "fetching"),)
    workers = [Lane(WORKER, spans=span, rank=rank, worker=n) for rank in range(2) for n in range(2)]
    cpu = [line(PROCESS_CPU, [0.5], rank=0, worker=n) for n in range(2)]

    def named(*lanes: Lane) -> list[str]:
        return [member.name for member in prepare(Timeline(10.0, lanes)).families[0].members]

    assert named(*workers) == ["rank 0, worker 0", "rank 0, worker 1", "rank 1, worker 0", "rank 1, worker 1"]
    assert named(*workers[:2]) == ["worker 0", "worker 1"]
    assert named(*cpu) == ["rank 0 worker 0", "rank 0 worker 1"]
    assert named(workers[0]) == ["rank 0"] and named(line(CPU_BUSY, [1.0])) == [""]


def test_findings_name_lanes_that_there_are() -> None:
    assert {key for rule in RULES for key in rule.traits.lanes} <= LANES.keys()


def test_families_have_the_worst_first_and_marks_aside() -> None:
    lanes = prepare(
        Timeline(
            10.0,
            (
                line(CPU_BUSY, [1.0] * 10),
                line(INPUT_WAIT, [5.0] * 10, rank=0),
                line(INPUT_WAIT, [50.0] * 10, rank=1),
                line(GPU_BUSY, [90.0] * 10, device=0),
                line(GPU_BUSY, [10.0] * 10, device=1),
                Lane(EPOCHS, spans=((1.0, 1.0, "epoch 0"),), rank=0),
                Lane(MISSING_DATA, spans=((0.0, 10.0, "nvml: none"),)),
                line(POWER, [None] * 10, device=0),
            ),
        )
    )
    assert [family.name for family in lanes.families] == ["GPU busy", "input wait", "CPU busy"]
    assert [member.name for member in lanes.families[0].members] == ["GPU 1", "GPU 0"]
    assert [member.name for member in lanes.families[1].members] == ["rank 1", "rank 0"]
    assert [mark.label for mark in lanes.marks] == ["epoch 0"]


def test_few_points_are_packed_exactly() -> None:
    packed = pack(prepare(Timeline(10.0, (line(STEP, [1.0, None, 2.5], rank=0),))), 100_000)
    member = packed.index["families"][0]["members"][0]
    blob = gzip.decompress(base64.b64decode(packed.blob))
    assert member["points"] == 3
    assert np.frombuffer(blob, "<f4", 3, member["t"]).tolist() == [0.0, 1.0, 2.0]
    values = halves(blob, member["mid"], 3, member["scale"])
    assert values[0] == 1.0 and np.isnan(values[1]) and values[2] == 2.5


def test_many_points_keep_their_shape_within_the_budget() -> None:
    random = np.random.default_rng(1)
    values = (100 + 5 * random.standard_normal(200_000)).tolist()
    values[70_000] = 1e9
    packed = pack(prepare(Timeline(200_000.0, (line(STEP, values, rank=0),))), 40_000)
    assert len(packed.blob) <= 40_000
    member = packed.index["families"][0]["members"][0]
    blob = gzip.decompress(base64.b64decode(packed.blob))
    middle = halves(blob, member["mid"], member["buckets"], member["scale"])
    assert np.nanmedian(middle) == pytest.approx(100, rel=0.01)
    assert np.nanmax(halves(blob, member["high"], member["buckets"], member["scale"])) == pytest.approx(1e9, rel=0.03)
    assert member["stats"]["high"] == 1e9 and member["stats"]["n"] == 200_000


def test_waiting_windows_are_where_waiting_was_noticeable() -> None:
    waits = [1.0] * 300 + [40.0] * 300 + [1.0] * 400
    timeline = Timeline(1000.0, (line(STEP, [100.0] * 1000, rank=0), line(INPUT_WAIT, waits, rank=0)))
    report = make_report(timeline=timeline)
    found = shown(make_finding("too-few-workers"), report, prepare(timeline))
    assert len(found.windows) == 1
    assert found.windows[0] == pytest.approx((300.0, 600.0), abs=4.0)
    assert found.families == ("input wait",)


def test_pause_windows_are_the_long_steps() -> None:
    spans = ((1005 * SECOND, 1006 * SECOND),)
    pauses = LongSteps(1, 1.0, 0.1, 10.0, None, False, None, "unknown", spans)
    report = make_report(make_profile(ranks=(make_rank(long_steps=pauses),)))
    assert shown(make_finding("periodic-pause"), report, prepare(report.timeline)).windows == ((5.0, 6.0),)


def test_nothing_is_marked_when_all_of_the_run_is_alike() -> None:
    timeline = Timeline(1000.0, (line(STEP, [100.0] * 1000, rank=0), line(INPUT_WAIT, [40.0] * 1000, rank=0)))
    assert shown(make_finding(), make_report(timeline=timeline), prepare(timeline)).windows == ()


def test_page_has_its_sections_in_order() -> None:
    trials = (
        Trial(
            "t",
            "pinned memory",
            "too-few-workers",
            interval(10.0),
            interval(8.0),
            "ms",
            interval(1.25),
            "helps",
            "the same",
            "pin_memory=True",
            1.2,
        ),
    )
    page = render(make_report(trials=trials))
    order = [
        "verdict",
        "why",
        "what-to-do",
        "phases",
        "timeline",
        "lines",
        "loaders",
        "ranks",
        "experiments",
        "run",
        "gpuwatch-report",
    ]
    assert [match for match in re.findall(r'id="([\w-]+)"', page) if match in order] == order
    assert "1.25× (1.19× to 1.31×)" in page


@pytest.mark.parametrize("report", [make_report, hostile, three_steps, nothing])
def test_page_asks_for_nothing(report) -> None:  # type: ignore[no-untyped-def]
    page = render(report())
    assert not re.search(r"(?:src|href)\s*=\s*[\"']?(?:https?:)?//", page)
    assert "default-src 'none'" in page
    assert json.loads(re.search(r'id="gpuwatch-report">(.*?)</script>', page, re.S)[1])["schema"] == "gpuwatch.report/1"  # type: ignore[index]


def test_page_without_series_says_so_and_a_short_run_has_a_small_one() -> None:
    assert "Nothing was recorded over time." in render(make_report(timeline=None))
    assert len(render(make_report(timeline=make_timeline()))) < 150_000


def test_the_trainings_of_a_run_are_listed_and_one_alone_is_not() -> None:
    one = Training(1, 10, "python <a>.py", 0.5, 12.0, 1, 300, make_report().verdict, (), (), True)
    other = replace(one, number=2, command="python b.py", shown=False)
    page = render(make_report(trainings=(one, other)))
    assert "Trainings of this run</h3>" in page and "<td>python b.py</td>" in page and "python &lt;a&gt;.py" in page
    assert "Trainings of this run</h3>" not in render(make_report())


def test_the_badge_is_the_analyzers_word_for_the_bound_and_the_headline_does_not_repeat_it() -> None:
    profiles = [case.profile for cases in CASES.values() for case in cases]
    seen = set()
    for report in map(report_of, profiles):
        word, _, rest = verdict_text.headline(report.verdict).partition(": ")
        if word == "Borderline":
            continue
        card = verdict_card(report)
        badge, headline = (html.unescape(re.search(f"<{tag}[^>]*>(.*?)</", card)[1]) for tag in ("span", "h1"))  # type: ignore[index]
        assert (badge, headline) == (word, rest[:1].upper() + rest[1:])
        seen.add(report.verdict.bound)
    assert seen >= {"input", "compute", "host", "startup", "unknown"}
