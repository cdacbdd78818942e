"""Damage a recorded run in one of many ways, by a seed: what `scripts/fuzz` and the tests of broken runs share.

The run is `tests/recorded`: `gpuwatch run --rate 2 --gpu-trace 2 -- python train.py`, with names of the machine replaced and
stack samples thinned out. A mutation gets the run's files and returns the damaged ones.
"""

from __future__ import annotations

import gzip
import json
import math
import os
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

RECORDED = Path(__file__).parent / "recorded"
FOREIGN = (
    b"",
    b"\n",
    b"PK\x03\x04zip",
    b"\x7fELF\x02\x01",
    b"<html>\n</html>\n",
    b'{"a": 1}\n',
    b"[1, 2]\n",
    b"null\n",
    b"\xff\xfe\0",
)
ODD: tuple[Any, ...] = (
    None, True, "", "12.5", "soon", [], [1, 2], [[]], [["a", None]], {}, {"a": {}}, -1, 0, 1.5, 1e308, -1e308, 10**30,
    10**400, 2**63, -(2**63), 2**53 + 1, 1e-320, math.nan, math.inf, "\ud800", "x" * 10_000, "\x1b[31m", "/" * 4096,
)  # fmt: skip


@dataclass(frozen=True)
class Folder:
    """In the place of a file: a folder."""


@dataclass(frozen=True)
class Link:
    """In the place of a file: a link."""

    target: str


@dataclass(frozen=True)
class Pipe:
    """In the place of a file: a named pipe that no process writes into."""


@dataclass(frozen=True)
class Sparse:
    """In the place of a file: one of so many zero bytes, which takes no room on the disk."""

    size: int


Entry = bytes | Folder | Link | Pipe | Sparse
Files = dict[str, Entry]


@cache
def _recorded() -> dict[str, bytes]:
    files = {"run.json": (RECORDED / "run.json").read_bytes()}
    for path in sorted((RECORDED / "spool").iterdir()):
        files[f"spool/{path.name.removesuffix('.gz')}"] = gzip.decompress(path.read_bytes())
    for path in sorted((RECORDED / "traces").iterdir()):
        files[f"traces/{path.name}"] = path.read_bytes()
    return files


def recorded() -> Files:
    """Return the files of the whole run by their paths in its folder, unpacked."""
    return dict(_recorded())


def write(files: Files, folder: Path) -> Path:
    """Write a run folder; returns it."""
    for name, entry in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(entry, bytes):
            path.write_bytes(entry)
        elif isinstance(entry, Folder):
            path.mkdir()
        elif isinstance(entry, Link):
            path.symlink_to(entry.target)
        elif isinstance(entry, Pipe):
            os.mkfifo(path)
        else:
            with path.open("wb") as file:
                file.truncate(entry.size)
    return folder


def _spool(files: Files, noise: Random) -> str:
    return noise.choice([name for name in files if name.startswith("spool/")])


def _text(files: Files, name: str) -> bytes:
    entry = files[name]
    assert isinstance(entry, bytes)
    return entry


def cut(files: Files, noise: Random) -> None:
    """Cut one file, or all, after any byte."""
    names = list(files) if noise.random() < 0.3 else [noise.choice(list(files))]
    for name in names:
        text = _text(files, name)
        files[name] = text[: noise.choice((noise.randrange(len(text)), noise.randrange(min(len(text), 3000))))]


def cut_alike(files: Files, noise: Random) -> None:
    """Cut every spool file after the same number of bytes."""
    size = noise.choice((0, 1, 100, 1000, noise.randrange(4000), noise.randrange(40_000)))
    for name in files:
        if name.startswith("spool/"):
            files[name] = _text(files, name)[:size]


def swapped(files: Files, noise: Random) -> None:
    """Give two files each other's content."""
    one, other = noise.sample(list(files), 2)
    files[one], files[other] = files[other], files[one]


def duplicated(files: Files, noise: Random) -> None:
    """Repeat a file under another name, a file within itself, or some of its lines."""
    name = _spool(files, noise)
    text = _text(files, name)
    how = noise.randrange(4)
    if how == 0:
        files[f"spool/{noise.choice(('7-7', '6528-1', 'stacks2', 'sampler (copy)'))}.jsonl"] = text
    elif how == 1:
        files[name] = text * noise.choice((2, 3))
    elif how == 2:
        files[f"{name}.gz"] = gzip.compress(text)
    else:
        lines = text.splitlines(keepends=True)
        files[name] = b"".join([*lines, *noise.choices(lines, k=200)])


def shuffled(files: Files, noise: Random) -> None:
    """Write the lines of a file in another order, without its header or with it."""
    name = _spool(files, noise)
    lines = _text(files, name).splitlines(keepends=True)
    kept = lines[: noise.randrange(2)]
    rest = lines[len(kept) :]
    noise.shuffle(rest)
    files[name] = b"".join(kept + rest[noise.randrange(len(rest)) :])


def lines_left_out(files: Files, noise: Random) -> None:
    """Leave out some lines of a file, or all of a kind of event."""
    name = _spool(files, noise)
    header, *lines = _text(files, name).splitlines(keepends=True)
    if noise.random() < 0.5:
        kind = noise.choice(lines).split(b",")[0] if lines else b""
        lines = [line for line in lines if not line.startswith(kind + b",")]
    else:
        share = noise.random()
        lines = [line for line in lines if noise.random() < share]
    files[name] = b"".join([header, *lines])


def lost(files: Files, noise: Random) -> None:
    """Remove some files."""
    for name in noise.sample(list(files), noise.randint(1, len(files) - 1)):
        del files[name]


def foreign(files: Files, noise: Random) -> None:
    """Put something else in a file's place, or beside the files."""
    content = noise.choice(
        (*FOREIGN, noise.randbytes(3000), b"[" * 200_000, b'{"a":' * 100_000, b"9" * 100_000 + b"\n")
    )
    beside = (
        "spool/9-9.jsonl",
        "spool/notes.txt",
        "spool/.jsonl",
        "spool/9-9.jsonl.gz",
        "experiment.json",
        "traces/9-1.json",
    )
    files[noise.choice((*files, *beside))] = content


def not_a_file(files: Files, noise: Random) -> None:
    """Put a folder, a link or a pipe in a file's place."""
    links = (
        "/dev/zero",
        "/dev/null",
        "/etc/passwd",
        "nowhere",
        ".",
        "..",
        "loop",
        "/proc/self/mem",
        "/proc/self/environ",
    )
    name = noise.choice(list(files))
    entry = noise.choice((Folder(), Pipe(), Link(noise.choice(links)), Link(name.rpartition("/")[2])))
    files[name] = entry
    if noise.random() < 0.2:
        for other in [other for other in files if other.startswith("spool/")]:
            del files[other]
        files["spool"] = noise.choice((entry, b"", b"text"))


def too_large(files: Files, noise: Random) -> None:
    """Put a file in a file's place that unpacks, or is read, to more than a memory holds."""
    name = noise.choice(list(files))
    how = noise.randrange(4)
    if how == 0:
        files[name] = Sparse(noise.choice((1 << 26, 1 << 34)))
    elif how == 1 and name.startswith("spool/"):
        head = _text(files, name).split(b"\n", 1)[0] + b"\n"
        del files[name]
        files[name + ".gz"] = _bomb(head, noise.choice((b"\0", b"\n", b'["meta",1,"a",1]\n', b"[" * 9)))
    elif how == 2:
        files["traces/6528-1.json.gz"] = _bomb(b'{"traceEvents":[', noise.choice((b" ", b'{"ph":"X","cat":"kernel"},')))
    else:
        files[name] = _bomb(b"", b"\0")


@cache
def _bomb(head: bytes, repeated: bytes, megabytes: int = 400) -> bytes:
    piece = repeated * ((1 << 20) // len(repeated))
    packer = gzip.zlib.compressobj(9, wbits=31)  # type: ignore[attr-defined]
    return b"".join([packer.compress(head), *(packer.compress(piece) for _ in range(megabytes)), packer.flush()])


def newer(files: Files, noise: Random) -> None:
    """Name another version, as a gpuwatch of next year would."""
    name = noise.choice(list(files))
    if name.startswith("traces/"):
        name = "run.json"
    for old, new in (
        (b"gpuwatch.run/1", b"gpuwatch.run/2"),
        (b"gpuwatch.spool/1", noise.choice((b"gpuwatch.spool/2", b""))),
    ):
        files[name] = _text(files, name).replace(old, new)


def bytes_flipped(files: Files, noise: Random) -> None:
    """Change, insert or remove a few bytes."""
    name = noise.choice(list(files))
    data = bytearray(_text(files, name))
    for _ in range(noise.choice((1, 3, 30, 300))):
        at = noise.randrange(len(data) + 1)
        change = noise.randrange(3)
        if change == 0:
            data[at : at + 1] = bytes((noise.randrange(256),))
        elif change == 1:
            data[at:at] = noise.choice(
                (b"\xff\xfe", b"{", b"}", b"[", b"]", b'"', b"\\", b",", b"\0", b"NaN", b"\n", b"9" * 30)
            )
        else:
            del data[at : at + noise.randint(1, 40)]
    files[name] = bytes(data)


def digits_changed(files: Files, noise: Random) -> None:
    """Change digits to other digits or a sign: lines that stay whole and say something else."""
    name = _spool(files, noise)
    data = bytearray(_text(files, name))
    places = [at for at, byte in enumerate(data) if 48 <= byte <= 57]
    for at in noise.sample(places, min(len(places), noise.choice((1, 20, 500)))):
        data[at] = noise.choice(b"0123456789-")
    files[name] = bytes(data)


def wrong_cells(files: Files, noise: Random) -> None:
    """Put a value of another type, or a huge one, into cells of a file: a few, a column, or a column of nulls."""
    name = _spool(files, noise)
    header, *lines = [json.loads(line) for line in _text(files, name).splitlines()]
    by_kind: dict[str, list[Any]] = {}
    for row in lines:
        by_kind.setdefault(row[0], []).append(row)
    for _ in range(noise.choice((1, 1, 5))):
        rows, value = by_kind[noise.choice(list(by_kind))], noise.choice(ODD)
        at = noise.randrange(len(rows[0]))
        for row in rows if noise.random() < 0.5 else noise.sample(rows, min(3, len(rows))):
            if at < len(row):
                row[at] = deepcopy(value) if noise.random() < 0.7 else _deeper(row[at], noise)
    files[name] = _lines([header, *lines])


def _deeper(cell: Any, noise: Random) -> Any:
    """Return a cell with one value inside it replaced."""
    cell = deepcopy(cell)
    if isinstance(cell, list) and cell:
        at = noise.randrange(len(cell))
        cell[at] = _deeper(cell[at], noise)
    elif isinstance(cell, dict) and cell:
        key = noise.choice(list(cell))
        cell[key] = _deeper(cell[key], noise)
    elif isinstance(cell, (int, float)) and noise.random() < 0.5:
        return noise.choice((-1, cell * 10**6, cell * 10**12, -cell, cell * 1e200, 0))
    else:
        return deepcopy(noise.choice(ODD))
    return cell


def wrong_lengths(files: Files, noise: Random) -> None:
    """Make rows longer or shorter, or their columns fewer or in another order."""
    name = _spool(files, noise)
    header, *lines = [json.loads(line) for line in _text(files, name).splitlines()]
    if noise.random() < 0.5:
        for row in noise.sample(lines, min(len(lines), 5)):
            row[:] = row[: noise.randrange(len(row) + 1)] if noise.random() < 0.5 else [*row, *row]
    else:
        columns = header["columns"][noise.choice(list(header["columns"]))]
        noise.shuffle(columns)
        del columns[noise.randrange(len(columns) + 1) :]
    files[name] = _lines([header, *lines])


def wrong_header(files: Files, noise: Random) -> None:
    """Put a value of another type, or a huge one, into a header or run.json."""
    name = noise.choice((_spool(files, noise), "run.json"))
    first, newline, rest = (_text(files, name), b"", b"") if name == "run.json" else _text(files, name).partition(b"\n")
    header = json.loads(first)
    for _ in range(noise.choice((1, 1, 4))):
        key = noise.choice(list(header))
        if noise.random() < 0.2:
            del header[key]
        elif noise.random() < 0.5:
            header[key] = deepcopy(noise.choice(ODD))
        else:
            header[key] = _deeper(header[key], noise)
        if not header:
            break
    files[name] = _lines([header]).rstrip(b"\n") + newline + rest


def of_another_run(files: Files, noise: Random) -> None:
    """Move a file to another time, process, host or boot, as of another run."""
    name = _spool(files, noise)
    first, _, rest = _text(files, name).partition(b"\n")
    header = json.loads(first)
    header.update(
        noise.choice(
            (
                {"pid": noise.choice((0, -1, 1, 6528, 6539))},
                {"host": noise.choice(("", "other", None, "node1" * 1000))},
                {"mono_ns": header["mono_ns"] + noise.choice((-1, 1)) * 10 ** noise.randint(9, 18)},
                {"wall_ns": header["wall_ns"] + noise.choice((-1, 1)) * 10 ** noise.randint(9, 19)},
                {"process_start_ns": noise.choice((None, 0, -5, 10**19))},
                {"writer": noise.choice(("hook", "sampler", "stacks", "attached", "someone"))},
            )
        )
    )
    files[name] = _lines([header]) + rest


def _lines(values: list[Any]) -> bytes:
    # Half of a surrogate pair in a text is written as an escape, as json does.
    return b"".join(json.dumps(value, separators=(",", ":")).encode() + b"\n" for value in values)


def several(files: Files, noise: Random) -> None:
    """Damage a run in several ways."""
    for _ in range(noise.randint(2, 5)):
        kind = noise.choice((cut, swapped, duplicated, shuffled, lost, bytes_flipped, digits_changed, wrong_cells))
        if all(isinstance(entry, bytes) and entry for entry in files.values()) and len(files) > 3:
            try:
                kind(files, noise)
            except (ValueError, IndexError, KeyError, TypeError):
                return  # what this one changes is damaged already


MUTATIONS: tuple[Callable[[Files, Random], None], ...] = (
    cut, cut_alike, swapped, duplicated, shuffled, lines_left_out, lost, foreign, not_a_file, too_large, newer, bytes_flipped,
    digits_changed, wrong_cells, wrong_lengths, wrong_header, of_another_run, several,
)  # fmt: skip


TOML = (
    'dir = "runs"', "rate = 2", "rate = 1e308", "rate = -1", "rate = nan", 'rate = "fast"', "stacks = false", "stacks = 3",
    'quiet = "maybe"', 'html = ""', "html = []", 'fail-on = "input_wait>10%"', 'fail_on = "x"', "[tool.gpuwatch]",
    "[tool]", "gpuwatch = 3", "[[tool.gpuwatch]]", "live = 2020-01-01", 'dri = "runs"', 'dir = "\\u0000"', 'dir = "run.txt"',
    'dir = "/proc/1"', "tool.gpuwatch.rate = 5", '"" = 1', "a.b.c = {d = [1, {e = 2}]}", 'x = """', "= 3", "dir", "\0",
)  # fmt: skip
GATE = (
    "input_wait", "step", "gpu_idle", "finding", "bound", "severity", "too-few-workers", "input", "critical", "nosuch", ">", "<",
    ">=", "<=", ":", "=", "10", "10%", "1e9", "-1", ".", "0.0.1", "nan", "9" * 400, "%", "ms", "s", "GB", " or ", ",", " and ",
    "(", ")", "\n", "\x1b[31m", "é", "🙂", "x" * 5000, "--", "", " ", "'", '"',
)  # fmt: skip


def settings(noise: Random) -> Files:
    """Return settings, in one or both of their files, of lines that do not go together, or of bytes that are no text."""
    files: Files = {"run.txt": b""}
    for name in noise.choice((("gpuwatch.toml",), ("pyproject.toml",), ("gpuwatch.toml", "pyproject.toml"))):
        lines = noise.sample(TOML, noise.randint(0, 4))
        text = "\n".join((["[tool.gpuwatch]"] if name == "pyproject.toml" else []) + lines).encode()
        odd = (
            Folder(),
            Link("nowhere"),
            Link("/dev/zero"),
            b"[" * 50_000,
            b"a = " + b"[" * 50_000,
            noise.randbytes(300),
        )
        files[name] = text if noise.random() < 0.8 else noise.choice(odd)
    return files


def gate(noise: Random) -> str:
    """Return an expression for --fail-on, of pieces that may fit."""
    if noise.random() < 0.3:
        return (
            f"{noise.choice(GATE[:3])}{noise.choice(GATE[10:14])}{noise.choice(GATE[16:24])}{noise.choice(GATE[24:28])}"
        )
    return "".join(noise.choices(GATE, k=noise.randint(1, 8)))


def damaged(kind: Callable[[Files, Random], None], noise: Random) -> Files:
    """Return the recorded run, damaged in one way."""
    files = recorded()
    kind(files, noise)
    return files
