"""Windows of torch.profiler in a recorded training: that there is one, what its partition says, and what it took."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.gpu.outcome import Outcome, judge
from tests.gpu.runs import Plan, train

PART = "windows of --gpu-trace"
# Idle by our partition against the gaps between the trace's own kernels and copies; a share of the device's span.
IDLE_DIFFERS = 0.01
MOST_COST_S = 5.0
_ON_DEVICE = ("kernel", "gpu_memcpy", "gpu_memset")


def check_windows(plan: Plan) -> list[Outcome]:
    """Record both trainings with a window; judge its partition, its bound and its cost."""
    found = []
    for bound in ("device", "loader"):
        plan.tell(f"{bound}-bound training with --gpu-trace")
        try:
            found += judge_window(bound, train(plan, bound, wrap=True, gpu_trace=True).run, plan.device)
        except Exception as error:
            found.append(judge(PART, f"{bound}-bound", False, f"{type(error).__name__}: {error}", "an end"))
    return found


def judge_window(bound: str, run: Path | None, device: str) -> list[Outcome]:
    """Judge one recorded run."""
    from gpuwatch.build_report import build
    from gpuwatch.store.reader import read

    assert run is not None
    report = build(read(run), with_timeline=False)
    traced = report.traced
    if traced is None or not traced.windows:
        why = "not asked for" if traced is None else f"{traced.missing} {traced.detail or ''}"
        return [judge(PART, f"{bound}-bound: a window", False, why, "one window at least")]
    window = traced.windows[0]
    seen = f"{window.steps} steps by {'+'.join(window.activities)}, {traced.cost_s:.2f} s for {len(traced.windows)} of them"
    parts = {part.part: part.operators[0].name for part in window.parts if part.operators}
    outcomes = [
        judge(PART, f"{bound}-bound: cost", traced.cost_s <= MOST_COST_S, seen, f"at most {MOST_COST_S:g} s"),
        judge(
            PART, f"{bound}-bound: operators", {"forward", "backward"} <= set(parts), str(parts), "forward and backward"
        ),
    ]
    if device == "cpu":
        return outcomes
    events = json.loads((run / "traces" / window.file).read_text())["traceEvents"]
    return [*outcomes, _judge_idle(bound, window, events)]


def _judge_idle(bound: str, window: Any, events: list[dict[str, Any]]) -> Outcome:
    name = f"{bound}-bound: idle share of the device"
    if not window.devices:
        return judge(PART, name, False, "no device in the trace", "a device")
    time = window.devices[0]
    plain = idle_share(events, time.device)
    lost = max((key for key in ("input", "sync", "launch", "host_code", "copy")), key=time.share)
    seen = f"{time.idle_share:.3f} against {plain:.3f} by the trace's gaps; most to {lost}, {time.share(lost):.3f}"
    right = abs(time.idle_share - plain) <= IDLE_DIFFERS and (bound != "loader" or lost == "input")
    return judge(PART, name, right, seen, "within 1 point; the loader's most to input", late=len(window.late))


def idle_share(events: list[dict[str, Any]], device: int) -> float:
    """Return the part of a device's span in which nothing of it ran, by the shortest way."""
    mine = [e for e in events if e.get("cat") in _ON_DEVICE and e.get("args", {}).get("device") == device]
    spans = sorted((event["ts"], event["ts"] + event["dur"]) for event in mine)
    busy, reached = 0.0, spans[0][0]
    for start, end in spans:
        busy += max(end - max(start, reached), 0.0)
        reached = max(reached, end)
    return 1.0 - busy / (reached - spans[0][0])
