"""Profiles, and what the rule says of them."""

from __future__ import annotations

from gpuwatch.diagnosis.examples.cases import clear, fires, unknown
from gpuwatch.diagnosis.examples.parts import make_hot_line
from gpuwatch.diagnosis.examples.runs import BLOCKED, ENGINE, HIDDEN, STARVED, TAKE_TURNS, no_loader, run_of
from gpuwatch.model.hot_lines import Callee

CASES = (
    fires(
        run_of(fetch=BLOCKED | {"rchar_per_batch": 3e6}),
        "critical",
        "workers wait for reads 80% of batch time, not for a core",
        confidence="medium",
        where="/home/me/project/data.py:12",
        speedup=1.494,
    ),
    fires(
        run_of(fetch=BLOCKED | {"rchar_per_batch": 0.0}, hot_lines=(make_hot_line(callee=Callee("socket", "recv")),)),
        "critical",
        "workers wait for reads 80% of batch time, not for a core",
        confidence="medium",
        where="/home/me/project/data.py:48",
        speedup=1.494,
    ),
    clear(STARVED),
    clear(HIDDEN),
    clear(ENGINE),
    clear(TAKE_TURNS),
    clear(run_of(fetch=BLOCKED | {"rchar_per_batch": 10.0, "read_bytes_per_batch": 0.0})),
    unknown(run_of(fetch={"blocked_ms": None}), "CPU time and run-queue delay of the fetches"),
    unknown(no_loader(), "no DataLoader was seen in use"),
)
