"""The exported plotly page in a real Chromium: it draws, asks for nothing, and reads all rows at one moment."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from gpuwatch.model.report import Report
from gpuwatch.views.plotly_figure.page import render
from gpuwatch.views.verdict_text import headline
from tests.browser import chromium, reports
from tests.builders import make_report

pytestmark = [pytest.mark.browser, pytest.mark.skipif(chromium.binary() is None, reason="no Chromium on this machine")]
TRACES = "document.querySelectorAll('.scatterlayer .trace path.js-line').length"
HOVERED = "Array.from(document.querySelectorAll('.hoverlayer text'), text => text.textContent).join('|')"


@pytest.fixture(scope="module")
def page() -> Iterator[chromium.Page]:
    with chromium.page() as opened:
        opened.size(1180, 900)
        yield opened


def shown(page: chromium.Page, report: Report, tmp_path: Path) -> None:
    path = tmp_path / "figure.html"
    path.write_text(render(report), encoding="utf-8")
    page.open(path)
    page.wait_for("document.querySelector('.js-plotly-plot .infolayer .gtitle')")


@pytest.mark.parametrize("made", [make_report, reports.day_long, reports.three_steps, reports.hostile])
def test_it_draws_without_errors_or_requests(page: chromium.Page, tmp_path: Path, made: object) -> None:
    report = made()  # type: ignore[operator]
    shown(page, report, tmp_path)
    assert page.run(TRACES) >= 1
    assert page.errors == []
    assert [url for url in page.requests if not url.startswith(("data:", "blob:", "file:"))] == []
    assert page.run("document.title").startswith("gpuwatch: ")
    assert page.run("document.querySelector('.gtitle').textContent")[:20] == headline(report.verdict)[:20]
    assert not page.run("Boolean(document.querySelector('.modebar-btn[data-title*=hare], .modebar-btn.plotlyjsicon'))")


def test_hostile_names_are_shown_as_they_are(page: chromium.Page, tmp_path: Path) -> None:
    shown(page, reports.hostile(), tmp_path)
    assert page.run("document.querySelector('.gtitle-subtitle').textContent").startswith(
        "<script>alert(1)</script>\"'&"
    )


def test_pointing_at_one_row_reads_them_all(page: chromium.Page, tmp_path: Path) -> None:
    shown(page, make_report(), tmp_path)
    box = page.run(
        "(({x, y, width, height}) => ({x, y, width, height}))(document.querySelector('.xy2 .plot, .xy2').getBoundingClientRect())"
    )
    for step in (0, 3):
        x, y = box["x"] + box["width"] / 2 + step, box["y"] + box["height"] / 2
        page.send("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y, button="none")
    page.wait_for("document.querySelector('.hoverlayer text')")
    told = page.run(HOVERED)
    assert "Input wait : " in told and "Step time : " in told and " cores" in told
