"""What share of the training thread's time is its own work, and what of that is a tool's rather than the training's."""

from __future__ import annotations

from gpuwatch.model.hot_lines import HotLine
from gpuwatch.model.loader_profile import LoaderProfile
from gpuwatch.model.profile import Profile

# So few samples tell nothing of a small share.
_ENOUGH = 50


def host_share(loader: LoaderProfile) -> float | None:
    """Return the share of a step without waiting in which the training thread was on a core; None where that is unknown."""
    return None if loader.compute_cpu_share is None else min(loader.compute_cpu_share, 1.0)


def tool_share(profile: Profile, name: str) -> float | None:
    """Return the share of the trainer's samples in the step in which a tool was at work; None without enough samples."""
    lines = step_lines(profile)
    if profile.stacks.sampler != "py-spy" or sum(line.samples for line in lines) < _ENOUGH:
        return None
    return sum(line.share * share for line in lines for tool, share in line.tools if tool == name)


def step_lines(profile: Profile) -> list[HotLine]:
    """Return the trainer's lines in the steps."""
    return [h for h in profile.hot_lines if h.is_of_step]
