"""How long the GPU stood still while a batch was awaited: from the kernels and copies of a torch.profiler trace.

Imported by `training.py` as a neighbour: standard library only.
"""

from __future__ import annotations

from typing import Any

Span = tuple[float, float]
NEXT = "awaiting a batch"
_DEVICE = ("kernel", "gpu_memcpy", "gpu_memset")


def device_spans(events: list[dict[str, Any]]) -> list[Span]:
    """Return when the GPU worked (us, the trace's clock): merged, in order."""
    merged: list[Span] = []
    for start, end in sorted(_span(event) for event in events if event.get("cat") in _DEVICE):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], end))
        else:
            merged.append((start, end))
    return merged


def awaited_spans(events: list[dict[str, Any]]) -> list[Span]:
    """Return the host's waits for a batch (us), in order."""
    return sorted(
        _span(event) for event in events if event.get("name") == NEXT and event.get("cat") == "user_annotation"
    )


def idle_within(window: Span, busy: list[Span]) -> float:
    """Return how much of `window` no span of `busy` (merged, in order) covers, in the unit of both."""
    covered = sum(max(0.0, min(end, window[1]) - max(start, window[0])) for start, end in busy)
    return window[1] - window[0] - covered


def waits_ms(trace: dict[str, Any]) -> list[float]:
    """Return per awaited batch how long the GPU had nothing to do, in ms."""
    events = [event for event in trace.get("traceEvents", []) if "dur" in event]
    busy = device_spans(events)
    return [idle_within(window, busy) / 1e3 for window in awaited_spans(events)]


def _span(event: dict[str, Any]) -> Span:
    return float(event["ts"]), float(event["ts"]) + float(event["dur"])
