"""`gpuwatch fleet`: exit codes, data alone on stdout, the dataset where it was asked for, one clear line for what is missing."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from gpuwatch.fleet import engines
from gpuwatch.views.fleet_json import schema
from tests.fleets import Inline, write_run

pytest.importorskip("pyarrow")


@pytest.fixture(autouse=True)
def inline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Inline:
    pytest.importorskip("duckdb")
    engine = Inline()
    monkeypatch.setattr(engines, "engine_named", lambda name, workers: engine)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return engine


def test_runs_here_are_summarised_and_read_once(call: Any, inline: Inline, tmp_path: Path) -> None:
    write_run(tmp_path / ".gpuwatch" / "a")
    result = call("fleet")
    assert result.code == 0, result.err
    assert "GPU hours lost in 1 run" in result.out and "no-worker-processes" in result.out
    assert call("fleet").out.startswith(result.out[:40]) and inline.calls == 1
    assert (tmp_path / "cache" / "gpuwatch" / "fleet").is_dir()


def test_json_is_data_alone_and_fits_the_published_schema(call: Any, tmp_path: Path) -> None:
    write_run(tmp_path / "runs" / "a")
    broken = write_run(tmp_path / "runs" / "b")
    (broken / "run.json").write_text('{"schema": "other/1"}')
    result = call("fleet", "runs", "--parquet", "data", "--price", "2.5", "--json")
    assert result.code == 0
    jsonschema.validate(result.json, schema())
    assert result.json["schema"] == "gpuwatch.fleet/1"
    assert [one["run"] for one in result.json["unreadable"]] == [str(broken.resolve())]
    assert result.json["totals"]["cost"] == pytest.approx(2.5 * result.json["totals"]["gpu_hours"])


def test_a_dataset_alone_is_summarised_without_reading(call: Any, inline: Inline, tmp_path: Path) -> None:
    write_run(tmp_path / "runs" / "a", user="alice")
    write_run(tmp_path / "runs" / "b", user="bob")
    call("fleet", "runs", "--parquet", "data", "--json")
    again = call("fleet", "--parquet", "data", "--where", "user=bob", "--json")
    assert (again.json["runs"], again.json["read"], inline.calls) == (1, 0, 2)


def test_a_page_has_links_to_the_reports_beside_it(call: Any, tmp_path: Path) -> None:
    path = write_run(tmp_path / "runs" / "a")
    write_run(tmp_path / "runs" / "b")
    (path / "report.html").write_text("x")
    result = call("fleet", "runs", "--html", "night.html", "--reports", "1")
    assert (result.code, result.out) == (0, "")
    page = (tmp_path / "night.html").read_text()
    (written,) = (tmp_path / "night-reports").iterdir()
    assert f'href="./night-reports/{written.name}"' in page
    assert "gpuwatch" in written.read_text()
    assert page.count("href=") - page.count('href="#') - page.count('href="data:') == 1 + (written.name != "1-a.html")


def test_places_without_runs_are_said_and_no_error(call: Any, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    result = call("fleet", "empty", "--json")
    assert result.code == 0 and result.json["runs"] == 0
    assert result.err == "gpuwatch: no run in empty\n"


@pytest.mark.parametrize(
    "wrong",
    [("nowhere",), ("--where", "usr=x"), ("--since", "soon"), ("--price", "-1")],
    ids=lambda words: words[-1],
)
def test_a_wrong_call_is_one_line_and_ends_with_2(call: Any, wrong: tuple[str, ...]) -> None:
    result = call("fleet", *wrong)
    assert result.code == 2 and result.out == "" and "Traceback" not in result.err


@pytest.mark.parametrize("library", ["duckdb", "pyarrow"])
def test_a_missing_library_is_one_line_that_says_what_brings_it(
    call: Any, library: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name == library or name.startswith(f"{library}.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, library, None)
    result = call("fleet")
    assert result.code == 1 and result.out == ""
    assert result.err.count("\n") == 1 and "pip install 'gpuwatch[fleet]'" in result.err
