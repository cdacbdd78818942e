"""The code edit of a remedy as a person would make it: `-` and `+` lines of their own source where that is known."""

from __future__ import annotations

import ast
import difflib
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from gpuwatch.experiments.sweep import Setting
from gpuwatch.model.experiment import LoaderTrial
from gpuwatch.model.measures import Place

FASTER_DECODER = (
    "- image = Image.open(path).convert('RGB')\n"
    "+ image = Image.fromarray(simplejpeg.decode_jpeg(Path(path).read_bytes(), 'RGB'))  # or cv2, torchvision.io"
)
CACHE = "+ keep the finished items in memory (a list or tensor made once), or save them once and load the result"
PACK = "+ collate into one tensor per field, and split it after the batch has arrived"
UINT8 = "- collate float images\n+ collate uint8 images, and after x.to(device): x = x.float().div_(255)"
BATCHED = "+ DataLoader(dataset, sampler=BatchSampler(RandomSampler(dataset), n, drop_last=False), batch_size=None)"
# A start of workers that takes more than this share of an epoch is worth keeping them.
RESTART_SHARE = 0.03


class Code(str):
    """An argument's value that is code, not a string."""


def for_sweep(rows: Sequence[LoaderTrial], now: Setting, loop: Mapping[str, Any]) -> str | None:
    """Return the edit that makes the knee permanent; None when the loader is there already."""
    knee = next((row for row in rows if row.knee), None)
    if knee is None or (knee.workers, knee.prefetch, knee.threads) == (now.workers, None, None):
        return None
    settings: dict[str, Any] = {"num_workers": knee.workers}
    if knee.prefetch:
        settings["prefetch_factor"] = knee.prefetch
    if knee.threads:
        settings["worker_init_fn"] = Code("lambda worker: cv2.setNumThreads(0)")
    if knee.workers and not loop.get("persistent_workers") and _restarts_cost(knee, loop.get("length")):
        settings["persistent_workers"] = True
    file, line, *_ = loop.get("made") or (None, None)
    return loader_call((file, line) if file and line else None, settings)


def _restarts_cost(knee: LoaderTrial, length: int | None) -> bool:
    rate = knee.loop_rate
    return bool(rate and length and knee.startup_s and knee.startup_s > RESTART_SHARE * length / rate.median)


def loader_call(place: tuple[str, int] | None, settings: Mapping[str, Any]) -> str:
    """Return the edit of the loader's constructor call; a general line when the call cannot be read."""
    words = {name: str(value) if isinstance(value, Code) else repr(value) for name, value in settings.items()}
    found = _source(place[0]) if place else None
    edited = _with_keywords(found, place[1], words) if found and place else None
    if found is None or edited is None or place is None:
        return f"+ DataLoader(..., {', '.join(f'{name}={value}' for name, value in words.items())})"
    return _diff(found, edited, place)


def moved_first(place: Place | None, shrink: str, early: Sequence[str]) -> str:
    """Return the edit that puts the shrinking transform before the early ones, in the list where they stand."""
    general = f"+ Compose([{shrink}(...), {', '.join(f'{name}(...)' for name in early) or '...'}, ...])"
    found = _source(place.file) if place else None
    edited = _reordered(found, place.line, shrink, early) if found and place else None
    return general if found is None or edited is None or place is None else _diff(found, edited, (place.file, 0))


def scaled_decode(place: Place | None, scale: int) -> str:
    """Return the edit that decodes at a part of the size."""
    general = f"  image = Image.open(path)\n+ image.draft('RGB', (image.width // {scale}, image.height // {scale}))"
    found = _source(place.file) if place else None
    edited = _drafted(found, place.line, scale) if found and place else None
    return general if found is None or edited is None or place is None else _diff(found, edited, (place.file, 0))


def _source(file: str) -> str | None:
    try:
        text = Path(file).read_text(encoding="utf-8")
        ast.parse(text)
    except (OSError, ValueError, SyntaxError):
        return None
    return text


def _diff(before: str, after: str, place: tuple[str, int]) -> str:
    """Return the changed lines, with where they are."""
    old, new = before.splitlines(), after.splitlines()
    lines = list(difflib.unified_diff(old, new, n=0, lineterm=""))[2:]
    at = next((line for line in lines if line.startswith("@@")), "@@ -0")
    number = at.split("-")[1].split()[0].split(",")[0]
    changed = [line for line in lines if not line.startswith("@@")]
    body = textwrap.dedent("\n".join(line[1:] for line in changed)).splitlines()
    return "\n".join([f"{place[0]}:{number}", *(f"{line[0]} {text}" for line, text in zip(changed, body, strict=True))])


def _nodes(source: str, kind: type[ast.AST]) -> Iterator[Any]:
    return (node for node in ast.walk(ast.parse(source)) if isinstance(node, kind))


def _offset(source: str, line: int, column: int) -> int:
    """Return the index in the text of a position that ast gives in bytes of a line."""
    lines = source.splitlines(keepends=True)
    return sum(map(len, lines[: line - 1])) + len(lines[line - 1].encode()[:column].decode())


def _span(source: str, node: ast.expr) -> tuple[int, int]:
    end = (node.end_lineno or node.lineno, node.end_col_offset or 0)
    return _offset(source, node.lineno, node.col_offset), _offset(source, *end)


def _name(call: ast.Call) -> str:
    function = call.func
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def _with_keywords(source: str, line: int, words: Mapping[str, str]) -> str | None:
    """Return the source with the call at `line` given these keywords; None when that is not one plain call."""
    calls = [c for c in _nodes(source, ast.Call) if c.lineno <= line <= (c.end_lineno or 0) and "Loader" in _name(c)]
    if len(calls) != 1 or any(keyword.arg is None for keyword in calls[0].keywords):
        return None
    call = calls[0]
    known = {keyword.arg: keyword.value for keyword in call.keywords}
    changes = [(*_span(source, known[name]), value) for name, value in words.items() if name in known]
    new = "".join(f", {name}={value}" for name, value in words.items() if name not in known)
    parts = [*call.args, *known.values()]
    if new and not parts:
        return None
    if new:
        end = max(_span(source, part)[1] for part in parts)
        changes.append((end, end, new))
    return _replaced(source, changes)


def _replaced(source: str, changes: Sequence[tuple[int, int, str]]) -> str:
    for begin, end, text in sorted(changes, reverse=True):
        source = source[:begin] + text + source[end:]
    return source


def _reordered(source: str, line: int, shrink: str, early: Sequence[str]) -> str | None:
    """Return the source with the shrink before the first early entry of its list; None when no one list holds them."""
    for group in _nodes(source, ast.List):
        entries = [_name(entry) if isinstance(entry, ast.Call) else "" for entry in group.elts]
        if not group.lineno <= line <= (group.end_lineno or 0) or shrink not in entries:
            continue
        at = entries.index(shrink)
        first = next((i for i, name in enumerate(entries[:at]) if name in early or not early), None)
        if first is None:
            continue
        order = [*range(first), at, *range(first, at), *range(at + 1, len(entries))]
        spans = [_span(source, entry) for entry in group.elts]
        texts = [source[begin:end] for begin, end in spans]
        return _replaced(source, [(*spans[i], texts[order[i]]) for i in range(len(spans))])
    return None


def _drafted(source: str, line: int, scale: int) -> str | None:
    """Return the source with a draft between open and use; None when the line is no assignment from Image.open."""
    for statement in _nodes(source, ast.Assign):
        opened = [c for c in ast.walk(statement.value) if isinstance(c, ast.Call) and _name(c) == "open"]
        target = statement.targets[0]
        inside = statement.lineno <= line <= (statement.end_lineno or 0)
        if not inside or len(opened) != 1 or not isinstance(target, ast.Name):
            continue
        begin, end = _span(source, opened[0])
        start, stop = _offset(source, statement.lineno, statement.col_offset), _span(source, statement.value)[1]
        indent, name = " " * statement.col_offset, target.id
        whole = source[_span(source, statement.value)[0] : stop]
        rest = whole.replace(source[begin:end], name, 1)
        lines = [
            f"{name} = {source[begin:end]}",
            f"{name}.draft('RGB', ({name}.width // {scale}, {name}.height // {scale}))",
        ]
        lines += [f"{name} = {rest}"] if rest != name else []
        return source[:start] + f"\n{indent}".join(lines) + source[stop:]
    return None
