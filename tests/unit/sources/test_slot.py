"""A source in use: its schedule, its failures as gaps, and a spool that loses nothing silently."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path

import pytest

from gpuwatch.sources import spool as spool_module
from gpuwatch.sources.base import Row
from gpuwatch.sources.slot import EARLY_NS, LATER_NS, Slot
from gpuwatch.sources.spool import SpoolFile

S = 1_000_000_000


class FakeSource:
    name = "fake"
    period_s = 1.0
    later_period_s = 5.0

    def __init__(self, reason: str | None = None) -> None:
        self.reason, self.trouble, self.readings, self.closed = reason, "", 0, 0

    def probe(self) -> str | None:
        return self.reason

    def open(self) -> None:
        if self.trouble:
            raise OSError(self.trouble)

    def read(self, now: int) -> list[Row]:
        self.readings += 1
        if self.trouble:
            raise OSError(self.trouble)
        return [["fake", now]]

    def close(self) -> None:
        self.closed += 1


def _slot(source: FakeSource, early: bool = False) -> Slot:
    slot = Slot(source, clock=lambda: 0, early=early)
    slot.open()
    return slot


def test_reads_when_due_and_not_before() -> None:
    slot = _slot(FakeSource())
    assert slot.rows(0) == [["fake", 0]]
    assert slot.rows(S // 2) == []
    assert slot.rows(S * 9 // 10) == [["fake", S * 9 // 10]], "a jittered tick a little early counts"


def test_the_start_is_read_closely_and_a_long_run_seldom() -> None:
    slot = _slot(FakeSource(), early=True)
    assert [slot.period_s(t) for t in (0, EARLY_NS, LATER_NS + 1)] == [0.25, 1.0, 5.0]


def test_a_failure_is_one_gap_once_it_works_again() -> None:
    source = FakeSource()
    slot = _slot(source)
    slot.rows(0)
    source.trouble = "gone"
    assert slot.rows(1 * S) == slot.rows(2 * S) == []
    source.trouble = ""
    assert slot.rows(3 * S) == [["fake", 3 * S], ["gap", 1 * S, 3 * S, "fake", "gone"]]
    assert slot.gap(4 * S) == []


def test_a_failure_that_lasts_is_a_gap_at_the_end() -> None:
    source = FakeSource()
    slot = _slot(source)
    source.trouble = "gone"
    slot.rows(S)
    assert slot.gap(9 * S) == [["gap", S, 9 * S, "fake", "gone"]]


@pytest.mark.parametrize(("reason", "trouble"), [("not here", ""), (None, "not here")])
def test_a_source_that_cannot_be_used_says_so_once_and_is_left_alone(reason: str | None, trouble: str) -> None:
    source = FakeSource(reason)
    source.trouble = trouble
    slot = Slot(source, clock=lambda: 5)
    assert slot.open() == ["meta", 5, "source", {"name": "fake", "unavailable": "not here"}]
    assert slot.rows(0) == [] and source.readings == 0
    slot.close()
    assert source.closed == 0


def _lines(path: Path) -> list[Row]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_what_is_not_a_number_becomes_null(tmp_path: Path) -> None:
    spool = SpoolFile(tmp_path / "s", "sampler")
    spool.write([["gpu", math.nan, [math.inf, 1.5]]])
    spool.close()
    header, row = _lines(tmp_path / "s")
    assert row == ["gpu", None, [None, 1.5]] and header["writer"] == "sampler" and header["pid"] == os.getpid()  # type: ignore[call-overload]


def test_a_disk_full_from_the_start_still_gets_its_header_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(fd: int, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(spool_module.os, "write", full)
        spool = SpoolFile(tmp_path / "s", "sampler")
        spool.write([["tick", 1], ["tick", 2]])
    spool.write([["tick", 3]])
    spool.close()
    header, dropped, tick = _lines(tmp_path / "s")
    assert header["format"] == spool_module.FORMAT  # type: ignore[call-overload]
    assert dropped[0] == "dropped" and dropped[2:] == [2, "disk full"] and tick == ["tick", 3]


def test_a_short_write_is_closed_off_before_the_next_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spool = SpoolFile(tmp_path / "s", "sampler")
    genuine = os.write
    with monkeypatch.context() as patched:
        patched.setattr(spool_module.os, "write", lambda fd, data: genuine(fd, data[:5]))
        spool.write([["tick", 1]])
    spool.write([["tick", 2]])
    spool.close()
    _, torn, dropped, tick = (tmp_path / "s").read_text().splitlines()
    assert torn == '["tic' and json.loads(dropped)[2] == 1 and json.loads(tick) == ["tick", 2]
