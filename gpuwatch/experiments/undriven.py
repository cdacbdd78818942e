"""Why an experiment cannot feed the loop of a command, from what the hook wrote: what it is, why, what to do instead."""

from __future__ import annotations

from gpuwatch.errors import GpuwatchError
from gpuwatch.model.recording import ProcessLog, Recording
from gpuwatch.records import dataclass

CANNOT = "this command cannot be experimented on"
INSTEAD = "Measure a change with `gpuwatch run` before and after it, then `gpuwatch diff`"
# How long, and for how many steps, a loop without a DataLoader goes on before no loader is expected any more.
_OWN_SECONDS, _OWN_STEPS = 15.0, 20
# Batches that nobody in their thread trains with, after which that is expected no more.
_UNUSED_BATCHES = 50
_BATCH = 0


class LoopNotDriven(GpuwatchError):
    """The script has no loop that an experiment can feed, or it ended too early."""


@dataclass(frozen=True, slots=True)
class _Loops:
    """What a process iterated: steps (and seconds) of loops without a DataLoader, batches of DataLoaders."""

    own_steps: int
    own_seconds: float
    batches: int

    def is_lasting(self) -> bool:
        """Say whether the loop without a loader is the training."""
        return self.own_steps >= _OWN_STEPS and self.own_seconds >= _OWN_SECONDS


def why_undriven(recording: Recording, has_ended: bool = False) -> tuple[str, str] | None:
    """Return what is in the way and what to do instead; None while a loop may still come."""
    logs = list(recording.by_writer("hook"))
    loops = max(map(_loops, logs), key=lambda each: (each.own_steps, each.batches), default=_Loops(0, 0.0, 0))
    if loops.own_steps and not loops.batches and (has_ended or loops.is_lasting()):
        return (
            f"{CANNOT}: it trains without a torch DataLoader ({loops.own_steps} optimizer steps, no batch of one), and"
            " the batches of a loop of its own cannot be repeated or swapped",
            INSTEAD,
        )
    if loops.is_lasting() and loops.batches >= _UNUSED_BATCHES:
        return (
            f"{CANNOT}: the thread that trains does not take its batches from the DataLoader itself, and what lies"
            " between the two cannot be swapped",
            INSTEAD,
        )
    return _of_short_end(logs) if has_ended else None


def _of_short_end(logs: list[ProcessLog]) -> tuple[str, str] | None:
    if not logs:
        return (
            f"{CANNOT}: it ended, and no Python process of it had loaded gpuwatch's hook",
            "`gpuwatch run` with the same command names each with its reason (-I, -E, sudo, a replaced PYTHONPATH)",
        )
    batches = max(_loops(log).batches for log in logs)
    if not batches:
        return None
    return (
        f"{CANNOT}: it ended with status 0 after {batches} batches of a DataLoader, before its loop was found (three"
        " batches with a backward between them)",
        "Give it more data or epochs: the results of an experiment are thrown away anyway",
    )


def _loops(log: ProcessLog) -> _Loops:
    own = {row["iterator"] for row in log.table("iterator").dicts() if (row["attributes"] or {}).get("own_loop")}
    rows = log.table("batch").dicts()
    steps = [row["t1"] for row in rows if row["iterator"] in own]
    batches = sum(row["iterator"] not in own and row["end"] == _BATCH for row in rows)
    return _Loops(len(steps), (steps[-1] - steps[0]) / 1e9 if steps else 0.0, batches)
