"""Whatever a run folder looks like, what is whole in it is read and the rest is told."""

from __future__ import annotations

import json
import os
import shutil
import zlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gpuwatch.build_report import build
from gpuwatch.errors import NotARun, OtherVersion
from gpuwatch.hook.event_log.columns import COLUMNS as HOOK
from gpuwatch.model.reasons import NoLoop
from gpuwatch.sources.columns import COLUMNS as SAMPLER
from gpuwatch.store import archive, folder, reader
from gpuwatch.store.reader import Tail, read
from gpuwatch.store.shapes import SHAPES
from tests.mutations import recorded, write
from tests.spools import FakeRun


def small_run(path: Path, batches: int = 5) -> FakeRun:
    run = FakeRun(path)
    run.trainer().loop(batches=batches)
    return run


def spool_file(path: Path) -> Path:
    return next((path / "spool").glob("100-*.jsonl"))


def batches(path: Path) -> int:
    return sum(len(log.table("batch")) for log in read(path).logs)


def test_rows_come_without_their_kind_and_by_column(tmp_path: Path) -> None:
    recording = read(small_run(tmp_path).write())
    table = recording.logs[0].table("batch")
    assert table.column("index") == [0, 1, 2, 3, 4, 5]
    assert table.column("end") == [0, 0, 0, 0, 0, 1]
    assert recording.problems == ()
    assert recording.bytes == spool_file(tmp_path).stat().st_size


def test_many_files_read_together_are_read_as_one_by_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = small_run(tmp_path)
    for pid in range(200, 212):
        run.worker(pid).fetch(0, 5.0)
    run.write()
    alone = read(tmp_path)
    (tmp_path / "spool" / "9-9.jsonl").write_text("no header\n")
    monkeypatch.setattr(reader, "_TOGETHER", 0)
    together = read(tmp_path)
    assert [log.name for log in together.logs] == [log.name for log in alone.logs]
    for one, other in zip(together.logs, alone.logs, strict=True):
        assert {kind: list(table.rows) for kind, table in one.tables.items()} == {
            kind: list(table.rows) for kind, table in other.tables.items()
        }
    assert len(together.problems) == 1 and "9-9.jsonl" in together.problems[0]


def test_a_torn_last_line_is_not_seen(tmp_path: Path) -> None:
    file = spool_file(small_run(tmp_path).write())
    file.write_bytes(file.read_bytes()[:-3])
    recording = read(tmp_path)
    assert len(recording.logs[0].table("batch")) == 5
    assert recording.logs[0].torn
    assert recording.problems == ()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(share=st.floats(0, 1))
def test_a_file_cut_anywhere_reads_as_its_whole_lines(tmp_path: Path, share: float) -> None:
    run = small_run(tmp_path)
    text = run.logs[0].text().encode()
    file = spool_file(run.write())
    cut = int(share * len(text))
    file.write_bytes(text[:cut])
    if text[:cut].count(b"\n") == 0:
        assert read(tmp_path).logs == ()
        return
    rows = sum(len(table) for table in read(tmp_path).logs[0].tables.values())
    assert rows == text[:cut].count(b"\n") - 1


def test_garbage_lines_are_left_out_and_told(tmp_path: Path) -> None:
    file = spool_file(small_run(tmp_path).write())
    lines = file.read_text().splitlines()
    lines[3:3] = ["not json", '{"an": "object"}', "[]", "\0\0\0"]
    file.write_text("\n".join(lines) + "\n")
    recording = read(tmp_path)
    assert len(recording.logs[0].table("batch")) == 6
    assert recording.problems == (f"spool/{file.name}: 4 unreadable lines left out",)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("hello\n", "its first line is not JSON"),
        ("[1,2]\n", "its first line is no header"),
        ('{"format":"gpuwatch.spool/9","pid":1,"mono_ns":1,"columns":{}}\n', "'gpuwatch.spool/9', this gpuwatch reads"),
        ('{"format":"gpuwatch.spool/1","pid":1}\n', "without mono_ns, columns"),
        ('{"format":"gpuwa', "its process died as it began"),
    ],
)
def test_a_foreign_file_is_told_and_left_out(tmp_path: Path, content: str, words: str) -> None:
    path = small_run(tmp_path).write()
    (path / "spool" / "7-7.jsonl").write_text(content)
    (path / "spool" / "notes.txt").write_text("mine")
    recording = read(path)
    assert len(recording.logs) == 1
    assert len(recording.problems) == 1
    assert words in recording.problems[0]


@pytest.mark.parametrize("size", [0, 1, 1000])
def test_files_that_were_cut_are_named_and_the_verdict_blames_no_command(tmp_path: Path, size: int) -> None:
    run = small_run(tmp_path)
    run.sampler()
    path = run.write()
    for file in (path / "spool").iterdir():
        file.write_bytes(file.read_bytes()[:size])
    report = build(read(path), with_timeline=False)
    assert report.verdict.reason == NoLoop("damaged", damaged=2)
    assert [line.split()[0] for line in report.problems] == [f"spool/{spool_file(path).name}", "spool/sampler.jsonl"]


def test_what_is_no_folder_of_files_is_named(tmp_path: Path) -> None:
    path = small_run(tmp_path / "a").write()
    spool_file(path).unlink()
    (path / "spool" / "1-1.jsonl").mkdir()
    (path / "spool" / "2-2.jsonl").symlink_to("2-2.jsonl")
    os.mkfifo(path / "spool" / "3-3.jsonl")
    (path / "spool" / "4-4.jsonl").symlink_to("/dev/zero")
    assert {line.split(":", 1)[0] for line in read(path).problems} == {
        f"spool/{number}-{number}.jsonl cannot be read" for number in (1, 2, 3, 4)
    }
    other = small_run(tmp_path / "b").write()
    shutil.rmtree(other / "spool")
    (other / "spool").write_text("")
    assert read(other).problems == ("spool cannot be read: Not a directory",)


@pytest.mark.parametrize("name", ["pipe", "device", "huge"])
def test_a_run_json_that_would_never_end_is_one_line(tmp_path: Path, name: str) -> None:
    path = small_run(tmp_path).write()
    info = path / "run.json"
    info.unlink()
    if name == "pipe":
        os.mkfifo(info)
    elif name == "device":
        info.symlink_to("/dev/zero")
    else:
        with info.open("wb") as file:
            file.truncate(1 << 34)
    assert "run.json cannot be read" in read(path).problems[0]


def test_a_file_without_an_end_of_line_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "_LONGEST", 1 << 20)
    path = small_run(tmp_path).write()
    with (path / "spool" / "1-1.jsonl").open("wb") as file:
        file.truncate(1 << 34)
    with spool_file(path).open("ab") as file:
        file.truncate(1 << 34)
    recording = read(path)
    assert len(recording.logs) == 1 and len(recording.logs[0].table("batch")) == 6
    assert all("has a line of more than 1 MB" in line for line in recording.problems) and len(recording.problems) == 2


def test_a_packed_file_that_unpacks_without_end_is_left_out(tmp_path: Path) -> None:
    path = small_run(tmp_path).write()
    packer = zlib.compressobj(9, wbits=31)
    text = [packer.compress(spool_file(path).read_bytes()), *(packer.compress(b"\n" * (1 << 20)) for _ in range(40))]
    (path / "spool" / "1-1.jsonl.gz").write_bytes(b"".join([*text, packer.flush()]))
    (problem,) = read(path).problems
    assert "1-1.jsonl.gz cannot be read: it unpacks to more than 200 times its size; the rest is left out" in problem


@pytest.mark.parametrize("cell", ["soon", [1], {"a": 1}, 10**400, 1e300, "\x1b[31m"])
@pytest.mark.parametrize("many", [1, 2000])
def test_a_row_with_a_cell_of_another_kind_is_left_out_and_told(tmp_path: Path, cell: Any, many: int) -> None:
    run = small_run(tmp_path, batches=many)
    run.logs[0].rows[2][3] = cell
    run.logs[0].add("span", name=7, t0=1, t1=2).add("span", name="save", t0=1, t1=2)
    run.logs[0].rows += [["batdh", 1, 2], ["span", *range(50)]]
    recording = read(run.write())
    (log,) = recording.logs
    assert len(log.table("batch")) + len(log.table("iterator")) + len(log.table("meta")) == many + 2
    assert log.table("span").column("name") == ["save"]
    assert recording.problems == (f"spool/{log.name}: 4 unreadable lines left out",)


def test_what_the_recorded_run_holds_fits(tmp_path: Path) -> None:
    assert read(write(recorded(), tmp_path)).problems == ()
    columns = {name for kinds in (HOOK, SAMPLER) for names in kinds.values() for name in names}
    assert {name if isinstance(name, str) else name[1] for name in SHAPES} <= columns


def test_a_pid_used_twice_gives_two_logs(tmp_path: Path) -> None:
    run = small_run(tmp_path)
    run.now += 10**12
    run.trainer(100).loop(batches=2)
    assert [len(log.table("batch")) for log in read(run.write()).logs] == [6, 3]


@pytest.mark.parametrize("content", [None, "", '{"schema": "gpuwatch', "[]"])
def test_without_run_json_the_spool_still_tells(tmp_path: Path, content: str | None) -> None:
    path = small_run(tmp_path).write()
    (path / "run.json").unlink() if content is None else (path / "run.json").write_text(content)
    recording = read(path)
    assert recording.run.state == "lost"
    assert recording.run.command == ("train.py",)
    assert recording.run.started_ns == recording.logs[0].header["process_start_ns"]
    assert "reconstructed from the event log" in recording.problems[0]


def test_another_schema_of_run_json_is_refused(tmp_path: Path) -> None:
    path = small_run(tmp_path).write()
    (path / "run.json").write_text(json.dumps({"schema": "gpuwatch.run/9"}))
    with pytest.raises(OtherVersion, match=r"gpuwatch\.run/9"):
        read(path)


def test_the_name_of_the_folder_does_not_decide_what_can_be_read(tmp_path: Path) -> None:
    path = small_run(tmp_path / "schema-of-the-database").write()
    (path / "run.json").write_text("{")
    assert read(path).run.state == "lost"
    assert folder.resolve(str(path), tmp_path) == path


def test_a_folder_without_a_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NotARun, match="not a run folder"):
        read(tmp_path)
    with pytest.raises(NotARun, match="no folder"):
        read(tmp_path / "nowhere")


def test_an_empty_run_is_read(tmp_path: Path) -> None:
    assert read(FakeRun(tmp_path).write()).logs == ()


def test_a_later_read_of_a_tail_parses_only_what_is_new(tmp_path: Path) -> None:
    run = small_run(tmp_path)
    path = run.write(ended=False)
    tail = Tail(path)
    first = tail.refresh().logs[0].table("batch").rows
    assert len(first) == 6
    kept = first[0]
    file = spool_file(path)
    whole = file.read_text()
    with file.open("a") as stream:
        stream.write('["batch",1,6,1,2,0]\n["batch",1,7,')
    again = tail.refresh().logs[0]
    assert again.table("batch").column("index")[-1] == 6
    assert again.torn
    assert again.table("batch").rows[0] is kept
    (path / "spool" / "8-8.jsonl").write_text(whole)
    assert len(tail.refresh().logs) == 2


def test_a_file_that_shrank_is_read_anew(tmp_path: Path) -> None:
    run = small_run(tmp_path)
    tail = Tail(run.write())
    tail.refresh()
    file = spool_file(tmp_path)
    file.write_text("\n".join(file.read_text().splitlines()[:4]) + "\n")
    assert sum(len(table) for table in tail.refresh().logs[0].tables.values()) == 3


def test_a_packed_run_reads_like_the_plain_one(tmp_path: Path) -> None:
    path = small_run(tmp_path, batches=300).write()
    plain = read(path)
    before, after = archive.pack(path)
    assert after < before / 3
    packed = read(path)
    assert [log.tables for log in packed.logs] == [log.tables for log in plain.logs]
    file = next((path / "spool").glob("*.gz"))
    file.write_bytes(file.read_bytes()[:-200])
    assert 0 < batches(path) <= 301


def test_steps_that_were_only_timed_are_batches(tmp_path: Path) -> None:
    trainer = FakeRun(tmp_path).trainer()
    number = trainer.iterate()
    trainer.ask(number, 0, 5.0).only_timed(number, 1, 3, 2.0, 1.0)
    trainer.ask(number, 4, 5.0)
    trainer.run.write()
    table = read(tmp_path).logs[0].table("batch")
    rows = sorted(zip(table.column("index"), table.column("end"), table.column("other_ns"), strict=True))
    assert rows == [(0, 0, 0), (1, 0, None), (2, 0, None), (3, 0, None), (4, 0, 0)]
    waits = [t1 - t0 for t0, t1 in zip(table.column("t0"), table.column("t1"), strict=True)]
    assert sorted(waits) == [2_000_000] * 3 + [5_000_000] * 2
    assert "steps" not in read(tmp_path).logs[0].tables


def test_timed_steps_are_read_by_the_headers_columns(tmp_path: Path) -> None:
    def batches(folder: Path, reordered: bool) -> list[Any]:
        trainer = FakeRun(folder).trainer()
        number = trainer.iterate()
        if reordered:
            trainer.columns = {**trainer.columns, "steps": ("times", "note", "index", "iterator")}
            trainer.header["columns"]["steps"] = list(trainer.columns["steps"])
        trainer.ask(number, 0, 5.0).only_timed(number, 1, 3, 2.0, 1.0)
        trainer.run.write()
        table = read(folder).logs[0].table("batch")
        return [table.column(name) for name in ("iterator", "index", "t0", "t1", "end")]

    assert batches(tmp_path / "a", False) == batches(tmp_path / "b", True)


def test_a_damaged_row_of_timed_steps_is_left_out_and_told(tmp_path: Path) -> None:
    trainer = FakeRun(tmp_path).trainer()
    number = trainer.iterate()
    trainer.ask(number, 0, 5.0).only_timed(number, 1, 3, 2.0, 1.0)
    for times in (None, [1], [1, None], "text", [1, 2.5], [1, 10**30]):
        trainer.add("steps", iterator=number, index=4, times=times)
    trainer.rows.append(["steps"])
    trainer.run.write()
    recording = read(tmp_path)
    assert len(recording.logs[0].table("batch")) == 4
    assert "7 unreadable lines" in recording.problems[0]


def test_timed_steps_of_a_large_file_and_of_one_read_as_it_grows_are_the_same(tmp_path: Path) -> None:
    trainer = FakeRun(tmp_path).trainer()
    number = trainer.iterate()
    for index in range(0, 12_000, 40):
        trainer.only_timed(number, index, 35, 2.0, 1.0)
        for more in range(5):
            trainer.ask(number, index + 35 + more, 5.0)
    file = spool_file(trainer.run.write())
    text = file.read_bytes()
    assert len(text) > 1 << 17
    whole = read(tmp_path).logs[0].table("batch")
    file.write_bytes(text[:5000])
    tail = Tail(tmp_path)
    for end in range(5000, len(text) + 20_000, 20_000):
        file.write_bytes(text[:end])
        grown = tail.refresh().logs[0].table("batch")
    for name in ("index", "t0", "t1", "forward_ns"):
        key = lambda value: (value is None, value)  # noqa: E731
        assert sorted(whole.column(name), key=key) == sorted(grown.column(name), key=key)
    assert sorted(whole.column("index")) == list(range(12_000))


@pytest.mark.parametrize("block", [64, 1000, 1 << 14])
def test_a_file_read_in_blocks_is_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block: int) -> None:
    run = FakeRun(tmp_path)
    run.trainer().loop(batches=300)
    path = run.write()
    file = next((path / "spool").glob("100-*.jsonl"))
    file.write_text(file.read_text() + '["batch",1,')
    whole = read(path)
    monkeypatch.setattr(reader, "_BLOCK", block)
    assert read(path) == whole and whole.logs[0].torn
