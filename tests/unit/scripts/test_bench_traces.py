"""What scripts/bench_traces makes of answers and expectations."""

from __future__ import annotations

from typing import Any

from scripts.benchmarks.traces import Row

WANTED = {
    "idle": 0.39,
    "bound": "input",
    "finding": "no-worker-processes",
    "gain_measured": 1.26,
    "never": ["step-sync"],
}
SHARES = dict.fromkeys(
    ("communication", "copy", "sync", "pageable_copy", "launch", "host_code", "allocator", "dependency", "unknown"), 0.0
)


def row(*findings: tuple[str, float | None], idle: float = 0.395, bound: str = "input") -> Row:
    time: dict[str, Any] = {"idle_share": idle, "shares": {**SHARES, "input": 0.3, "launch": 0.09}}
    return Row("x", WANTED, {"time": time, "bound": bound, "findings": [list(each) for each in findings]}, {})


def test_an_answer_as_expected_has_no_problems() -> None:
    right = row(("no-worker-processes", 1.3))
    assert right.problems == [] and right.gain == 1.3
    assert right.largest == "input 30%, launch 9%"


def test_each_wrong_answer_is_named() -> None:
    wrong = row(("step-sync", 1.6), idle=0.5, bound="host")
    assert wrong.problems == [
        "idle 0.5000, not 0.39",
        "bound host, not input",
        "step-sync must not be said",
        "no-worker-processes is not first",
        "predicts 1.6×, measured 1.26×",
    ]
