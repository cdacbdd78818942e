"""What the verbs that read runs share: the RUN argument, `--dir`, and the way from these to a report."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from gpuwatch.model.profile import Profile
    from gpuwatch.model.report import Report
    from gpuwatch.store.jobs import Member

Function = TypeVar("Function", bound=Callable[..., Any])
RUN_HELP = (
    "RUN is an id, a name, a unique beginning of an id, or a run folder's path; the newest run by default. RUN:2 is the"
    " second of the trainings that one command ran. A folder of run folders is the newest job in it, all its nodes together."
)
_MOST_TOLD = 3
_TRAINING = re.compile(r"(?P<run>.*):(?P<training>[0-9]{1,6})")


def dir_option(function: Function) -> Function:
    """Add `--dir`, the folder that holds the run folders."""
    return click.option("--dir", "base", metavar="DIR", help="Directory that holds the runs (default: .gpuwatch).")(
        function
    )


def json_option(function: Function) -> Function:
    """Add `--json` as a switch: data, and nothing else, on stdout."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON, and nothing else, on stdout.")(function)


def base_folder(base: str | None) -> Path:
    """Return the folder that holds the run folders: flag, environment, configuration file, or the default."""
    from gpuwatch import config
    from gpuwatch.errors import UsageError

    try:
        cwd = Path.cwd()
    except FileNotFoundError:
        raise UsageError("the working folder was deleted", "Change to one that exists") from None
    return Path(config.strict(config.load(cwd, os.environ, dir=base)).dir)


def find(run: str | None, base: str | None) -> Path:
    """Return the folder of a run. Raises RunNotFound or NotARun."""
    from gpuwatch.store import folder

    return folder.resolve(run, base_folder(base))


def load(
    run: str | None, base: str | None, timeline: bool = False, training: int | None = None, tell: bool = True
) -> Report:
    """Return the report of a run, analysed now, with the pictures' series if asked, and with the experiments that
    were made on the same command; `training`, or RUN:N, chooses one of several. With `tell` what is damaged in it is said
    on stderr; a report names it itself. Raises RunNotFound, NotARun or UsageError."""
    traced = traces_named([run] if run else [])
    if traced:
        return load_traces(traced, timeline)
    from gpuwatch.build_report import build
    from gpuwatch.store.jobs import read_run

    run, training = _named(run, training)
    job = None if training is not None else _job_meant(run, base)
    if job is not None:
        return load_job(job, timeline)
    path = find(run, base)
    recording = read_run(path)
    if tell:
        _tell(recording.problems)
    return with_experiments(build(recording, timeline, training), path.parent)


def _tell(problems: Sequence[str]) -> None:
    """Say what could not be read, in few lines: what is made of the rest goes to stdout."""
    for problem in problems[:_MOST_TOLD]:
        click.echo(f"gpuwatch: {problem}", err=True)
    if len(problems) > _MOST_TOLD:
        click.echo(f"gpuwatch: {len(problems) - _MOST_TOLD} more: `gpuwatch report` lists them", err=True)


def _job_meant(run: str | None, base: str | None) -> list[Member] | None:
    """Return the runs of the job that is meant: of the newest run, or of the newest one in a folder that was named; None
    where that is one run by itself."""
    from gpuwatch.errors import NotARun
    from gpuwatch.store import folder, jobs

    if run is None:
        try:
            found = jobs.job_of(find(None, base))
        except NotARun:  # reading it says why, or makes do with its event log
            return None
    elif Path(run).is_dir() and not (Path(run) / folder.INFO).exists() and not (Path(run) / "spool").exists():
        found = jobs.members_in(Path(run)) or []
    else:
        return None
    return found if len(found) > 1 or (run is not None and found) else None


def load_job(members: Sequence[Member], timeline: bool = False) -> Report:
    """Return the report of the runs of one job; of a single one its own. Raises UsageError where they do not fit."""
    from gpuwatch.build_job import JobRuns, build_job
    from gpuwatch.build_report import build
    from gpuwatch.store import jobs

    if len(members) == 1:
        return load(str(members[0].path), None, timeline, tell=False)
    job = jobs.read_job(members)
    if len(job.nodes) == 1:
        return build(job.nodes[0].recording, timeline)
    recordings, runs = (tuple(node.recording for node in job.nodes), tuple(node.runs for node in job.nodes))
    return build_job(JobRuns(job.id, job.by, recordings, runs), timeline)


def runs_named(names: Sequence[str], base: str | None) -> list[Member]:
    """Return the runs of the job that were named one by one, or by the folders that hold them. Raises RunNotFound, NotARun
    or UsageError."""
    from gpuwatch.store import jobs

    paths = [path for name in names for path in _folders(name, base)]
    return jobs.members_named(list(dict.fromkeys(path.resolve() for path in paths)))


def _folders(name: str, base: str | None) -> list[Path]:
    from gpuwatch.store import folder, jobs

    path = Path(name)
    inside = jobs.members_in(path) if path.is_dir() and not (path / folder.INFO).exists() else None
    return [member.path for member in inside] if inside else [find(name, base)]


def traces_named(names: Sequence[str]) -> list[Path]:
    """Return the paths where all the names are of trace files, or of folders with some; else nothing."""
    from gpuwatch.traces.read import names_traces

    paths = [Path(name) for name in names]
    return paths if paths and all(map(names_traces, paths)) else []


def load_traces(paths: Sequence[Path], timeline: bool = False) -> Report:
    """Return the report of GPU traces. Raises GpuwatchError with one line for what is none."""
    from gpuwatch.build_traced import build_traced
    from gpuwatch.traces.read import read_traces

    return build_traced(read_traces(paths), timeline)


def run_folder(run: str | None, base: str | None) -> Path:
    """Return the folder of a run that may be named as RUN:N. Raises RunNotFound or NotARun."""
    return find(_named(run, None)[0], base)


def load_profile(run: str | None, base: str | None) -> Profile:
    """Return the profile of a run (or RUN:N), which the rules look at. Raises RunNotFound, NotARun or UsageError."""
    traced = traces_named([run] if run else [])
    if traced:
        from gpuwatch.build_traced import profile_of_traces
        from gpuwatch.traces.read import read_traces

        return profile_of_traces(read_traces(traced))
    from gpuwatch.build_report import profile_in
    from gpuwatch.store.reader import read

    run, training = _named(run, None)
    recording = read(find(run, base))
    _tell(recording.problems)
    return profile_in(recording, training)


def _named(run: str | None, training: int | None) -> tuple[str | None, int | None]:
    """Take RUN:N apart, where no number is given yet and no folder is called so."""
    named = _TRAINING.fullmatch(run) if run and training is None and not Path(run).exists() else None
    return (named["run"] or None, int(named["training"])) if named else (run, training)


def with_experiments(report: Report, base: Path) -> Report:
    """Return the report with what `gpuwatch try` has kept below `base` on its command, and how well the predictions of
    all experiments there did."""
    from dataclasses import replace

    from gpuwatch.experiments import kept

    known = kept.all_of(base)
    if report.run.experiment is not None or not known:
        return report
    return replace(report, experiments=kept.of_command(known, report.run.command), prediction_score=kept.score(known))


def print_json(data: Any) -> None:
    """Print data as JSON on stdout."""
    from gpuwatch.views.json import dumps

    write_out(dumps(data) + "\n")


def write_out(text: str) -> None:
    """Write text to stdout as UTF-8, whatever the locale: it is data, and data does not depend on a terminal."""
    stream = getattr(sys.stdout, "buffer", None)
    if stream is None:
        sys.stdout.write(text)
        return
    sys.stdout.flush()
    stream.write(text.encode("utf-8", "replace"))
    stream.flush()


def write_file(path: str, text: str) -> None:
    """Write a file whole or, for `-`, to stdout. Raises GpuwatchError with the reason when it cannot."""
    from gpuwatch.errors import GpuwatchError

    if path == "-":
        write_out(text)
        return
    target = Path(path)
    partial = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        if target.exists() and not target.is_file():  # a device or a pipe is written to: to replace /dev/null harms all
            target.write_text(text, encoding="utf-8", errors="replace")
            return
        partial.write_text(text, encoding="utf-8", errors="replace")
        partial.replace(target)
    except OSError as error:
        partial.unlink(missing_ok=True) if partial.parent.is_dir() else None
        raise GpuwatchError(f"{path} cannot be written: {error.strerror or error}", "Name another file") from error
