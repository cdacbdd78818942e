"""A live view holds the last stretch of a long run, and says of it what a whole reading says."""

from __future__ import annotations

from pathlib import Path

import pytest

from gpuwatch.build_report import build
from gpuwatch.store import reader
from gpuwatch.store.reader import Tail, read
from tests.spools import MS, START, FakeRun

WORKERS = [(0, 200), (1, 201)]


def long_run(path: Path, batches: int = 4000) -> Path:
    """Write a run of 10 s start-up and then steps of 4 ms, of which 1 ms are waits."""
    run = FakeRun(path)
    run.now += 10_000 * MS
    trainer = run.trainer()
    iterator = trainer.iterate(workers=WORKERS, persistent=True)
    workers = [run.worker(pid, number, at=START + 10_000 * MS) for number, pid in WORKERS]
    for index in range(batches):
        trainer.ask(iterator, index, 1.0)
        trainer.step(3.0)
        workers[index % 2].fetch(index, 5.0, 2.0)
    return run.write(ended=False)


@pytest.mark.parametrize("by_column", [True, False])
def test_the_last_stretch_says_what_the_whole_says_of_its_steps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, by_column: bool
) -> None:
    monkeypatch.setattr(reader, "_MANY", 0 if by_column else 1 << 30)
    path = long_run(tmp_path)
    whole, kept = build(read(path)), build(Tail(path, most_rows=3000).refresh())
    (loader,), (before,) = kept.loaders, whole.loaders
    assert 200 < loader.steps < 1200 < before.steps
    assert loader.wait_share and loader.wait_share.median == pytest.approx(0.25, abs=0.01)
    assert loader.fetch and before.fetch and loader.fetch.mean_wall_ms == pytest.approx(before.fetch.mean_wall_ms)
    assert kept.seconds == whole.seconds and kept.ranks[0].seconds < 0.5 * whole.ranks[0].seconds
    phases = {phase.name: phase for phase in kept.phases}
    assert phases["startup"].share < 0.02 and phases["input wait"].share == pytest.approx(0.25, abs=0.03)
    assert sum(phase.seconds for phase in kept.phases) == pytest.approx(kept.ranks[0].seconds)


def test_what_is_held_stays_bounded_while_the_run_grows(tmp_path: Path) -> None:
    path = long_run(tmp_path)
    files = sorted((path / "spool").glob("*.jsonl"))
    texts = {file: file.read_text().splitlines(keepends=True) for file in files}
    tail = Tail(path, most_rows=2000)
    for share in (0.2, 0.5, 0.7, 1.0):
        for file, lines in texts.items():
            file.write_text("".join(lines[: max(3, int(share * len(lines)))]))
        recording = tail.refresh()
        held = sum(len(log.table(kind)) for log in recording.logs for kind in ("batch", "fetch", "send"))
        assert held <= 2000
        assert all(len(log.table("worker")) == 1 for log in recording.logs if log.pid in (200, 201))
    last = max(
        row[recording.logs[0].table("batch").columns.index("index")] for row in recording.logs[0].table("batch").rows
    )
    assert last == 3999


def test_a_short_run_is_held_whole(tmp_path: Path) -> None:
    path = long_run(tmp_path, batches=300)
    assert Tail(path, most_rows=10_000).refresh() == read(path)
