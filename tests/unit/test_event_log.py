"""A line of the event log is read by the header's columns."""

from __future__ import annotations

import json

import pytest

from gpuwatch.hook.event_log.columns import COLUMNS as HOOKS
from gpuwatch.hook.event_log.columns import FORMAT as HOOKS_FORMAT
from gpuwatch.words.event_log import FORMAT, Columns, integers, kind_of, read, read_header

HEADER = json.dumps({"format": FORMAT, "pid": 1, "mono_ns": 2, "columns": {"batch": ["t0", "t1"], "meta": ["key"]}})


def test_the_hook_writes_the_format_that_is_read() -> None:
    assert HOOKS_FORMAT == FORMAT


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("", "not JSON"),
        ("[]", "no header"),
        ('{"format":"gpuwatch.spool/9"}', "of format 'gpuwatch.spool/9'"),
        (json.dumps({"format": FORMAT, "pid": 1, "columns": {}}), "without mono_ns"),
        (json.dumps({"format": FORMAT, "pid": 1, "mono_ns": 1, "columns": []}), "without columns"),
    ],
)
def test_a_header_that_is_none_says_why(line: str, why: str) -> None:
    header, told = read_header(line)
    assert header is None and told is not None and why in told


def test_events_have_their_values_by_name() -> None:
    header, events = read("\n".join([HEADER, '["batch",3,5]', '["meta"]']))
    assert header["mono_ns"] == 2 and events == [("batch", {"t0": 3, "t1": 5}), ("meta", {})]


@pytest.mark.parametrize("line", ["{}", "3", "[]", "[3]", '["batch",1', '["batch",1,2,3]', '["strange",1]'])
def test_what_is_no_whole_event_is_refused(line: str) -> None:
    with pytest.raises(ValueError):
        Columns({"batch": ["t0", "t1"]}).event(line)


def test_integers_are_found_by_the_columns_names() -> None:
    columns = Columns({"batch": ["t1", "end", "t0"]})
    at = columns.positions("batch", "t0", "t1")
    assert integers(b'["batch",7,0,5]', at) == (5, 7)
    assert integers(b'["batch",7,0,5,"later"]', at) == (5, 7)
    assert integers(b'["batch",7,0,null]', at) == integers(b'["batch",7,0]', at) == integers(b"", at) == ()
    assert columns.positions("batch", "index") == columns.positions("steps", "t0") == integers(b"1", ()) == ()


def test_what_the_sampler_reads_by_splitting_has_only_numbers_before_it() -> None:
    until = HOOKS["batch"].index("t1")
    assert HOOKS["batch"][: until + 1] == ("iterator", "index", "t0", "t1")


def test_the_kind_of_a_line() -> None:
    assert [kind_of(line) for line in (b'["batch",1]', b'["meta"]', b"{}", b"", b"[1]", b'["to')] == [
        "batch", "meta", "", "", "", "",
    ]  # fmt: skip
