"""Foreign text is harmless, figures are the ones a person expects."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpuwatch.model.findings import Speedup
from gpuwatch.model.measures import Interval, Place
from gpuwatch.views import text


@pytest.mark.parametrize(
    ("hostile", "harmless"),
    [
        ("a\x1b[31mred\x1b[0m", "ared"),
        ("\x1b]0;title\x07name", "name"),
        ("\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("two\nlines\tand a tab", "two lines  and a tab"),
        ("bell\x07", "bell\ufffd"),
        ("gpj.\u202eexe", "gpj.\ufffdexe"),
        ("bytes\udcff", "bytes\ufffd"),
        ("[red]markup[/red]", "[red]markup[/red]"),
        ("\x9b31mC1", "\ufffd31mC1"),
    ],
)
def test_clean(hostile: str, harmless: str) -> None:
    assert text.clean(hostile) == harmless


@given(st.text())
def test_clean_text_can_be_printed_and_steers_nothing(words: str) -> None:
    cleaned = text.clean(words)
    cleaned.encode("utf-8")
    assert not any(ord(char) < 32 or 127 <= ord(char) < 160 for char in cleaned)


@pytest.mark.parametrize(
    ("path", "width", "short"),
    [
        ("a/b/c.py:3", 20, "a/b/c.py:3"),
        ("one/two/three/four/five.py:12", 22, "…/three/four/five.py:12"[-22:]),
        ("one/two/three/a_very_long_file_name_indeed.py:123", 20, "…/a_very_long_file_name_indeed.py:123"),
        ("a_very_long_file_name_indeed.py:123", 20, "…/a_very_long_file_name_indeed.py:123".removeprefix("…/")),
    ],
)
def test_a_short_path_keeps_its_file_and_line(path: str, width: int, short: str) -> None:
    shortened = text.shorten_path(path, width)
    assert shortened.endswith(path.rpartition("/")[2])
    assert len(shortened) <= max(width, len(short))


def test_paths_as_seen_from_the_run() -> None:
    assert text.relative("/home/me/project/data.py", "/home/me/project") == "data.py"
    assert text.relative("/home/me/project-two/data.py", "/home/me/project") == "/home/me/project-two/data.py"
    assert text.relative("/v/lib/python3.11/site-packages/cv2/x.py", "/v") == "cv2/x.py"
    assert text.relative("/usr/lib/python3.11/threading.py", "/v") == "python3.11/threading.py"
    assert text.place(Place("/p/a.py", 3), "/p") == "a.py:3"
    assert text.place(None, "/p") == ""


@pytest.mark.parametrize(
    ("share", "shown"), [(None, "–"), (0.0, "0%"), (0.0004, "<1%"), (0.333, "33%"), (1.0, "100%"), (math.nan, "–")]
)
def test_missing_is_a_dash_and_zero_is_zero(share: float | None, shown: str) -> None:
    assert text.percent(share) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (None, "–"),
        (0.0, "0 ms"),
        (0.0123, "12.3 ms"),
        (0.9999, "1.0 s"),
        (59.96, "60.0 s"),
        (134, "2 min 14 s"),
        (3599.7, "1 h 00 min"),
        (90000, "25 h 00 min"),
    ],
)
def test_durations(seconds: float | None, shown: str) -> None:
    assert text.duration(seconds) == shown


@pytest.mark.parametrize(
    ("ms", "shown"),
    [(0.0005, "0.5 µs"), (0.1, "100 µs"), (0.9999, "1 ms"), (15.04, "15 ms"), (1234.5, "1,234 ms"), (20000, "20 s")],
)
def test_milliseconds(ms: float, shown: str) -> None:
    assert text.milliseconds(ms) == shown


def test_gains_and_ranges() -> None:
    assert text.gain(Speedup(1.5, 1.4, 1.6, "")) == "1.50× faster (1.40–1.60)"
    assert text.gain(Speedup(2.0, 2.0, 2.0, "")) == "2.0× faster"
    assert text.gain(None) == ""
    assert text.gain(Speedup(1.001, 0.99, 1.01, "")) == ""
    assert text.gain(Speedup(1.85, 1.0, 12.74, "")) == "1.85× faster (1.00–13)"
    assert text.share_range(Interval(0.33, 0.31, 0.35, 9)) == "33% (31–35%)"
    assert text.size(31 << 30) == "31 GB"
    assert text.value(None, "ms") == "–"
    assert text.value("numpy", "") == "numpy"
    assert text.value(5.6, "cores") == "5.6 cores"
    assert text.value(0.969, "share of the fetch") == "97% of the fetch"


@pytest.mark.parametrize(
    ("code", "signal", "state", "said"),
    [
        (0, None, "finished", "finished"),
        (3, None, "finished", "ended with status 3"),
        (None, 9, "finished", "killed by signal 9"),
        (None, None, "running", "still running"),
        (None, None, "lost", "end not recorded"),
    ],
)
def test_endings(code: int | None, signal: int | None, state: str, said: str) -> None:
    assert text.ending(code, signal, state) == said
