"""Try a verb on a damaged run, in this process, and judge the answer: what `scripts/fuzz` and the tests share."""

from __future__ import annotations

import gc
import json
import os
import re
import resource
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, Literal, TextIO

from tests.broken_traces import BREAKS
from tests.mutations import MUTATIONS, Files, damaged, gate, recorded, settings, write

# What is asked of the damaged run, which is the folder `damaged`; `whole` is the run as it was recorded.
VERBS: tuple[tuple[str, ...], ...] = (
    ("report", "./damaged"),
    ("report", "./damaged", "--json", "-"),
    ("report", "./damaged", "--html", "out.html"),
    ("report", "./damaged", "--markdown", "-"),
    ("lines", "./damaged"),
    ("lines", "./damaged", "--stack", "--json"),
    ("check", "./damaged", "--fail-on", "input_wait>10% or finding:too-few-workers"),
    ("diff", "./damaged", "./whole"),
    ("diff", "./whole", "./damaged", "--json"),
    ("export", "./damaged", "--to", "csv", "-o", "-"),
    ("export", "./damaged", "--to", "perfetto", "-o", "-"),
    ("export", "./damaged", "--to", "speedscope", "-o", "-"),
    ("export", "./damaged", "--to", "prometheus", "-o", "-"),
    ("export", "./damaged", "--to", "plotly", "-o", "out.json"),
    ("explain", "slow-dataset-code", "--run", "./damaged"),
    ("top", "./damaged", "--once"),
    ("runs", "--dir", "."),
    ("runs", "--dir", ".", "--json"),
    ("runs", "--dir", ".", "--pack", "damaged"),
    ("report", "--dir", "."),
)
# Codes that docs give to verbs that read: a report, an error, a wrong call (also: no run), a gate that tripped.
CODES = (0, 1, 2, 3)
# A report of the whole run takes a fifth of a second and 20 MB.
MOST_SECONDS, MOST_BYTES = 10, 1 << 30

_ZEROS = re.compile(rb"((?<![\w.\\])-?)0+(?=[0-9])")
Judged = Literal["clear", "silent", "unclear", "traceback", "slow", "memory"]
JUDGED: tuple[Judged, ...] = ("clear", "silent", "unclear", "traceback", "slow", "memory")


@dataclass(frozen=True)
class Answer:
    """What a verb said, and what that is: `judged` is `clear` where it is as it should be, `why` says what is not."""

    judged: Judged
    why: str = ""
    code: int | None = None
    out: str = ""
    err: str = ""
    seconds: float = 0.0


class _TooSlow(BaseException):
    """Not an Exception: nothing that the command line catches."""


@dataclass(frozen=True)
class Try:
    """What is called on which files: those of the run `damaged`, and those beside it."""

    verb: tuple[str, ...]
    files: Files = field(default_factory=dict)
    beside: Files = field(default_factory=dict)


# Kinds of damage that are no run's.
OTHERS = ("settings", "gate", "trace")
KINDS = (*(kind.__name__ for kind in MUTATIONS), *OTHERS)


def planned(kind: str, number: int, seed: int) -> Try:
    """Return a try of a kind, by which seed and number it can be made again."""
    noise = Random(f"{kind} {number} {seed}")
    if kind == "settings":
        return Try(("runs", "--json"), beside=settings(noise))
    if kind == "gate":
        return Try(("check", "./whole", "--fail-on", gate(noise)))
    if kind == "trace":
        trace = noise.choice(BREAKS)(noise)
        return Try(("report", "t.json", *noise.choice(((), ("--json", "-")))), beside={"t.json": trace})
    verb = noise.choice(VERBS)
    return Try(verb, damaged(next(each for each in MUTATIONS if each.__name__ == kind), noise))


def attempt(made: Try) -> Answer:
    """Write what is damaged into a fresh folder, call a verb on it there, judge the answer."""
    before, files, verb = os.getcwd(), made.files, made.verb
    with tempfile.TemporaryDirectory(prefix="gpuwatch-fuzz-") as folder:
        write(files, Path(folder, "damaged"))
        write(recorded(), Path(folder, "whole"))
        write(made.beside, Path(folder))
        os.chdir(folder)
        try:
            answer = call(verb)
        finally:
            os.chdir(before)
    silent = _unnamed(files, verb, answer) if answer.judged == "clear" else None
    return Answer("silent", f"{silent} is not named", *_said(answer)) if silent else answer


def call(arguments: tuple[str, ...]) -> Answer:
    """Call the command line in this process, within bounds of time and memory, and judge what it says."""
    from gpuwatch.__main__ import main

    code: Any = None
    begun = time.perf_counter()
    with _captured() as (out, err):
        try:
            with _bounded():
                main(list(arguments))
        except SystemExit as ended:
            code = ended.code
        except _TooSlow as error:
            return Answer("slow", f"not ended after {MOST_SECONDS} s, {_place(error)}")
        except BaseException as error:
            return Answer("traceback", f"{type(error).__name__}: {error} {_place(error)}"[:400])
        finally:
            gc.unfreeze()
        return _judge(code, _content(out), _content(err), time.perf_counter() - begun, arguments)


def _judge(code: Any, out: str, err: str, seconds: float, arguments: tuple[str, ...]) -> Answer:
    said = (code, out, err, seconds)
    if "MemoryError" in err:
        return Answer("memory", err.strip(), *said)
    if "Traceback" in out + err or "own fault" in err or "contradicts itself" in out:
        return Answer("traceback", (err or "contradicts itself").strip()[-400:], *said)
    if code not in CODES:
        return Answer("unclear", f"status {code}", *said)
    if code in (1, 2) and (out or not err or not all(line.startswith("gpuwatch: ") for line in err.splitlines())):
        return Answer("unclear", f"not lines of ours alone: {err[:400]!r} {out[:200]!r}", *said)
    if code in (0, 3) and _is_data(arguments):
        try:
            json.loads(out, parse_constant=_no_constant)
        except ValueError as error:
            return Answer("unclear", f"stdout is no JSON: {error}", *said)
    return Answer("clear", "", *said)


def _said(answer: Answer) -> tuple[Any, str, str, float]:
    return answer.code, answer.out, answer.err, answer.seconds


def _is_data(arguments: tuple[str, ...]) -> bool:
    return "--json" in arguments or "perfetto" in arguments or "speedscope" in arguments


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is in it")


def _unnamed(files: Files, verb: tuple[str, ...], answer: Answer) -> str | None:
    """Return a file that cannot be what the hook writes and that the answer does not name."""
    said = (answer.out + answer.err).replace("\\", "")
    if (
        answer.code not in (0, 3)
        or "./damaged" not in verb
        or "--html" in verb
        or verb[0] == "top"
        or " more: " in said
    ):
        return None
    return next((name for name in broken(files) if name.partition("/")[2] not in said), None)


def broken(files: Files) -> list[str]:
    """Return the spool files that are no file, begin with no header of this format, or have lines that are no event."""
    found = []
    for name, entry in files.items():
        is_spool = name.startswith("spool/") and name.endswith(".jsonl") and not name.startswith("spool/.")
        if is_spool and not (isinstance(entry, bytes) and _is_sound(entry)):
            found.append(name)
    return found


def _is_sound(text: bytes) -> bool:
    # A number with a zero before it is read as a number.
    header, *lines = text.split(b"\n")[:-1] or [b""]
    try:
        return json.loads(header)["format"] == "gpuwatch.spool/1" and all(
            isinstance(json.loads(_ZEROS.sub(rb"\1", line))[0], str) for line in lines if line.strip()
        )
    except (ValueError, TypeError, KeyError, IndexError, RecursionError):
        return False


@contextmanager
def _captured() -> Iterator[tuple[TextIO, TextIO]]:
    # Real files: what writes to the descriptor's number, or asks for it, finds one.
    kept = sys.stdout, sys.stderr
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        sys.stdout, sys.stderr = out, err
        try:
            yield out, err
        finally:
            sys.stdout, sys.stderr = kept


def _content(file: TextIO) -> str:
    file.flush()
    file.seek(0)
    return file.buffer.read().decode("utf-8", "replace")


@contextmanager
def _bounded() -> Iterator[None]:
    def end(number: int, frame: Any) -> None:
        raise _TooSlow

    pages = int(Path("/proc/self/statm").read_text().split()[0])
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    before = signal.signal(signal.SIGALRM, end)
    signal.alarm(MOST_SECONDS)
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + MOST_BYTES, hard))
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def _place(error: BaseException) -> str:
    """Return where an exception came from: its innermost places in gpuwatch."""
    places, at = [], error.__traceback__
    while at is not None:
        file = at.tb_frame.f_code.co_filename
        if "/gpuwatch/" in file:
            places.append(f"{file.rpartition('/gpuwatch/')[2]}:{at.tb_lineno}")
        at = at.tb_next
    return "in " + " ".join(places[-3:])
