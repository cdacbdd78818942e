"""The trainer's own code in the step: its lines that are neither the model nor waiting, and the share they take."""

from __future__ import annotations

from gpuwatch.model import HotLine, LoaderProfile, Profile

BLOCKED = 0.5
# A training thread on the CPU for less of its step than this mostly waits for something.
WAITING_CPU = 0.5


def own_lines(profile: Profile, loader: LoaderProfile) -> list[HotLine]:
    """Return the trainer's lines in the step that work, outside of the model, its backward pass and its optimizer."""
    lines = [h for h in profile.hot_lines if h.process_role == "trainer" and h.activity == "step"]
    waits = loader.compute_cpu_share is not None and loader.compute_cpu_share < WAITING_CPU
    own = [h for h in lines if not _is_model(h) and not _is_blocked(h, waits)]
    return sorted(own, key=lambda h: -h.share)


def own_share(profile: Profile, lines: list[HotLine]) -> float:
    """Return the share of the step that these lines take.

    A line that calls no library may be a model written out in tensor operations: such lines count only as far as the
    phases put time outside of forward, backward and optimizer.
    """
    library = sum(h.share for h in lines if h.callee)
    plain = sum(h.share for h in lines if not h.callee)
    return min(library + min(plain, other_share(profile)), 1.0)


def _is_model(line: HotLine) -> bool:
    return line.function == "forward" or (line.callee or "").startswith("torch")


def _is_blocked(line: HotLine, waits: bool) -> bool:
    """Say whether a line sleeps or waits; where samples do not tell, the thread's CPU time in the step does."""
    return waits if line.blocked_share is None else line.blocked_share >= BLOCKED


def other_share(profile: Profile) -> float:
    """Return the part of the steps that is neither waiting nor forward, backward or optimizer."""
    seconds = dict.fromkeys(("input wait", "forward", "backward", "optimizer", "other in-step"), 0.0)
    for rank in profile.ranks:
        for phase in rank.phases:
            if phase.name in seconds:
                seconds[phase.name] += phase.seconds
    whole = sum(seconds.values())
    return seconds["other in-step"] / whole if whole > 0 else 0.0
