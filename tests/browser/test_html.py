"""The HTML page in a real Chromium: it stands, zooms, refines, asks for nothing, and bears the edges."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from gpuwatch.model.report import Report
from gpuwatch.views.html import render
from tests.browser import chromium, reports
from tests.builders import make_report

pytestmark = [pytest.mark.browser, pytest.mark.skipif(chromium.binary() is None, reason="no Chromium on this machine")]
LARGEST_BYTES = 2_500_000


@pytest.fixture(scope="module")
def page() -> Iterator[chromium.Page]:
    with chromium.page() as opened:
        opened.size(1180, 900)
        yield opened


@pytest.fixture(scope="module")
def day_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("day") / "day.html"
    path.write_text(render(reports.day_long()), encoding="utf-8")
    return path


def shown(page: chromium.Page, report: Report, tmp_path: Path) -> Path:
    path = tmp_path / "report.html"
    path.write_text(render(report), encoding="utf-8")
    page.open(path)
    return path


def shown_range(page: chromium.Page) -> tuple[float, float]:
    """Return the window of time that the lanes show."""
    low, high = page.run("(({from, to}) => [Number(from), Number(to)])(document.getElementById('plot').dataset)")
    return low, high


def foreign(page: chromium.Page) -> list[str]:
    """Return the requests that are neither the file itself nor data in it."""
    return [url for url in page.requests if not url.startswith(("data:", "blob:")) and not url.endswith(".html")]


def test_page_draws_without_errors_or_requests(page: chromium.Page, tmp_path: Path) -> None:
    shown(page, make_report(), tmp_path)
    assert page.run("document.querySelectorAll('#plot path.line').length") >= 3
    assert page.run(INK) > 5
    assert page.errors == []
    assert foreign(page) == []


def test_a_day_of_eight_gpus_stays_small_and_gets_ready(page: chromium.Page, day_file: Path) -> None:
    assert day_file.stat().st_size <= LARGEST_BYTES
    page.send("Performance.enable", timeDomain="threadTicks")
    page.open(day_file)
    metrics = {item["name"]: item["value"] for item in page.send("Performance.getMetrics")["metrics"]}
    ready = page.run("document.documentElement.dataset.readyMs")
    cpu = 1e3 * metrics["TaskDuration"]
    print(
        f"\nday-long page: {day_file.stat().st_size:,} bytes, ready after {ready} ms (budget 1500), {cpu:.0f} ms of it CPU"
    )
    assert page.run("document.querySelectorAll('.lane-head').length") >= 8
    assert page.errors == []
    assert foreign(page) == []


def test_dragging_zooms_and_reads_finer_data(page: chromium.Page, day_file: Path) -> None:
    page.open(day_file)
    page.run("document.getElementById('plot').scrollIntoView({behavior: 'instant'})")
    box = page.run("(({x, y, width}) => ({x, y, width}))(document.getElementById('plot').getBoundingClientRect())")
    left, wide = box["x"] + 62, box["width"] - 72
    share = [30_000 / 86_400, 34_000 / 86_400]
    drawn = page.run(POINTS.replace("FROM", str(wide * share[0])).replace("TO", str(wide * share[1])))
    page.drag(left + wide * share[0], box["y"] + 70, left + wide * share[1], box["y"] + 72)
    low, high = shown_range(page)
    assert 29_900 < low < 30_100 and 33_900 < high < 34_100
    assert page.run(POINTS.replace("FROM", "0").replace("TO", str(wide))) > 5 * drawn
    page.run("document.getElementById('plot').dispatchEvent(new MouseEvent('dblclick'))")
    assert shown_range(page) == (0, 86_400)


def test_a_click_does_not_zoom(page: chromium.Page, tmp_path: Path) -> None:
    shown(page, make_report(), tmp_path)
    whole = shown_range(page)
    page.run("document.getElementById('plot').scrollIntoView({behavior: 'instant'})")
    box = page.run("(({x, y, width}) => ({x, y, width}))(document.getElementById('plot').getBoundingClientRect())")
    page.drag(box["x"] + 300, box["y"] + 60, box["x"] + 302, box["y"] + 60)
    assert shown_range(page) == whole


def test_lanes_are_chosen_and_the_theme_recolours_the_strips(page: chromium.Page, day_file: Path) -> None:
    page.open(day_file)
    rows = page.run("document.querySelectorAll('.lane-head').length")
    page.run("document.querySelector('#controls [aria-label=\"Lane Power\"]').click()")
    assert page.run("document.querySelectorAll('.lane-head').length") > rows
    before = page.run("document.querySelector('.strips canvas').toDataURL()")
    page.run("document.getElementById('theme').click()")
    assert page.run("document.querySelector('.strips canvas').toDataURL()") != before
    page.run("document.getElementById('theme').click()")


def test_keys_move_the_cursor_and_zoom(page: chromium.Page, tmp_path: Path) -> None:
    shown(page, make_report(), tmp_path)
    press = "document.getElementById('plot').dispatchEvent(new KeyboardEvent('keydown', {key: '%s', bubbles: true}))"
    page.run(press % "ArrowRight")
    assert page.run("getComputedStyle(document.querySelector('.cursor')).display") == "block"
    assert page.run("document.querySelector('.lane-head .now').textContent").endswith("µs")
    page.run(press % "+")
    assert shown_range(page)[1] - shown_range(page)[0] < 11


def test_a_finding_lights_its_lanes_and_windows(page: chromium.Page, day_file: Path) -> None:
    page.open(day_file)
    page.run("document.querySelectorAll('.show')[2].click()")
    page.wait_for("document.querySelectorAll('.lane-head.lit').length > 0")
    lit = page.run("Array.from(document.querySelectorAll('.lane-head.lit b')).map(b => b.textContent)")
    assert any(name.startswith("Step time") for name in lit) and not any(name.startswith("Input wait") for name in lit)
    assert page.run("document.querySelectorAll('#plot rect.window').length") == 40


def test_hostile_names_stay_text(page: chromium.Page, tmp_path: Path) -> None:
    path = shown(page, reports.hostile(), tmp_path)
    assert page.errors == []
    assert page.run("document.querySelectorAll('script').length") == 9
    assert "alert(1)" in page.run("document.querySelector('code.command').textContent")
    assert "\u202e" not in path.read_text(encoding="utf-8").split("<script", 1)[0]


@pytest.mark.parametrize("report", [reports.three_steps, reports.nothing], ids=["three steps", "nothing seen"])
def test_thin_runs_have_a_page(page: chromium.Page, tmp_path: Path, report: object) -> None:
    shown(page, report(), tmp_path)  # type: ignore[operator]
    assert page.errors == []
    assert page.run("document.querySelector('h1').textContent").startswith(
        "The command was killed by signal 9: only 3 steps" if report is reports.three_steps else "No training"
    )


def test_page_says_the_same_without_javascript(page: chromium.Page, tmp_path: Path) -> None:
    page.send("Emulation.setScriptExecutionDisabled", value=True)
    try:
        path = tmp_path / "report.html"
        path.write_text(render(make_report()), encoding="utf-8")
        page.load(path)
        text = page.run("document.body.innerText")
        assert "spent waiting for data" in text and "Raise num_workers from 2 to 3." in text and "Input wait" in text
        assert page.run("document.querySelectorAll('.static-lanes svg').length") >= 3
        assert page.run("document.querySelector('#phases svg.bar').getBoundingClientRect().width") > 300
        assert page.run("Array.from(document.querySelectorAll('button')).every(b => b.hidden)")
    finally:
        page.send("Emulation.setScriptExecutionDisabled", value=False)


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_text_has_contrast(page: chromium.Page, tmp_path: Path, dark: bool) -> None:
    page.size(1180, 900, dark)
    try:
        shown(page, make_report(), tmp_path)
        assert page.run(CONTRAST) == []
    finally:
        page.size(1180, 900)


def test_phone_width_does_not_scroll_sideways(page: chromium.Page, day_file: Path) -> None:
    page.size(400, 800)
    try:
        page.open(day_file)
        assert page.run("document.documentElement.scrollWidth") == 400
    finally:
        page.size(1180, 900)


def test_print_shows_the_plain_lanes_within_the_paper(page: chromium.Page, tmp_path: Path) -> None:
    shown(page, make_report(), tmp_path)
    page.size(718, 1000)
    page.send("Emulation.setEmulatedMedia", media="print")
    try:
        assert page.run("document.documentElement.scrollWidth") <= 718
        assert page.run("getComputedStyle(document.querySelector('.static-lanes')).display") == "block"
        assert page.run("getComputedStyle(document.getElementById('plot')).display") == "none"
        assert page.run("getComputedStyle(document.querySelector('nav')).display") == "none"
    finally:
        page.send("Emulation.setEmulatedMedia", media="")
        page.size(1180, 900)


# How far the lane that moves most goes up and down, in pixels.
INK = "Math.max(...Array.from(document.querySelectorAll('#plot path.line'), line => line.getBBox().height))"

# Points of the first lane's line between two distances from its left end.
POINTS = """Array.from(document.querySelector('#plot path.line').getAttribute('d').matchAll(/[ML]([\\d.]+) /g))
  .map(part => Number(part[1])).filter(x => x >= FROM && x <= TO).length"""

# Every piece of text against the nearest background behind it: what has less than 4.5.
CONTRAST = """(() => {
  const parts = (color) => color.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map(c => (c /= 255) <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = (node) => { for (; node; node = node.parentElement) {
    const color = parts(getComputedStyle(node).backgroundColor); if (color.length < 4 || color[3] > 0.9) return color; } return [255, 255, 255]; };
  const poor = [];
  for (const node of document.querySelectorAll('body *:not(script):not(svg):not(svg *)')) {
    if (!node.offsetParent || !Array.from(node.childNodes).some(child => child.nodeType === 3 && child.textContent.trim())) continue;
    if (node.closest('.visually-hidden, .skip')) continue;
    const a = light(parts(getComputedStyle(node).color)), b = light(behind(node));
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) poor.push(`${node.tagName}.${node.className} ${node.textContent.slice(0, 30)} ${ratio.toFixed(2)}`);
  }
  return poor;
})()"""
