"""A loop that no event tells of: a model that is called again and again without a DataLoader and without torch's optimizer, as
in inference and in a server. It runs from the first stack sample in a module to the last one.
"""

from __future__ import annotations

from typing import NamedTuple

from gpuwatch.analyze.lines.bursts import main_samples
from gpuwatch.analyze.lines.feeding import OwnLoop
from gpuwatch.analyze.lines.model_calls import model_begins, part_of
from gpuwatch.analyze.lines.moments import Moments
from gpuwatch.analyze.processes.sorting import Processes, Trainer
from gpuwatch.model.profile import RankProfile

# A model that is met less often, or for a shorter time, is called for something else.
_FEWEST, _SHORTEST_S = 20, 1.0
_TRAINS = ("backward", "optimizer")
_MOST_RUN = 0.99


class SampledLoop(NamedTuple):
    """When a process's model was called (ns, the run's clock), by how many samples of its main thread in that time.

    `trains`: whether a backward pass or an optimizer was among them; `ran`: the share of that time in which the thread ran."""

    trainer: Trainer
    begin_ns: float
    end_ns: float
    samples: int
    trains: bool
    ran: float | None

    @property
    def seconds(self) -> float:
        """How long it went on."""
        return (self.end_ns - self.begin_ns) / 1e9

    @property
    def moments(self) -> Moments:
        """The stretches of its process's time."""
        trainer, span = self.trainer, (self.begin_ns, self.end_ns)
        return Moments(trainer.start_ns, self.begin_ns, trainer.end_ns, [span], own_loop=True)

    def about(self, rank: RankProfile) -> OwnLoop:
        """Return what is known of it where its samples are judged."""
        return OwnLoop((rank.device or "cpu") != "cpu", self.ran)


def find_sampled_loop(processes: Processes) -> SampledLoop | None:
    """Return the loop of the first process whose model is met often enough; None where none is."""
    found = (_loop_of(processes, trainer) for trainer in processes.trainers)
    return next((loop for loop in found if loop is not None), None)


def _loop_of(processes: Processes, trainer: Trainer) -> SampledLoop | None:
    met = [
        one for log in processes.recording.by_writer("stacks") for one in main_samples(log, processes, trainer.log.pid)
    ]
    calls = [(time, count) for time, count, frames in met if model_begins(frames) < len(frames)]
    if sum(count for _, count in calls) < _FEWEST:
        return None
    begin, end = min(time for time, _ in calls), max(time for time, _ in calls)
    if end - begin < 1e9 * _SHORTEST_S:
        return None
    inside = sum(count for time, count, _ in met if begin <= time <= end)
    trains = sum(count for _, count, frames in met if part_of(frames) in _TRAINS) >= _FEWEST // 4
    before = sum(count for time, count, _ in met if time < begin)
    return SampledLoop(trainer, begin, end, inside, trains, _ran(processes, trainer.log.pid, before, inside))


def _ran(processes: Processes, pid: int, before: int, inside: int) -> float | None:
    """Return the share of the loop's time in which the main thread ran, by the CPU time of the bursts: what came before it
    is taken to have run all of the time."""
    rows = [row for log in processes.recording.by_writer("stacks") for row in log.table("thread").dicts()]
    mine = [row for row in rows if row.get("pid") == pid and row.get("thread") == "MainThread" and row.get("t1")]
    whole = sum(float(row["t1"]) - float(row["t0"]) for row in mine)
    used = sum(float(row.get("cpu_ns") or 0) + float(row.get("delay_ns") or 0) for row in mine) / max(whole, 1.0)
    if not inside or not used:  # a process that ended first has no clock to read
        return None
    earlier = before / (before + inside)
    return min(max(used - earlier, 0.0) / (1.0 - earlier), _MOST_RUN)
