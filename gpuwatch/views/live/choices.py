"""What a key changes in what is looked at: functions from one view to the next."""

from __future__ import annotations

from dataclasses import replace

from gpuwatch.views.live.frame import WINDOWS_S, Frame, View
from gpuwatch.views.live.workers import SORTS


def zoomed(view: View, by: int) -> View:
    """Return the view with a window `by` steps longer or shorter."""
    at = WINDOWS_S.index(view.window_s) + by
    return replace(view, window_s=WINDOWS_S[min(len(WINDOWS_S) - 1, max(0, at))])


def scrubbed(frame: Frame, by: int) -> View:
    """Return the view a quarter of its window earlier or later; the end follows the run again."""
    view, end = frame.view, frame.report.seconds
    at = frame.now_s + by * view.window_s / 4
    return replace(view, at_s=None if at >= end else max(min(view.window_s, end), at))


def at_start(frame: Frame) -> View:
    """Return the view of the run's first window."""
    return replace(frame.view, at_s=min(frame.view.window_s, frame.report.seconds))


def next_rank(frame: Frame) -> View:
    """Return the view of the next rank; of all after the last."""
    return replace(frame.view, rank=_next(frame.view.rank, [rank.rank for rank in frame.report.ranks]))


def next_device(frame: Frame) -> View:
    """Return the view of the next GPU; of all after the last."""
    return replace(frame.view, device=_next(frame.view.device, [device.index for device in frame.report.devices]))


def next_sort(view: View) -> View:
    """Return the view with the workers in the next order."""
    return replace(view, sort=SORTS[(SORTS.index(view.sort) + 1) % len(SORTS)])


def _next(current: int | None, numbers: list[int]) -> int | None:
    ordered = sorted(numbers)
    if current is None:
        return ordered[0] if ordered else None
    return next((number for number in ordered if number > current), None)
