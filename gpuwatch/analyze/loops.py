"""The loops of a run, and the working state between recording and profile."""

from __future__ import annotations

from gpuwatch.analyze.loading.fetches import Maker
from gpuwatch.analyze.machine.usage import Usage, Window
from gpuwatch.analyze.processes.sorting import Processes
from gpuwatch.analyze.wall_time.loaders import Loader
from gpuwatch.analyze.wall_time.phases import Walk
from gpuwatch.analyze.wall_time.steps import Steps
from gpuwatch.model.loader_profile import LoaderProfile
from gpuwatch.records import dataclass


@dataclass(slots=True)
class Loop:
    """A loader with everything derived from its events."""

    loader: Loader
    steps: Steps
    makers: list[Maker]
    profile: LoaderProfile


@dataclass(slots=True)
class Analysis:
    """The working state between recording and profile; lines and lanes are made from it."""

    processes: Processes
    walks: list[Walk]
    loops: list[Loop]
    usages: list[Usage]
    primary: Loop | None
    window: Window

    @property
    def main_loops(self) -> list[Loop]:
        """The loops that play the primary one's role."""
        return [loop for loop in self.loops if self.primary and loop.profile.role == self.primary.profile.role]

    def loops_of(self, this: Walk) -> list[Loop]:
        """Return the loops of one trainer."""
        return [loop for loop in self.loops if loop.loader.walk is this]


def main_loop(loops: list[Loop]) -> Loop | None:
    """Return the loop that the verdict is about: the longest training loop, else inference; of ranks that train
    together the lowest one's."""
    for role in ("training", "inference"):
        found = [loop for loop in loops if loop.profile.role == role]
        if not found:
            continue
        longest = max(found, key=_length)
        if longest.loader.trainer.world_size > 1:
            lowest = min(loop.profile.rank for loop in found)
            longest = max((loop for loop in found if loop.profile.rank == lowest), key=_length)
        return longest
    return None


def _length(loop: Loop) -> tuple[float, int]:
    return loop.steps.seconds, loop.steps.batches
