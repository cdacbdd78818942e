"""torch.profiler in the training's own torch, for one window: CPU operators and what the accelerators in use did.

Each step is annotated as torch.profiler's own schedules do it, `ProfilerStep#N`. When each annotation began is kept on the
hook's clock: by that the trace is joined to the event log.
"""

from __future__ import annotations

import time

from .owners import owners

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def activities(torch: Any) -> list[Any]:
    """Return the profiler's activities: the CPU, and each accelerator that this process has initialised."""
    found = [torch.profiler.ProfilerActivity.CPU]
    for activity in torch.profiler.supported_activities():
        device = getattr(torch, activity.name.lower(), None)
        initialised = getattr(device, "is_initialized", None)
        if activity not in found and (initialised is None or initialised()):
            found.append(activity)
    return found


def is_capturing(torch: Any) -> bool:
    """Say whether this thread's stream is being captured into a graph."""
    cuda = getattr(torch, "cuda", None)
    if cuda is None or not cuda.is_initialized():
        return False
    capturing = getattr(cuda, "is_current_stream_capturing", None)
    return bool(capturing is not None and capturing())


class Recorder:
    """One recording. `marks`: when each step's annotation began, and at last when the last one ended."""

    def __init__(self, torch: Any) -> None:
        self.torch = torch
        self.activities = activities(torch)
        self.marks: list[int] = []
        self._annotation: Any = None
        owners.ours = True
        try:
            self._profile = torch.profiler._KinetoProfile(activities=self.activities)
            self._profile.prepare_trace()
        finally:
            owners.ours = False

    @property
    def warms_up(self) -> bool:
        """Whether there is an accelerator, whose recording takes a step to get going."""
        return len(self.activities) > 1

    def start(self) -> None:
        """Begin to record."""
        owners.ours = True
        try:
            self._profile.start_trace()
        finally:
            owners.ours = False

    def mark(self) -> None:
        """Annotate the end of a step and the beginning of the next one."""
        self._end_annotation()
        annotation = self.torch.autograd.profiler.record_function(f"ProfilerStep#{len(self.marks)}")
        self.marks.append(time.monotonic_ns())
        annotation.__enter__()
        self._annotation = annotation

    def stop(self) -> None:
        """End the recording; the device is waited for, so that all that was launched is in it."""
        self.marks.append(time.monotonic_ns())
        self._end_annotation()
        self._profile.stop_trace()

    def give_up(self) -> None:
        """End the recording after something went wrong, if it goes on."""
        self._annotation = None
        autograd = self.torch.autograd
        try:
            if autograd._profiler_enabled():
                self._profile.stop_trace()
        finally:
            if autograd._profiler_enabled():
                autograd._disable_profiler()

    def save(self, path: str) -> None:
        """Write the trace."""
        self._profile.export_chrome_trace(path)

    def _end_annotation(self) -> None:
        annotation, self._annotation = self._annotation, None
        if annotation is not None:
            annotation.__exit__(None, None, None)
