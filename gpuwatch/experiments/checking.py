"""Confirming a patch end to end: the command as it is and with the patch, from its start, in turns.

Both run in copies of the user's folder (`scratch_copy.py`), so that nothing in it changes. A run's pace is that of its training
loop, the starts of epochs in it, once the batches that were prefetched in the start-up are used up.
"""

from __future__ import annotations

import os
import tempfile
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import field, replace
from pathlib import Path

from gpuwatch.errors import GpuwatchError
from gpuwatch.experiments import budget, pairing, scratch_copy, trials, unified_diff
from gpuwatch.experiments.conductor import Conductor
from gpuwatch.experiments.session import Result, Session
from gpuwatch.experiments.undriven import LoopNotDriven
from gpuwatch.model.experiment import PATCH, Trial
from gpuwatch.model.recording import ProcessLog, Recording
from gpuwatch.records import dataclass
from gpuwatch.store.reader import read

BARE, PATCHED = trials.BASELINE, PATCH
# Pairs of runs that a budget is divided among, and those after which it ends whatever is known.
USUAL_PAIRS, MOST_PAIRS = 3, 12
SHORTEST_S, LONGEST_S = 5.0, 20.0
_BATCH = 0
_LEAST_STEPS = 3


def root_of(patch: Path, here: Path) -> Path:
    """Return the folder whose files a patch changes: `here`, or the nearest one above that has them all.

    Raises GpuwatchError where none has, or the patch is none."""
    try:
        names = list(unified_diff.read(patch.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError) as error:
        raise GpuwatchError(f"the patch cannot be read: {error}") from error
    for folder in (here, *here.parents):
        if all((folder / name).is_file() for name in names):
            return folder
    raise GpuwatchError(f"the patch changes {', '.join(names)}, which are not all in {here} or a folder above it")


@dataclass(slots=True)
class Checking:
    """Runs a command bare and patched in turns, and adds what the patch was worth. `names`: of the files it changes."""

    conductor: Conductor
    command: Sequence[str]
    patch: Path
    root: Path
    cwd: Path
    seconds: float | None = None
    names: tuple[str, ...] = ()
    loaded: set[str] = field(default_factory=set)

    def run(self) -> None:
        """Add the trial. Raises GpuwatchError for a patch that does not fit, LoopNotDriven as a session does."""
        texts, patched = self._texts()
        self.conductor.tell("checking the patch")
        with tempfile.TemporaryDirectory(prefix="gpuwatch-check-") as name:
            folder = Path(name).resolve()
            scratch_copy.make(self.root, texts, folder / BARE)
            scratch_copy.make(self.root, texts | patched, folder / PATCHED)
            self._rounds(folder)
        unread = [name for name in self.names if name not in self.loaded]
        if unread:
            self.conductor.note(
                f"When its loop began, the training had not loaded {', '.join(unread)}: what is changed there may not be in"
                " what was measured."
            )

    def _texts(self) -> tuple[dict[str, str], dict[str, str]]:
        """Return the files that both copies need as files of their own, as they are; and those that the patch changes."""
        try:
            hunks = unified_diff.read(self.patch.read_text(encoding="utf-8"))
            self.names = tuple(hunks)
            wanted = dict.fromkeys([*hunks, *scratch_copy.scripts_of(self.command, self.root, self.cwd)])
            texts = {name: (self.root / name).read_text(encoding="utf-8") for name in wanted if self._is_inside(name)}
        except (OSError, UnicodeDecodeError) as error:
            raise GpuwatchError(f"the patch cannot be tried: {error}") from error
        return texts, unified_diff.apply_all(texts, hunks)

    def _is_inside(self, name: str) -> bool:
        return (self.root / name).is_file() and Path(os.path.abspath(self.root / name)).is_relative_to(self.root)

    def _rounds(self, folder: Path) -> None:
        conductor, pair_s = self.conductor, 0.0
        for number in range(MOST_PAIRS):
            begun = conductor.left_s
            arms = (BARE, PATCHED) if number % 2 == 0 else (PATCHED, BARE)
            for arm in arms:
                conductor.taken.append((self._turn(folder, arm, number), 0.0))
                self._update()
            conductor.round_ended([PATCHED])
            trial = self._trial()
            pair_s = begun - conductor.left_s
            if trial is None or trials.is_settled_trial(trial) or conductor.left_s < pair_s:
                break
        self._explain(pair_s)

    def _explain(self, pair_s: float) -> None:
        """Say of what is not known which budget would settle it."""
        trial = self._trial()
        more = trials.rounds_left(trial) if trial and trial.verdict == "inconclusive" else None
        if trial is None or more is None:
            return
        enough = budget.enough(self.conductor.spent_s + max(more, 1) * pair_s)
        self.conductor.add_trial(replace(trial, note=f"{trial.note}; {enough} would settle it"))

    def _update(self) -> None:
        trial = self._trial()
        if trial is not None:
            self.conductor.add_trial(trial)

    def _trial(self) -> Trial | None:
        groups = pairing.by_arm(self.conductor.results)
        before, after = groups.get(BARE, []), groups.get(PATCHED, [])
        value = pairing.ratio(before, after)
        notes = [r.note for r in self.conductor.results if r.note]
        rounds = f"whole runs in turns, {value.n} of each" if value else "no pair of runs fitted into the budget"
        return Trial(
            PATCHED, PATCHED, None, pairing.step_interval(before), pairing.step_interval(after), "ms a step", value,
            "failed" if notes else pairing.outcome(value) if value else "inconclusive", "not compared", None, None,
            notes[0] if notes else rounds,
        )  # fmt: skip

    def _turn(self, folder: Path, arm: str, number: int) -> Result:
        """Run the command once in its copy, for as long as its part of the budget allows."""
        conductor, copy = self.conductor, folder / arm
        names = self._copied(copy)
        given = os.environ.get("PYTHONPATH", "")
        environment = {"PYTHONPATH": scratch_copy.import_path(self.names, self.root, copy, given)}
        session = Session(
            scratch_copy.command_in(self.command, self.root, names, copy),
            conductor.session.path / f"{arm}-{number}",
            conductor.session.deadline,
            cwd=copy / self.cwd.relative_to(self.root),
            environment=environment,
        )
        session.path.mkdir(parents=True)
        try:
            with session:
                session.find_loop(lambda since: since is None or since < self._window_s(session))
        except LoopNotDriven as error:
            if arm == BARE:
                raise
            return Result(arm, number, "real", 0, 0, None, None, f"with the patch, {error}")
        conductor.session.loop = session.loop
        self.loaded |= {os.path.relpath(file, copy) for file in session.code} if arm == PATCHED else set()
        return _result(arm, number, session)

    def _copied(self, copy: Path) -> list[str]:
        return [
            file.relative_to(copy).as_posix() for file in copy.rglob("*") if file.is_file() and not file.is_symlink()
        ]

    def _window_s(self, session: Session) -> float:
        """Return how long the loop is watched, the same in every run: by the first start-up and the budget."""
        if self.seconds is None:
            part = self.conductor.budget_s / (2 * USUAL_PAIRS) - (session.startup_s or 0.0)
            self.seconds = min(max(part, SHORTEST_S), LONGEST_S)
        return self.seconds


def _result(arm: str, number: int, session: Session) -> Result:
    times = _steps(read(session.run_folder), session.loop) if session.run_folder else []
    if len(times) <= _LEAST_STEPS:
        return Result(arm, number, "real", 0, 0, None, session.startup_s, "too few steps within its part of the budget")
    return Result(arm, number, "real", len(times) - 1, 0, (times[-1] - times[0]) / 1e9, session.startup_s, None)


def _steps(recording: Recording, loop: Mapping[str, object]) -> list[int]:
    """Return the times (ns) at which the training loop got its batches, without those made during the start-up."""
    best = max((_of_loop(log) for log in recording.by_writer("hook")), key=len, default=[])
    return best[2 * int(str(loop.get("num_workers") or 0)) + 2 :]


def _of_loop(log: ProcessLog) -> list[int]:
    """Return the times of the batches of the loader that is trained with; of the one with most batches where none is."""
    loaders = {
        row["iterator"]: (row["made_file"], row["made_line"]) if row["made_file"] else row["loader"]
        for row in log.table("iterator").dicts()
    }
    times: dict[object, list[int]] = defaultdict(list)
    trained: dict[object, int] = defaultdict(int)
    for row in log.table("batch").dicts():
        if row["end"] == _BATCH and row["iterator"] in loaders:
            loader = loaders[row["iterator"]]
            times[loader].append(row["t1"])
            trained[loader] += (row["backward_n"] or 0) + (row["optimizer_n"] or 0)
    return max(times.items(), key=lambda pair: (trained[pair[0]], len(pair[1])), default=(None, []))[1]
