"""The verbs that read runs: exit codes, data alone on stdout, one clear line for a wrong call.

The run folders are real; the analysis is replaced where the verb's own work is what is looked at.
"""

from __future__ import annotations

import gzip
import json
import os
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import pytest

from gpuwatch.diagnosis.examples.parts import make_hot_line, make_profile, make_run
from gpuwatch.store import folder
from tests.builders import make_report
from tests.spools import FakeRun


def add_run(run_id: str, started_s: int = 1_795_000_000, **changes: Any) -> Path:
    path = Path(".gpuwatch") / run_id
    (path / "spool").mkdir(parents=True)
    folder.write_info(path, make_run(id=run_id, started_wall_ns=started_s * 10**9, **changes))
    return path


@pytest.fixture
def reports(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Reports by run id, handed out in place of an analysis; a run that is not in it gets the default one."""
    made: dict[str, Any] = {}

    def build(recording: Any, with_timeline: bool = True, training: int | None = None) -> Any:
        return made.get(recording.run.id, make_report(run=recording.run))

    monkeypatch.setattr("gpuwatch.build_report.build", build)
    return made


READERS = [("report",), ("lines",), ("check", "--fail-on", "input_wait>10%"), ("export", "--to", "csv")]


@pytest.mark.parametrize("verb", READERS, ids=lambda verb: verb[0])
def test_no_run_at_all_is_one_line_that_says_what_next(call: Any, verb: tuple[str, ...]) -> None:
    result = call(*verb)
    assert result.code == 2 and result.out == ""
    assert result.err.count("\n") == 1 and "gpuwatch run" in result.err


@pytest.mark.parametrize("verb", READERS, ids=lambda verb: verb[0])
def test_a_run_that_is_not_there_is_one_line(call: Any, verb: tuple[str, ...]) -> None:
    add_run("20261120-120000")
    result = call(verb[0], "nosuch", *verb[1:])
    assert result.code == 2 and result.out == ""
    assert result.err.count("\n") == 1 and "nosuch" in result.err


def test_a_folder_that_is_no_run_is_one_line(call: Any, tmp_path: Path) -> None:
    result = call("report", str(tmp_path))
    assert result.code == 2 and "not a run folder" in result.err


def test_the_card_of_a_run_with_nothing_in_it_is_drawn_by_the_real_analysis(call: Any) -> None:
    add_run("20261120-120000", exit_code=None, signal=9)
    result = call("report")
    assert result.code == 0 and result.err == ""
    assert "Unknown" in result.out and "killed by signal 9" in result.out


def test_json_of_the_real_analysis_fits_the_schema(call: Any) -> None:
    import jsonschema

    from gpuwatch.views.json import schema

    add_run("20261120-120000")
    result = call("report", "--json")
    assert result.code == 0 and result.err == ""
    jsonschema.validate(result.json, schema())


def test_report_writes_the_files_that_are_asked_for(call: Any, reports: Any, tmp_path: Path) -> None:
    add_run("20261120-120000")
    result = call("report", "--json", "out.json", "--markdown", "out.md", "--sarif", "out.sarif")
    assert result.code == 0 and result.out == ""
    assert json.loads((tmp_path / "out.json").read_text())["schema"] == "gpuwatch.report/1"
    assert (tmp_path / "out.md").read_text().startswith("### gpuwatch: Input-bound")
    (run,) = json.loads((tmp_path / "out.sarif").read_text())["runs"]
    rules = run["tool"]["driver"]["rules"]
    assert [rules[result["ruleIndex"]]["id"] for result in run["results"]] and all(
        rule["help"]["text"] for rule in rules
    )
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".out")] == []


def test_a_file_that_cannot_be_written_is_one_line(call: Any, reports: Any) -> None:
    add_run("20261120-120000")
    result = call("report", "--json", "no/such/folder.json")
    assert result.code == 1 and result.out == ""
    assert result.err.count("\n") == 1 and "cannot be written" in result.err


def test_runs_lists_oldest_first_and_what_cannot_be_read_too(call: Any) -> None:
    add_run("20261120-130000", 1_795_003_600, exit_code=3)
    add_run("20261120-120000", 1_795_000_000)
    broken = Path(".gpuwatch/20261120-110000")
    broken.mkdir()
    (broken / "run.json").write_text("{torn")
    listed = call("runs", "--json").json["runs"]
    assert [run["id"] for run in listed] == ["20261120-110000", "20261120-120000", "20261120-130000"]
    assert "problem" in listed[0] and listed[2]["status"] == {"exit_code": 3, "signal": None}
    assert listed[1]["duration_s"] == 60.0
    table = call("runs")
    assert table.code == 0 and "unreadable" in table.out and "ended with status 3" in table.out
    assert [run["id"] for run in call("runs", "-n", "1", "--json").json["runs"]] == ["20261120-130000"]


def test_runs_without_any_is_no_error_and_valid_json(call: Any) -> None:
    assert call("runs", "--json").json["runs"] == []
    assert "gpuwatch run" in call("runs").err


def test_packing_makes_a_run_small_and_changes_nothing_that_is_read(call: Any) -> None:
    run = FakeRun(Path(".gpuwatch") / "long")
    run.trainer().loop(batches=500)
    path = run.write()
    before = call("report", "--json").json
    packed = call("runs", "--pack", "long", "--json").json
    assert packed["bytes_after"] < packed["bytes_before"] / 3
    assert sum(file.stat().st_size for file in (path / "spool").iterdir()) == packed["bytes_after"]
    assert call("report", "--json").json == before
    assert "nothing to pack" in call("runs", "--pack", "long").out


def test_a_packing_that_was_killed_is_read_once_and_ended_by_the_next(call: Any) -> None:
    run = FakeRun(Path(".gpuwatch") / "cut")
    run.trainer().loop(batches=50)
    spool = run.write() / "spool"
    (file,) = spool.iterdir()
    before = call("report", "--json").json
    (spool / f"{file.name}.gz").write_bytes(gzip.compress(file.read_bytes()))
    (spool / f".{file.name}.gz").write_bytes(b"half")
    assert call("report", "--json").json == before
    assert call("runs", "--pack", "cut").code == 0
    assert [entry.name for entry in spool.iterdir()] == [f"{file.name}.gz"]


def test_a_run_that_goes_on_is_not_packed(call: Any) -> None:
    path = add_run("r1")
    info = folder.new_info(path, ("x",), None, "0")
    folder.write_info(path, info)
    told = call("runs", "--pack", "r1")
    assert (told.code, told.out) == (1, "") and "still running" in told.err


def test_check_ends_with_3_only_when_it_trips(call: Any, reports: Any) -> None:
    add_run("20261120-120000")
    tripped = call("check", "--fail-on", "input_wait>10%")
    assert tripped.code == 3 and tripped.out.startswith("TRIPPED")
    assert call("check", "--fail-on", "input_wait>90%").code == 0
    result = call("check", "--fail-on", "input_wait>10%", "--json")
    assert result.code == 3 and result.json["tripped"] is True
    junit = call("check", "--fail-on", "input_wait>10% or input_wait>90%", "--junit", "check.xml")
    suite = ElementTree.parse("check.xml").getroot()[0]
    assert (junit.code, [len(test.findall("failure")) for test in suite]) == (3, [1, 0])
    assert call("check", "--fail-on", "nonsense").code == 2
    assert call("check").code == 2


def test_diff_of_a_run_with_itself_finds_no_difference(call: Any, reports: Any) -> None:
    for name in ("20261120-120000", "20261120-130000"):
        add_run(name)
    result = call("diff", "20261120-120000", "20261120-130000", "--json")
    assert result.code == 0 and result.json["findings_both"] == ["too-few-workers"]
    assert result.json["setup"] == []
    drawn = call("diff", "20261120-120000", "20261120-130000")
    assert drawn.code == 0 and "Inconclusive" in drawn.out


@pytest.mark.parametrize(
    ("kind", "start"),
    [("perfetto", '{"traceEvents"'), ("speedscope", '{"$schema"'), ("csv", "group,lane"), ("prometheus", "# HELP")],
)
def test_export_writes_a_file_or_stdout(call: Any, reports: Any, kind: str, start: str, tmp_path: Path) -> None:
    add_run("20261120-120000")
    assert call("export", "--to", kind, "-o", "-").out.startswith(start)
    result = call("export", "--to", kind)
    assert result.code == 0 and result.out == ""
    (written,) = [path for path in tmp_path.iterdir() if path.name.startswith("20261120-120000")]
    assert written.read_text().startswith(start)


def test_speedscope_without_lines_says_why(call: Any, reports: Any) -> None:
    add_run("20261120-120000")
    reports["20261120-120000"] = make_report(hot_lines=())
    result = call("export", "--to", "speedscope", "-o", "-")
    assert result.code == 1 and "no hot lines" in result.err and "no samples" in result.err


def test_parquet_without_pyarrow_says_how_to_get_it(call: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    result = call("export", "--to", "parquet")
    assert result.code == 1 and "pyarrow" in result.err and "--to csv" in result.err


def test_plotly_is_a_page_the_figure_or_a_picture_by_the_files_ending(
    call: Any, reports: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import plotly.graph_objects as go
    import plotly.io

    add_run("20261120-120000")
    result = call("export", "--to", "plotly")
    assert (result.code, result.out) == (0, "") and "20261120-120000.plotly.html" in result.err
    page = (tmp_path / "20261120-120000.plotly.html").read_text()
    assert page.startswith("<!doctype html>") and "Plotly.newPlot" in page and "<script src" not in page
    assert '"showSendToCloud": false' in page and '"displaylogo": false' in page
    assert call("export", "--to", "plotly", "-o", "f.json").code == 0
    figure = plotly.io.read_json("f.json")
    assert len(figure.data) == 5 and "33% of the training loop" in figure.layout.title.text
    asked: dict[str, Any] = {}
    monkeypatch.setattr(go.Figure, "to_image", lambda self, **how: asked.update(how) or b"picture")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: object())
    assert call("export", "--to", "plotly", "-o", "f.png").code == 0
    assert Path("f.png").read_bytes() == b"picture" and asked["format"] == "png"


def test_a_picture_without_kaleido_says_how_to_get_it(call: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    result = call("export", "--to", "plotly", "-o", "f.svg")
    assert result.code == 1 and result.err.count("\n") == 1
    assert "Install kaleido" in result.err and ".html" in result.err


@pytest.mark.parametrize("name", ["f.gif", "f"])
def test_an_ending_that_plotly_does_not_write_is_a_wrong_call(call: Any, name: str) -> None:
    result = call("export", "--to", "plotly", "-o", name)
    assert result.code == 2 and result.err.count("\n") == 1 and ".html, .json, .png, .svg or .pdf" in result.err


def test_a_picture_that_kaleido_cannot_draw_is_one_line(
    call: Any, reports: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    import plotly.graph_objects as go

    def fail(self: object, **how: object) -> bytes:
        raise RuntimeError("no browser\nhere")

    monkeypatch.setattr(go.Figure, "to_image", fail)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: object())
    add_run("20261120-120000")
    result = call("export", "--to", "plotly", "-o", "f.pdf")
    assert result.code == 1 and result.err.count("\n") == 1 and not Path("f.pdf").exists()
    assert "no browser here" in result.err and "Chromium" in result.err


def test_lines_filters_by_role_and_counts(call: Any, reports: Any) -> None:
    add_run("20261120-120000")
    hot = (make_hot_line(), make_hot_line(line=3, process_role="trainer"), make_hot_line(line=9))
    reports["20261120-120000"] = make_report(make_profile(hot_lines=hot), hot_lines=hot)
    assert [line["line"] for line in call("lines", "--json").json["hot_lines"]] == [48, 3, 9]
    assert [line["line"] for line in call("lines", "--role", "trainer", "--json").json["hot_lines"]] == [3]
    assert [line["line"] for line in call("lines", "-n", "1", "--json").json["hot_lines"]] == [48]
    assert "data.py:48" in call("lines").out


def test_a_run_after_json_is_the_run_and_not_the_file_to_write(call: Any, tmp_path: Path) -> None:
    add_run("20261120-120000")
    add_run("20261120-130000", started_s=1_795_003_600)
    assert call("report", "--json", "20261120-120000").json["run"]["id"] == "20261120-120000"
    assert "20261120-120000" in call("report", "--markdown", ".gpuwatch/20261120-120000").out
    assert call("report", "--sarif", "20261120-120000").json["version"] == "2.1.0"
    assert call("report", "--json", ".gpuwatch").out.startswith("{"), "a folder is not written to"
    assert call("report", "--json", "out.json").out == ""
    assert json.loads(Path("out.json").read_text())["run"]["id"] == "20261120-130000"


def test_a_device_is_written_to_and_stays_what_it_is(tmp_path: Path) -> None:
    from gpuwatch.commands.recorded import write_file

    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        write_file(str(pipe), "told")
        assert os.read(reader, 100) == b"told" and pipe.is_fifo()
    finally:
        os.close(reader)


def test_every_verb_reads_one_of_several_trainings(call: Any, tmp_path: Path) -> None:
    run = FakeRun(tmp_path / ".gpuwatch" / "several")
    first = run.trainer(pid=100, argv=["python", "a.py"]).loop(batches=60, wait_ms=30, compute_ms=10)
    run.now = first.now
    run.trainer(pid=200, argv=["python", "b.py"]).loop(batches=200, wait_ms=1, compute_ms=40)
    run.write(child_pid=1)
    gate = ("--fail-on", "input_wait>50%")
    assert call("check", "several:1", *gate).code == 3 and call("check", ":2", *gate).code == 0
    assert call("report", "several:1", "--json", "-").json["verdict"]["bound"] == "input"
    compared = call("diff", "several:1", "several:2")
    assert compared.code == 0 and "waiting" in compared.out
    assert call("check", "several:3", *gate).code == 2 and "it has 2" in call("check", "several:3", *gate).err
    assert "no run" in call("check", "sever:x", *gate).err
