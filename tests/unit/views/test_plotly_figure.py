"""The plotly figure: which rows it has, what each shows, and that foreign words stay words."""

from __future__ import annotations

from importlib import resources
from typing import Any

import numpy as np
import plotly.graph_objects as go
import pytest

from gpuwatch.diagnosis.examples.parts import make_run
from gpuwatch.model.timeline import Lane, Timeline
from gpuwatch.views.plotly_figure import figure, labels, marks
from gpuwatch.views.plotly_figure.rows import MOST_IN_STRIP, MOST_ROWS
from gpuwatch.words.lanes import CPU_BUSY, EPOCHS, EVALUATION, GPU_BUSY, INPUT_WAIT, STEP, WORKER, LaneKind
from tests.builders import make_report

T = tuple(float(at) for at in range(100))


def drawn(*lanes: Lane, seconds: float = 100.0, **changes: Any) -> go.Figure:
    return figure(make_report(timeline=Timeline(seconds, lanes), **changes))


def line(of: LaneKind, value: float = 1.0, **whose: int) -> Lane:
    return Lane(of, T, tuple(value + at % 3 for at in T), **whose)


def heads(shown: go.Figure) -> list[str]:
    """Return the rows' titles, without what is said beside them."""
    return [a.text.partition("</b>")[0].removeprefix("<b>") for a in shown.layout.annotations if "<b>" in a.text]


def footnote(shown: go.Figure) -> str:
    return str(shown.layout.annotations[-1].text).replace("<br>", " ")


def test_rows_stand_below_each_other_in_the_pages_order_over_one_axis_of_time() -> None:
    shown = figure(make_report())
    assert heads(shown) == ["Input wait", "Step time", "Worker", "CPU busy"]
    assert {trace.xaxis for trace in shown.data} == {"x"} and len({trace.yaxis for trace in shown.data}) == 5
    domains = [shown.layout[f"yaxis{n}"].domain for n in ("", 2, 3, 4, 5)]
    assert all(upper[0] >= lower[1] for upper, lower in zip(domains, domains[1:], strict=False))
    assert domains[0][1] == 1 and min(low for low, _ in domains) >= 0
    assert all(high > low for low, high in domains)
    assert (shown.layout.xaxis.anchor, tuple(shown.layout.xaxis.range)) == ("y5", (0, 20))
    assert {trace.type for trace in shown.data} == {"scatter", "heatmap"}
    assert shown.layout.hovermode == "x unified" and not shown.layout.showlegend


def test_the_title_is_the_verdict_and_the_line_below_it_the_run() -> None:
    shown = drawn(line(CPU_BUSY), run=make_run(name="baseline"))
    assert shown.layout.title.text.startswith("<b>Input-bound: 33% of the training loop is spent waiting for data")
    assert shown.layout.title.subtitle.text == "baseline · python train.py · 2026-11-18 11:06 UTC · 20.0 s"


def test_values_are_drawn_as_they_are_and_waiting_in_its_own_colour() -> None:
    wait = Lane(INPUT_WAIT, (1.0, 2.0, 3.0), (5.0, None, 7.0), rank=0)
    shown = drawn(wait, line(CPU_BUSY), seconds=4.0)
    first, second = shown.data
    assert list(first.x) == [1, 2, 3] and first.y[0] == 5 and np.isnan(first.y[1])
    assert (first.line.color, second.line.color) == (labels.WAIT, labels.WORK)
    assert first.line.shape == "vh" and "ms" in first.hovertemplate
    assert "median 6 ms" in shown.layout.annotations[0].text


def test_a_million_values_become_a_line_in_a_band_that_keeps_the_extremes() -> None:
    t = np.linspace(0, 1000, 1_000_000)
    values = np.ones(len(t))
    values[123_456] = 3.5
    values[(t > 500) & (t < 700)] = np.nan
    shown = drawn(Lane(STEP, tuple(t), tuple(values), rank=0), seconds=1000.0)
    band, median = shown.data
    assert len(median.x) <= 2000 and band.fill == "toself" and band.hoverinfo == "skip"
    assert np.nanmax(band.y) == 3.5 and np.nanmax(median.y) == 1
    hole = (median.x > 510) & (median.x < 690)
    assert np.isnan(median.y[hole]).all() and not np.any((band.x > 510) & (band.x < 690))
    assert median.customdata.shape == (len(median.x), 2) and np.nanmax(median.customdata[:, 1]) == 3.5
    assert "median; band" in footnote(shown)


def test_few_lanes_each_have_a_row_and_of_many_the_worst_has_one_and_all_a_strip() -> None:
    few = drawn(*(line(GPU_BUSY, 10.0 * n, device=n) for n in range(3)))
    assert heads(few) == ["GPU busy · GPU 0 (worst)", "GPU busy · GPU 1", "GPU busy · GPU 2"]
    assert "Not drawn" not in footnote(few)
    many = drawn(*(line(GPU_BUSY, 90.0 - 10.0 * n, device=n) for n in range(8)))
    assert heads(many) == ["GPU busy · GPU 7 (worst of 8)", "GPU busy: all 8, the worst on top"]
    strip = many.data[-1]
    assert strip.type == "heatmap" and np.shape(strip.z)[0] == 8 and strip.zmax == 100
    assert list(strip.y) == [f"GPU {n}" for n in range(7, -1, -1)]
    assert tuple(many.layout.yaxis2.range) == (7.5, -0.5), "the worst on top"


def test_a_strip_is_dark_where_a_worker_makes_a_batch_and_empty_where_there_was_none() -> None:
    spans = ((10.0, 20.0, "fetching"), (20.0, 30.0, "waiting"))
    (strip,) = drawn(Lane(WORKER, spans=spans, rank=0, worker=0)).data
    (row,) = np.asarray(strip.z)
    at = strip.x0 + strip.dx * np.arange(len(row))
    assert np.allclose(row[(at > 10.5) & (at < 19.5)], 1) and np.allclose(row[(at > 20.5) & (at < 29.5)], 0)
    assert np.isnan(row[(at < 9.5) | (at > 30.5)]).all()


def test_the_rows_are_bounded_and_what_is_left_out_is_named() -> None:
    things = [LaneKind(f"thing_{n}", f"thing {chr(97 + n)}", unit="%", per="gpu") for n in range(MOST_ROWS + 2)]
    families = [line(thing, device=gpu) for thing in things for gpu in range(2)]
    shown = drawn(*families, *(line(GPU_BUSY, device=n) for n in range(3)))
    assert len(heads(shown)) == MOST_ROWS
    assert heads(shown)[0].startswith("GPU busy · GPU 0") and "1 more of Thing a" in footnote(shown)
    assert "Thing v" in footnote(shown) and "2 more of GPU busy" in footnote(shown)
    workers = [Lane(WORKER, spans=((0.0, 1.0, "fetching"),), rank=0, worker=n) for n in range(200)]
    crowd = drawn(*workers)
    assert np.shape(crowd.data[0].z)[0] == MOST_IN_STRIP and f"{200 - MOST_IN_STRIP} more of Workers" in footnote(crowd)
    assert crowd.layout.height < 600


def test_marks_are_lines_and_bands_over_all_rows_with_a_row_of_their_own() -> None:
    epochs = Lane(EPOCHS, spans=((10.0, 10.0, "epoch 0"), (50.0, 50.0, "epoch 1")), rank=0)
    same = Lane(EPOCHS, spans=((10.01, 10.01, "epoch 0"), (50.01, 50.01, "epoch 1")), rank=1)
    evaluation = Lane(EVALUATION, spans=((40.0, 49.0, "evaluation"),), rank=0)
    shown = drawn(line(CPU_BUSY), epochs, same, evaluation)
    assert [(shape.type, shape.x0) for shape in shown.layout.shapes] == [("line", 10), ("line", 50), ("rect", 40)]
    assert {shape.yref for shape in shown.layout.shapes} == {"paper"}
    assert shown.layout.yaxis.ticktext == ("evaluation", "epochs")
    names, band = shown.data[0], shown.data[1]
    assert [word for word in names.text if word] == ["epoch 0", "epoch 1"]
    assert band.x == (40, 49, None) and band.customdata[0] == "evaluation, 9.0 s"


def test_too_many_marks_are_no_lines_and_do_not_write_over_each_other() -> None:
    many = Lane(EPOCHS, spans=tuple((t, t, f"epoch {t:.0f}") for t in T), rank=0)
    shown = drawn(line(CPU_BUSY), many)
    assert len(T) > marks.MOST_LINES and shown.layout.shapes == ()
    assert 3 < len([word for word in shown.data[0].text if word]) < 20


def test_foreign_words_stay_words() -> None:
    evil = "<script>alert(1)</script> %{x} $a$ <a href='x'>&amp;"
    lanes = (
        Lane(LaneKind("evil", evil, unit=evil), (1.0, 2.0), (1.0, 2.0), note=evil),
        Lane(LaneKind("evil_spans", evil, "spans"), spans=((0.0, 2.0, evil),)),
        Lane(EPOCHS, spans=((1.0, 1.0, evil),), rank=0),
    )
    report = make_report(timeline=Timeline(4.0, lanes), run=make_run(name=evil, command=("python", evil)))
    told = str(figure(report).to_plotly_json())
    assert "<script" not in told and "<a" not in told and "alert" in told
    assert "%{x}" not in told and "$" not in told
    assert labels.literal(evil) == (
        "&lt;script&gt;alert(1)&lt;/script&gt; %&#123;x} &#36;a&#36; &lt;a href='x'&gt;&amp;amp;"
    )


@pytest.mark.parametrize("lanes", [(), (Lane(GPU_BUSY, (1.0,), (None,), device=0),)])
def test_a_run_without_series_says_so(lanes: tuple[Lane, ...]) -> None:
    shown = drawn(*lanes, seconds=3.0)
    assert not shown.data and "Nothing was recorded" in footnote(shown)


def test_no_gpu_has_no_gpu_rows_and_one_sample_is_enough() -> None:
    shown = drawn(Lane(CPU_BUSY, (1.0,), (0.0,)), seconds=2.0)
    assert heads(shown) == ["CPU busy"] and shown.data[0].mode == "lines+markers"


def test_its_colours_are_the_pages() -> None:
    style = resources.files("gpuwatch.views.html").joinpath("assets/style.css").read_text().split("}")[0]
    for colour in (labels.INK, labels.SOFT, labels.RULE, labels.SHADE, labels.WORK, labels.WAIT):
        assert colour in style
    assert all(colour in style for colour in marks.COLOURS.values())
