"""Conduct one `gpuwatch try`: its folder, the experiments asked for within the budget, the result kept as a file."""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from gpuwatch.errors import GpuwatchError
from gpuwatch.experiments import budget, kept
from gpuwatch.experiments.conductor import Conductor, Progress
from gpuwatch.experiments.resuming import Keeping
from gpuwatch.experiments.session import Session
from gpuwatch.experiments.undriven import LoopNotDriven
from gpuwatch.model.experiment import Experiment
from gpuwatch.store import folder
from gpuwatch.words.masking import mask_arguments


def conduct(
    command: Sequence[str],
    base: Path,
    budget_s: float,
    experiments: Callable[[Conductor], None],
    show: Callable[[Progress], None] = lambda progress: None,
    cwd: Path | None = None,
    asked_as: Sequence[str] | None = None,
    environment: Mapping[str, str] | None = None,
    resumable: bool = True,
) -> Experiment:
    """Run `experiments` on the command within `budget_s` seconds and keep the result below `base`.

    `asked_as` is the command as the user gave it, by which reports find the result; `resumable`: a later call may go on
    from its windows. Ctrl-C, SIGTERM and SIGHUP end
    it with what is known. Raises LoopNotDriven when the command has no loop to experiment on, GpuwatchError when it
    cannot be started or nothing can be written."""
    asked = tuple(asked_as or command)
    created = folder.create(base, "try")
    path = created.path
    info = replace(folder.new_info(path, asked, "try", ""), experiment={"command": list(mask_arguments(asked))})
    folder.write_info(path, info)
    start = time.monotonic()
    empty = Experiment(path.name, mask_arguments(asked), time.time_ns(), 0.0)
    with _signals_interrupt(), Session(command, path, start + budget_s, cwd=cwd, environment=environment) as session:
        conductor = Conductor(session, empty, show, budget_s)
        keeping = Keeping(path, asked)
        if resumable:
            conductor.keep = lambda: keeping.write(conductor.standing())
        if created.note:
            conductor.note(created.note)
        _run(conductor, experiments)
    result = replace(conductor.experiment, seconds=time.monotonic() - start)
    try:
        conductor.keep()
        kept.write(path, result)
        folder.write_info(path, replace(info, ended_ns=time.monotonic_ns(), exit_code=0, state="finished"))
    except OSError as error:
        result = replace(result, notes=(*result.notes, f"the result could not be kept: {error.strerror or error}"))
    return result


def _run(conductor: Conductor, experiments: Callable[[Conductor], None]) -> None:
    """Run the experiments; whatever ends them early becomes a note once something is known."""
    session = conductor.session
    try:
        experiments(conductor)
    except KeyboardInterrupt:
        conductor.note("Interrupted: this is what was known by then. The same call again goes on from here.")
    except LoopNotDriven:
        raise
    except GpuwatchError as error:
        if not _knows(conductor.experiment):
            raise
        conductor.note(f"Ended early: {error}.")
    if time.monotonic() >= session.deadline and not session.loop and not _knows(conductor.experiment):
        raise LoopNotDriven(
            f"the start-up took the whole budget of {budget.written(conductor.budget_s)}: no loop over a torch DataLoader"
            " got going within it",
            f"Give it more time, such as {budget.enough(3 * conductor.budget_s)}, or a script that starts sooner",
        )
    if int(session.loop.get("ranks") or 1) > 1:
        conductor.note(
            "Measured on rank 0. The other ranks repeat a few batches, so that rank 0's input alone sets the pace:"
            " what their own loaders would take of the cores is not in it."
        )


def _knows(experiment: Experiment) -> bool:
    return bool(experiment.ceilings or experiment.trials or experiment.sweep)


@contextlib.contextmanager
def _signals_interrupt() -> Iterator[None]:
    """Let SIGTERM and SIGHUP end the experiment as Ctrl-C does, so that no training stays behind."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, _interrupt) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _interrupt(number: int, frame: object) -> None:
    raise KeyboardInterrupt
