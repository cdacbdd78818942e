"""What each line costs the run, in seconds of its wall time: the one order of hot lines, in every view.

A line of the training process costs the time it takes. Making batches goes on beside the training, or in its waits: it costs
what the loops wait for it, and nothing where they do not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from gpuwatch.analyze.lines.samples import BEFORE, LOADER_WORK, Role
from gpuwatch.analyze.lines.waiting import waits_for_others
from gpuwatch.model.hot_lines import LEAST_SHARE, HotLine, cost_of

# A start-up that takes more of a run than this is what the run is about; a shorter one is paid once, however long it runs.
_MOST = 0.5


class LoopWait(NamedTuple):
    """What a loop waited for its batches, in seconds; `own_loop`: one without a DataLoader, whose lines tell it;
    `around_s`: what a wrapper round the loader did of it, in the trainer; `anywhere`: who makes the batches is not known."""

    own_loop: bool
    workers: int
    seconds: float
    around_s: float = 0.0
    anywhere: bool = False


def by_cost(lines: Sequence[HotLine], loops: Sequence[LoopWait], startup_share: float) -> list[HotLine]:
    """Return the lines with what each costs the run, the costliest first; those before the first batch come last unless
    `startup_share`, that of the run before it, is most of the run; those with a share of 0 % last of all."""
    waited: dict[Role, float] = {role: _waited_s(role, lines, loops) for role in ("worker", "trainer")}
    costed = [replace(line, cost_s=_cost_s(line, waited[line.process_role])) for line in lines]
    once = BEFORE if startup_share < _MOST else ()
    return sorted(costed, key=lambda line: (line.share < LEAST_SHARE, line.activity in once, -cost_of(line)))


def _cost_s(line: HotLine, waited_s: float) -> float:
    if line.activity in LOADER_WORK:
        return line.share * waited_s
    # The workers start while the trainer waits for its first batch: a line of the trainer's has that time.
    return 0.0 if line.process_role == "worker" else line.seconds


def _waited_s(role: Role, lines: Sequence[HotLine], loops: Sequence[LoopWait]) -> float:
    """Return the seconds that the loops waited for the batches that this role makes.

    A loop without a DataLoader waits in lines of its own for the threads or processes that make them."""
    handed = sum(line.seconds for line in lines if line.is_of_step and waits_for_others(line.stack))
    seconds = 0.0
    for loop in loops:
        if loop.own_loop:
            seconds += handed
        elif loop.anywhere or bool(loop.workers) == (role == "worker"):
            seconds += loop.seconds - (loop.around_s if role == "worker" else 0.0)
        elif role == "trainer":
            seconds += loop.around_s
    return seconds
