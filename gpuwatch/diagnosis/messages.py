"""Whether a training waits for messages of other processes, and not for what they make: then more of them are no help."""

from __future__ import annotations

from typing import NamedTuple

from gpuwatch.analyze.lines.waiting import waits_for_others
from gpuwatch.diagnosis.tools import step_lines
from gpuwatch.model.hot_lines import HotLine
from gpuwatch.model.profile import Profile

# Processes that are at work for less than this of the wait for them are not what is waited for.
AT_WORK = 0.5
# So few samples of the wait say nothing of who works in it.
FEWEST = 10


class Messages(NamedTuple):
    """The trainer's lines that send messages to other processes or wait for one, the costliest first; their share of the
    trainer's samples in the step; and the part of that in which one of those processes was at work on average."""

    lines: tuple[HotLine, ...]
    share: float
    worked: float


def find_messages(profile: Profile) -> Messages | None:
    """Return the messages that a training waits for; None where those processes are at work for a good part of the wait, or
    none of them was sampled at work."""
    waits = [h for h in step_lines(profile) if waits_for_others(h.stack) and _is_message(h)]
    waited = sum(h.samples for h in waits)
    made = [h for h in profile.hot_lines if h.process_role == "worker" and h.activity == "fetch"]
    worked = sum(h.samples for h in made if not _is_message(h))
    if waited < FEWEST or not 0 < worked < AT_WORK * waited:
        return None
    ordered = tuple(sorted(waits, key=lambda h: -h.share))
    return Messages(ordered, sum(h.share for h in waits), worked / waited)


def _is_message(line: HotLine) -> bool:
    """Say whether a line is at a pipe or a queue of processes: those of threads hand over without a message."""
    return line.callee is not None and line.callee.library == "multiprocessing"
