"""The run folder: where it lies, how it is named, who may read it, and what `run.json` says.

`.gpuwatch/<YYYYMMDD-HHMMSS>[-name][-N]/` holds `run.json`, `boot/` (what the hook loads) and `spool/` (the
events). `run.json` is rewritten whole at the run's start and end, so a reader never sees half of it.
"""

from __future__ import annotations

import dataclasses
import errno
import json
import os
import re
import socket
import tempfile
import time
from pathlib import Path
from typing import Any

from gpuwatch.errors import GpuwatchError, NotARun, OtherVersion, RunNotFound
from gpuwatch.model.recording import RunInfo
from gpuwatch.records import dataclass
from gpuwatch.store import liveness
from gpuwatch.store.regular import read_regular
from gpuwatch.words.masking import mask_arguments

SCHEMA = "gpuwatch.run/1"
DEFAULT_BASE = ".gpuwatch"
INFO = "run.json"
_TEXTS, _OPTIONAL_TEXTS = ("id", "cwd", "host", "gpuwatch", "state"), ("name", "boot_id", "problem", "gpu_trace", "job")
_SEE_RUNS = "`gpuwatch runs` lists the runs here"
_COLLISIONS = 1000
# The longest command line that Linux takes has 2 MB.
_LARGEST_INFO = 1 << 24
# What a short run needs (the hook's copy and its first events), and what the end of run.json needs.
_ROOM, _NEEDED_BYTES, _KEPT_BYTES = ".room", 1 << 20, 16384


@dataclass(frozen=True, slots=True)
class Created:
    """A new run folder, and the line for the user when it is not where they asked for it."""

    path: Path
    note: str | None = None


def create(base: Path, name: str | None = None) -> Created:
    """Make a run folder (mode 0700) under `base`, or in the temporary folder when `base` takes none.

    Raises GpuwatchError when neither place can be written."""
    try:
        return Created(_make(base, name))
    except OSError as error:
        reason = f"{error.strerror or error} ({base})"
    try:
        path = _make(Path(tempfile.mkdtemp(prefix="gpuwatch-")), name)
    except OSError as error:
        raise GpuwatchError(
            f"no run folder can be made: {reason}; {error.strerror or error} ({tempfile.gettempdir()})"
        ) from error
    return Created(path, f"cannot record in {base}: {reason}; recording in {path} instead")


def _make(base: Path, name: str | None) -> Path:
    base = base.absolute()
    # Whatever the umask: who could write here could put other runs in the place of ours.
    base.mkdir(mode=0o755, parents=True, exist_ok=True)
    _ignore_in_git(base)
    path = _fresh_folder(base, name)
    try:
        for part in ("boot", "spool"):
            (path / part).mkdir(mode=0o700)
        _check_room(path)
    except OSError:
        _remove(path)
        raise
    return path


def _fresh_folder(base: Path, name: str | None) -> Path:
    stem = time.strftime("%Y%m%d-%H%M%S") + (f"-{tidy_name(name)}" if name else "")
    for number in range(1, _COLLISIONS):
        path = base / (stem if number == 1 else f"{stem}-{number}")
        try:
            path.mkdir(mode=0o700)
            return path
        except FileExistsError:
            continue
    raise FileExistsError(17, f"{_COLLISIONS} run folders of one second")


def _check_room(path: Path) -> None:
    # On a full disk the folder can often still be made: only allocated blocks tell. A part is kept until the end.
    with open(path / _ROOM, "wb", opener=_private) as file:
        try:
            os.posix_fallocate(file.fileno(), 0, _NEEDED_BYTES)
        except OSError as error:
            if error.errno not in (errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS):
                raise
            file.write(b"\0" * _NEEDED_BYTES)  # a file system without it
        file.truncate(_KEPT_BYTES)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def free_room(path: Path) -> bool:
    """Give back what was kept for the last write of `run.json`; return whether the disk was full without it."""
    probe = path / f"{_ROOM}.probe"
    try:
        probe.write_bytes(b"\0" * _KEPT_BYTES)
        full = False
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    for file in (probe, path / _ROOM):
        file.unlink(missing_ok=True)
    return full


def _remove(path: Path) -> None:
    for part in (path / _ROOM, path / "spool", path / "boot", path):
        try:
            part.unlink() if part.is_file() else part.rmdir()
        except OSError:
            pass


def _ignore_in_git(base: Path) -> None:
    ignore = base / ".gitignore"
    if base.name == DEFAULT_BASE and not ignore.exists():
        ignore.write_text("*\n")


def tidy_name(name: str) -> str:
    """Return a name fit for a folder: letters, digits, dot, dash, underscore; at most 60 characters."""
    return re.sub(r"[^\w.-]+", "-", name, flags=re.ASCII).strip("-.")[:60] or "run"


def new_info(path: Path, command: tuple[str, ...], name: str | None, version: str) -> RunInfo:
    """Return the metadata of a run about to start in the folder `path`; secrets in `command` are masked."""
    return RunInfo(
        id=path.name,
        name=name,
        command=mask_arguments(command),
        cwd=_cwd(),
        host=socket.gethostname(),
        started_wall_ns=time.time_ns(),
        started_ns=time.monotonic_ns(),
        supervisor_pid=os.getpid(),
        gpuwatch=version,
        state="running",
        boot_id=liveness.boot_id(),
        supervisor_start=liveness.start_ticks(os.getpid()),
    )


def _cwd() -> str:
    try:
        return os.getcwd()
    except OSError:
        return "(deleted)"


def write_info(path: Path, info: RunInfo) -> None:
    """Write `run.json` atomically: a reader sees the old one or the new one. Raises OSError."""
    text = json.dumps({"schema": SCHEMA, **dataclasses.asdict(info)}, indent=1)
    temporary = path / f".{INFO}.{os.getpid()}"
    try:
        with open(temporary, "w", encoding="utf-8", opener=_private) as file:
            file.write(text + "\n")
        temporary.replace(path / INFO)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise


def read_info(path: Path) -> RunInfo:
    """Read `run.json`, with `state` as it is now. Raises NotARun with the reason."""
    raw = _read_json(path)
    schema = raw.get("schema")
    if schema is None:
        raise OtherVersion(f"{path / INFO} is not gpuwatch's: it names no schema", _SEE_RUNS)
    if schema != SCHEMA:
        raise OtherVersion(
            f"{path} is of schema {schema!r}, this gpuwatch reads {SCHEMA!r}",
            "Use the gpuwatch version that recorded it",
        )
    known = {field.name for field in dataclasses.fields(RunInfo)}
    values = {key: value for key, value in raw.items() if key in known}
    wrong = next((name for name, value in values.items() if not _fits(name, value)), None)
    if wrong:
        raise NotARun(f"{path / INFO} is damaged: {wrong} is {values[wrong]!r:.60}", _SEE_RUNS)
    try:
        values["command"] = mask_arguments(values["command"])  # earlier versions masked less
        info = RunInfo(**values)
    except (KeyError, TypeError) as error:
        raise NotARun(f"{path / INFO} lacks what every run has: {error}", _SEE_RUNS) from error
    return dataclasses.replace(info, state=liveness.state(info, path / "spool"))


def _fits(name: str, value: Any) -> bool:
    """Say whether a value of `run.json` is of its field's type."""
    if name == "command":
        return isinstance(value, list) and all(isinstance(word, str) for word in value)
    if name == "identity":
        return value is None or (isinstance(value, dict) and all(isinstance(fact, str) for fact in value.values()))
    if name in ("experiment", "attached", "in_process"):
        return value is None or isinstance(value, dict)
    if name in _TEXTS:
        return isinstance(value, str)
    if value is None:
        return name not in ("started_wall_ns", "started_ns")
    if name in _OPTIONAL_TEXTS:
        return isinstance(value, str)
    return isinstance(value, int) and abs(value) < 2**63


def _read_json(path: Path) -> dict[str, Any]:
    file = path / INFO
    try:
        raw = json.loads(read_regular(file, _LARGEST_INFO))
    except FileNotFoundError:
        what = f"{path} is not a run folder: it has no {INFO}" if path.is_dir() else f"there is no folder {path}"
        raise NotARun(what, _SEE_RUNS) from None
    except NotADirectoryError:
        raise NotARun(f"{path} is a file, not a run folder", _SEE_RUNS) from None
    except PermissionError:
        raise NotARun(
            f"{file} may not be read by you", "Run folders are private to the user who recorded them"
        ) from None
    except OSError as error:
        raise NotARun(f"{file} cannot be read: {error.strerror or error}", _SEE_RUNS) from error
    except (ValueError, RecursionError) as error:
        raise NotARun(f"{file} is damaged: {error}", _SEE_RUNS) from error
    if not isinstance(raw, dict):
        raise NotARun(f"{file} is not gpuwatch's: it holds a {type(raw).__name__}", _SEE_RUNS)
    return raw


def list_runs(base: Path) -> list[Path]:
    """Return the run folders under `base`, oldest first; other folders, and those of other users, are left out."""
    try:
        entries = list(base.iterdir())
    except OSError:
        return []
    return sorted((entry for entry in entries if _holds_run(entry)), key=_age)


def _holds_run(entry: Path) -> bool:
    try:
        return (entry / INFO).is_file()
    except OSError:
        return False


def _is_closed(path: Path) -> bool:
    return path.is_dir() and not os.access(path, os.R_OK | os.X_OK)


def _age(path: Path) -> tuple[int, str]:
    try:
        return int(_read_json(path).get("started_wall_ns") or 0), path.name
    except (NotARun, TypeError, ValueError):
        return 0, path.name


def resolve(run: str | None, base: Path) -> Path:
    """Return the folder of a run: newest (None), an id, a name (its newest), a unique prefix, or a path."""
    if run is not None and (os.sep in run or run in (".", "..") or (Path(run) / INFO).is_file()):
        return _existing(Path(run))
    runs = list_runs(base)
    if not runs and (_is_closed(base) or any(map(_is_closed, base.glob("*")))):
        raise RunNotFound(
            f"no run in {base} may be read by you", "Run folders are private to the user who recorded them"
        )
    if not runs:
        raise RunNotFound(
            f"no run in {base}", "Record one with `gpuwatch run -- COMMAND`, or name a run folder by its path"
        )
    if run is None:
        return next((path for path in reversed(runs) if not _is_experiment(path)), runs[-1])
    return _match(run, runs, base)


def _existing(path: Path) -> Path:
    path = path.parent if path.name == INFO else path
    try:
        read_info(path)
    except OtherVersion:
        raise
    except NotARun:
        # What the processes wrote tells most of a run whose run.json was lost (a full disk).
        if not any((path / "spool").glob("*.jsonl*")):
            raise
    return path


def _match(run: str, runs: list[Path], base: Path) -> Path:
    by_id = [path for path in runs if path.name == run]
    by_name = [path for path in runs if _read_name(path) == run]
    if by_id or by_name:
        return (by_id or by_name)[-1]
    starting = [path for path in runs if path.name.startswith(run)]
    if len(starting) == 1:
        return starting[0]
    if starting:
        names = ", ".join(path.name for path in starting[-4:])
        raise RunNotFound(f"{run!r} fits {len(starting)} runs: {names}", "Give more of the id")
    raise RunNotFound(
        f"no run {run!r} in {base}", "`gpuwatch runs` lists them; a run elsewhere can be named by its path"
    )


def _is_experiment(path: Path) -> bool:
    """Say whether a folder holds an experiment, whose recording is no picture of the training."""
    try:
        return bool(_read_json(path).get("experiment"))
    except NotARun:
        return False


def _read_name(path: Path) -> str | None:
    try:
        name = _read_json(path).get("name")
    except NotARun:
        return None
    return str(name) if name else None
