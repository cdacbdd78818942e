"""The page of many runs in a real Chromium: sorted by a click, searched in all tables, no request."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from gpuwatch.views.html.fleet import render
from tests.browser import chromium
from tests.unit.views.test_fleet import HOSTILE, make_fleet, make_group

pytestmark = [pytest.mark.browser, pytest.mark.skipif(chromium.binary() is None, reason="no Chromium on this machine")]
FIRST = "[...document.querySelectorAll('#users tbody tr:not(.hidden)')].map((row) => row.cells[0].textContent)"


@pytest.fixture(scope="module")
def page() -> Iterator[chromium.Page]:
    with chromium.page() as opened:
        opened.size(1180, 900)
        yield opened


def shown(page: chromium.Page, folder: Path, foreign: str = "images") -> None:
    users = (make_group("bob", runs=10), make_group("alice", runs=9), make_group("carol", runs=100))
    path = folder / "fleet.html"
    path.write_text(render(replace(make_fleet(foreign), users=users)), encoding="utf-8")
    page.open(path)


def test_a_click_on_a_name_sorts_and_another_turns_it_round(page: chromium.Page, tmp_path: Path) -> None:
    shown(page, tmp_path)
    click = "document.querySelectorAll('#users th button')[{}].click()"
    page.run(click.format(1))
    assert page.run(FIRST) == ["carol", "bob", "alice"]
    page.run(click.format(1))
    assert page.run(FIRST) == ["alice", "bob", "carol"]
    page.run(click.format(0))
    assert page.run(FIRST) == ["alice", "bob", "carol"]
    assert page.run("document.querySelectorAll('#users th[aria-sort]').length") == 1


def test_a_search_leaves_the_rows_that_have_all_words(page: chromium.Page, tmp_path: Path) -> None:
    shown(page, tmp_path)
    search = "const f = document.getElementById('search'); f.value = '{}'; f.dispatchEvent(new Event('input'))"
    page.run("{" + search.format("CAROL input") + "}")
    assert page.run(FIRST) == ["carol"]
    assert page.run("document.getElementById('found').textContent").startswith("1 of ")
    assert page.run("document.getElementById('lines').classList.contains('hidden')") is True
    page.run("{" + search.format("") + "}")
    assert len(page.run(FIRST)) == 3


def test_foreign_text_runs_nothing_and_nothing_is_requested(page: chromium.Page, tmp_path: Path) -> None:
    page.requests.clear()
    page.errors.clear()
    shown(page, tmp_path, HOSTILE)
    assert page.run("document.querySelectorAll('img').length") == 0
    assert page.errors == []
    assert [request for request in page.requests if not request.startswith(("file:", "data:"))] == []
