"""`gpuwatch.watch()`: record a part of a program from inside it, as `gpuwatch run` records a command.

One recording at a time: inside another one, and in a process that `gpuwatch run` has started, `watch` joins what is being
recorded already. What fails of gpuwatch's own is said on stderr, and the program goes on.
"""

from __future__ import annotations

import atexit
import os
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from gpuwatch.errors import GpuwatchError

if TYPE_CHECKING:
    from gpuwatch.model.report import Report
    from gpuwatch.record import Underway

# The hook as it is in a process of `gpuwatch run`; see hook/entry/inject.
_HOOK = "_gpuwatch"
_RUN, _PATH = "GPUWATCH_RUN", "PYTHONPATH"


class Watch:
    """A part of a program that is recorded while the `with` block runs.

    `path`: the run folder, which every verb of the command line reads; None where nothing could be recorded. `joined`: this
    is part of a recording that somebody else began, and which goes on after the block.
    """

    def __init__(
        self,
        name: str | None,
        directory: str | None,
        rate: float | None,
        stacks: bool | None,
        command: Sequence[str] | None = None,
        cell: int | None = None,
    ) -> None:
        self._name, self._settings = name, {"dir": directory, "rate": rate, "stacks": stacks}
        self._command, self._cell = command, cell
        self._recorder: _Recorder | None = None
        self._entered = 0
        self._report: Report | None = None
        self.path: Path | None = None
        self.joined = False

    def __enter__(self) -> Watch:
        with _state.lock:
            self._entered += 1
            if self._entered == 1:
                self._begin()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with _state.lock:
            self._entered -= 1
            if self._entered == 0 and self._recorder is not None:
                self._recorder.end(error)
                self._recorder = None

    def report(self) -> Report:
        """Return the report: of the whole block once it has ended, inside of it on what was recorded so far.

        Raises GpuwatchError where nothing was recorded."""
        if self.path is None:
            raise GpuwatchError("nothing was recorded", "Enter the block first; where that failed, stderr says why")
        if self._report is not None:
            return self._report
        from gpuwatch.build_report import build
        from gpuwatch.store.jobs import read_run

        over = not self._entered and not self.joined
        if not over:
            _flush()
        report = build(read_run(self.path, alone=False))
        self._report = report if over else None
        return report

    def show(self) -> None:
        """Show the card of the report: on stderr, as `gpuwatch run` does; in a notebook as the cell's output."""
        report = self.report()
        if _in_notebook():
            from IPython.display import HTML, display

            from gpuwatch.views.html.notebook import fragment

            display(HTML(fragment(report)))
            return
        from gpuwatch.views import card, terminal

        screen = terminal.screen(sys.stderr)
        terminal.show(card.render(report, screen.width, screen.color), sys.stderr, screen)

    def _begin(self) -> None:
        self._report, self.joined = None, True
        self.path = _state.running()
        if self.path is not None:
            return
        self.joined = False
        try:
            self._recorder = _Recorder(self._name, self._settings, self._command, self._cell)
            self.path = self._recorder.path
        except Exception as error:  # whatever it is, it is ours, and the program has to go on
            if os.environ.get("GPUWATCH_DEBUG"):
                raise
            tell(f"{error or type(error).__name__}; running without recording")


def watch(
    name: str | None = None,
    *,
    directory: str | None = None,
    rate: float | None = None,
    stacks: bool | None = None,
) -> Watch:
    """Return what records the program while a `with` block runs, as `gpuwatch run` records a command.

        with gpuwatch.watch("baseline") as run:
            train()
        run.report().verdict.bound              # as gpuwatch.load gives it
        run.show()                              # the card

    `directory`: where run folders are kept (.gpuwatch); `rate`: samples of GPU, CPU and processes per second; `stacks`: take
    stack samples, for the hot lines. What is not given is as in the settings (GPUWATCH_*, gpuwatch.toml, pyproject.toml).
    Iterators of loaders that were made before the block are not measured, nor are workers that run already. Under
    `gpuwatch run`, or inside another block, it is part of that recording. Exceptions pass through.
    """
    return Watch(name, directory, rate, stacks)


class _State:
    """The recording of this process; a forked child has its parent's."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.recorder: _Recorder | None = None

    def running(self) -> Path | None:
        """Return the folder of what is being recorded here already; None where nothing is."""
        if self.recorder is not None:
            return self.recorder.path
        run = os.environ.get(_RUN)
        return Path(run) if run and _HOOK in sys.modules else None

    def renew(self) -> None:
        """Have a lock that no thread of the parent's holds."""
        self.lock = threading.RLock()


_state = _State()
os.register_at_fork(after_in_child=_state.renew)


class _Recorder:
    """One recording from inside: run folder, sampler, the hook in this process and in those that it starts."""

    def __init__(
        self, name: str | None, given: dict[str, Any], command: Sequence[str] | None, cell: int | None
    ) -> None:
        self._pid = os.getpid()
        self._run = _begin(name, given, command, cell)
        self.path = self._run.path
        self._before = {name: os.environ.get(name) for name in (_RUN, _PATH)}
        began_ns = self._run.info.started_ns
        inside = self._run.inject(dict(os.environ))
        self._run.started(self._pid)
        self._ours = {name: inside.get(name) for name in self._before}
        _set_environment(self._ours)
        _state.recorder = self
        atexit.register(self.end)
        self._enter_hook(began_ns)

    def _enter_hook(self, began_ns: int) -> None:
        from gpuwatch.hook.entry import in_process
        from gpuwatch.words.patch_points import placed_on_import, replaced_on_import

        try:
            in_process.enter(str(self.path / "spool"), began_ns, placed_on_import(), replaced_on_import())
        except Exception as error:
            tell(f"the hook could not be put in place ({error}); only the machine is measured")

    def end(self, raised: BaseException | None = None) -> None:
        """Take the hook out and write how it ended; a forked child that comes here leaves that to its parent."""
        from gpuwatch.supervise import Ended

        if os.getpid() != self._pid or _state.recorder is not self:
            return
        _state.recorder = None
        atexit.unregister(self.end)
        ended_ns = time.monotonic_ns()
        self._leave_hook()
        _set_environment({name: self._before[name] for name in self._ours if os.environ.get(name) == self._ours[name]})
        if raised is not None:
            facts = {**(self._run.info.in_process or {}), "raised": type(raised).__name__}
            self._run.info = replace(self._run.info, in_process=facts)
        try:
            self._run.ended(Ended(None, None, ended_ns))
        except Exception as error:
            tell(f"{type(error).__name__}: {error}; what was recorded is in {self.path}")

    def _leave_hook(self) -> None:
        from gpuwatch.hook.entry import in_process

        try:
            in_process.leave()
        except Exception as error:
            tell(f"the hook could not be taken out ({type(error).__name__}: {error})")


def _begin(name: str | None, given: dict[str, Any], command: Sequence[str] | None, cell: int | None) -> Underway:
    from gpuwatch import config
    from gpuwatch.hook.process import command_line
    from gpuwatch.record import Options, begin

    settings = config.load(_cwd(), os.environ, **given)
    for problem in settings.problems:
        tell(f"{problem} (left out)")
    options = Options(Path(settings.dir), name, settings.rate, settings.stacks, inside=True, tell=tell)
    run = begin(command or command_line(), options)
    if cell is not None:
        run.info = replace(run.info, in_process={"cell": cell})
    return run


def _in_notebook() -> bool:
    """Say whether this is a notebook's kernel."""
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    return getattr(shell, "kernel", None) is not None


def _cwd() -> Path:
    try:
        return Path.cwd()
    except OSError:
        return Path("/")


def _set_environment(values: dict[str, str | None]) -> None:
    for name, value in values.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


def _flush() -> None:
    """Have the hook of this process write what it has."""
    for hook in (_HOOK, "gpuwatch"):
        spool = sys.modules.get(f"{hook}.hook.event_log.spool")
        if spool is not None:
            spool.flush()


def tell(line: str) -> None:
    """Say one line of ours, on stderr, if anybody still listens there."""
    try:
        print(f"gpuwatch: {line}", file=sys.stderr)
    except (OSError, ValueError, AttributeError):
        pass  # no stderr, or one that is closed
