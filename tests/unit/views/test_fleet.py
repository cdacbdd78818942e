"""The summary of many runs, drawn: the same rows in terminal and page, nothing foreign in either."""

from __future__ import annotations

import html
import io
import re
import runpy
from dataclasses import replace
from pathlib import Path

import jsonschema
import pytest

from gpuwatch.model.fleet import CostlyLine, Fleet, FleetGroup, FleetRun, Lost, Regression, SlowNode, UnreadableRun
from gpuwatch.views import fleet_json, fleet_table, terminal
from gpuwatch.views.fleet_rows import headline, notes, sections
from gpuwatch.views.html.fleet import address, render
from gpuwatch.views.html.page import render as render_report
from tests.builders import make_report

ROOT = Path(__file__).resolve().parents[3]


def make_group(key: str | None = "alice", **changes: object) -> FleetGroup:
    lost = Lost("input wait", "oversized-decode", False, 3, 30.0, 30.0, 75.0)
    group = FleetGroup(
        key, 4, 2, 2, 100.0, 40.0, 110.0, 44.0, 250.0, 100.0, (lost, Lost("startup", None, False, 4, 10.0, 14.0))
    )
    return replace(group, **changes)  # type: ignore[arg-type]


def make_fleet(foreign: str = "images", **changes: object) -> Fleet:
    groups = (make_group(foreign), make_group(None))
    run = FleetRun(
        f"/runs/{foreign}", 2, None, foreign, foreign, "train.py", "a" * 40, "n1", "2026-11-20T10:00:00+00:00", "finished",
        "input", "Input-bound", "oversized-decode", 9.0, 4.0, 9.0, 4.0, f"/runs/{foreign}/report.html", 10.0,
    )  # fmt: skip
    fleet = Fleet(
        places=("/runs",), dataset="/data", filters=(), since=None, engine="pool", price_per_gpu_hour=2.5, read=3, unchanged=1,
        unreadable=(UnreadableRun(f"/runs/{foreign}", foreign),), closed=(), runs=4, running=0, without_training=0,
        experiments=0, totals=make_group("all"), users=groups, projects=groups, scripts=groups, commits=groups, nodes=groups,
        causes=groups,
        lines=(CostlyLine(foreign, f"{foreign}.py", 48, "load", f"x = {foreign}", 3, 2, 12.0, 12.0, "/runs/a", 30.0),),
        regressions=(
            Regression(foreign, "train.py", "python train.py", "a" * 40, "b" * 40, True, "sample", 1.0, 1.4, 1.4, 3, 3, 2.0, 2.0,
                       "input wait", 5.0),
        ),
        slow_nodes=(SlowNode(foreign, 1.3, 1.2, 4, 3, 9, 5.0, 5.0, None, ("storage-wait",), 12.5),),
        costliest=(run,),
    )  # fmt: skip
    return replace(fleet, **changes)  # type: ignore[arg-type]


def drawn(fleet: Fleet, width: int = 100) -> str:
    stream = io.StringIO()
    terminal.show(fleet_table.render(fleet, width), stream, terminal.Screen(width, False, False))
    return stream.getvalue()


def test_the_headline_says_how_much_was_lost_of_what() -> None:
    assert headline(make_fleet()) == "40% of 100 GPU hours lost in 4 runs, at a cost of 100"
    nothing = replace(make_fleet(), totals=make_group("all", gpu_hours=0.0, lost_gpu_hours=0.0))
    assert headline(nothing) == "40% of 110 hours lost in 4 runs"
    assert "No run had a GPU" in notes(nothing)[0]


def test_what_is_in_no_figure_is_said() -> None:
    fleet = make_fleet(
        closed=("/x",), running=1, without_training=2, experiments=3, filters=("user=alice",), since="7d"
    )
    said = " ".join(notes(fleet))
    for what in ("user=alice, started since 7d", "1 run cannot be read and is", "1 folder may not", "1 run still running",
                 "2 runs without a training", "3 experiments"):  # fmt: skip
        assert what in said


def test_money_is_a_column_only_with_a_price() -> None:
    assert all("cost" in section.head for section in sections(make_fleet()) if section.id != "unreadable")
    assert not any("cost" in section.head for section in sections(make_fleet(price_per_gpu_hour=None)))


def test_every_row_fits_its_head() -> None:
    for fleet in (make_fleet(), make_fleet(price_per_gpu_hour=None)):
        found = sections(fleet)
        assert len(found) == 12
        assert all(len(row) == len(section.head) for section in found for row in section.rows)
        assert all(section.wide < len(section.head) for section in found)


@pytest.mark.parametrize("width", [80, 100, 200])
def test_the_terminal_shows_every_section_within_its_width(width: int) -> None:
    text = drawn(make_fleet(), width)
    assert all(section.title in text for section in sections(make_fleet()))
    assert max(map(len, text.splitlines())) <= width
    assert "not recorded" in text and "oversized-decode" in text
    assert text.count("because of") == 2


HOSTILE = "</script><img src=x onerror=alert(1)>\x1b[31m\u202e'\"&"


def test_foreign_text_steers_no_terminal_and_ends_no_element() -> None:
    fleet = make_fleet(HOSTILE)
    text = drawn(fleet)
    assert "\x1b" not in text and "\u202e" not in text
    page = render(fleet)
    assert "<img" not in page and "\x1b" not in page and "\u202e" not in page
    assert page.count("</script>") == 2
    assert html.escape("</script><img src=x onerror=alert(1)>") in page


def test_the_page_may_do_what_the_report_may() -> None:
    policy = re.compile(r'<meta http-equiv="Content-Security-Policy" content="([^"]+)">')
    (mine,), (reports,) = policy.findall(render(make_fleet())), policy.findall(render_report(make_report()))
    assert mine == reports and "default-src 'none'" in mine
    assert not re.search(r"""(?:src|href)=["']?(?:https?:)?//""", render(make_fleet()))


def test_numbers_are_sorted_by_their_value() -> None:
    assert 'data-value="40"' in render(make_fleet())


@pytest.mark.parametrize(
    ("link", "leads"),
    [
        ("/runs/a b/report.html", "file:///runs/a%20b/report.html"),
        ("night-reports/1-a.html", "./night-reports/1-a.html"),
        ("javascript:alert(1)", "./javascript%3Aalert%281%29"),
        ("https://host/a.html", "https://host/a.html"),
        ("s3://bucket/report.html", None),
        ("javascript://x%0aalert(1)", None),
    ],
)
def test_links_lead_to_files_and_pages_alone(link: str, leads: str | None) -> None:
    assert address(link) == leads


def test_the_summary_fits_the_published_schema() -> None:
    jsonschema.validate(fleet_json.to_dict(make_fleet()), fleet_json.schema())
    jsonschema.validate(fleet_json.to_dict(make_fleet(HOSTILE, price_per_gpu_hour=None)), fleet_json.schema())
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(fleet_json.to_dict(make_fleet()) | {"runs": "many"}, fleet_json.schema())


def test_the_published_schema_is_the_one_of_the_model() -> None:
    made = runpy.run_path(str(ROOT / "scripts" / "schema"))["fleet_schema"]()
    assert made == fleet_json.schema(), "run scripts/schema"
