"""Python source with one change made in it, by its syntax tree: the code around the change stays as it is.

Every function takes the source, and the line that a profile names; it returns the new source, or None where the code there is
not of a form that it can change for certain.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

# Arguments by which the call of a loader is known where its name says nothing.
_OF_LOADERS = frozenset(
    ("batch_size", "num_workers", "collate_fn", "pin_memory", "persistent_workers", "prefetch_factor")
)
# Arguments of torch's DataLoader that can be given by place, before those that are changed here.
_MOST_PLACED = 5
_SIMPLE = (ast.Assign, ast.AnnAssign, ast.AugAssign, ast.Return, ast.Expr)
_SCOPES = (ast.Lambda, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp, ast.IfExp, ast.BoolOp)

Change = tuple[int, int, str]


def with_keywords(source: str, line: int, words: Mapping[str, str]) -> str | None:
    """Return the source with the loader's call at `line` given these keywords."""
    calls = [call for call in _calls(source) if call.lineno <= line <= (call.end_lineno or 0)]
    return _one_changed(source, _of_loader(calls), words)


def with_keywords_of(source: str, name: str, words: Mapping[str, str]) -> str | None:
    """Return the source with the only call of `name` that passes anything given these keywords too."""
    calls = [call for call in _calls(source) if name_of(call) == name and (call.args or call.keywords)]
    return _one_changed(source, calls, words)


def with_base_keywords(source: str, base: str, words: Mapping[str, str]) -> str | None:
    """Return the source with the only class derived from `base` passing these keywords to its constructor."""
    classes = [node for node in _nodes(source, ast.ClassDef) if any(_last(parent) == base for parent in node.bases)]
    calls = [
        call
        for cls in classes
        for call in ast.walk(cls)
        if isinstance(call, ast.Call) and ast.unparse(call.func) == "super().__init__"
    ]
    return _one_changed(source, calls, words)


def reordered(source: str, line: int, shrink: str, early: Sequence[str]) -> str | None:
    """Return the source with the shrink before the first early entry of its list; None when no one list holds them."""
    for group in _nodes(source, ast.List):
        entries = [name_of(entry) if isinstance(entry, ast.Call) else "" for entry in group.elts]
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


def drafted(source: str, line: int, scale: int) -> str | None:
    """Return the source with a draft between Pillow's open at `line` and its use."""
    opened = [call for call in _calls_at(source, line) if name_of(call) == "open" and _is_pillows(call)]
    found = _statement_of(source, opened[0]) if len(opened) == 1 else None
    if isinstance(found, (ast.With, ast.AsyncWith)):
        return _drafted_with(source, found, opened[0], scale)
    return _drafted_before(source, found, opened[0], scale) if isinstance(found, _SIMPLE) else None


def reduced(source: str, line: int, scale: int) -> str | None:
    """Return the source with OpenCV's reader at `line` reading at a part of the size."""
    calls = [call for call in _calls_at(source, line) if name_of(call) in ("imread", "imdecode")]
    if len(calls) != 1 or calls[0].keywords or not isinstance(calls[0].func, ast.Attribute):
        return None
    call, flag = calls[0], f"{ast.unparse(calls[0].func.value)}.IMREAD_REDUCED_COLOR_{scale}"
    if len(call.args) == 1:
        end = _span(source, call.args[0])[1]
        return _replaced(source, [(end, end, f", {flag}")])
    if len(call.args) == 2 and _last(call.args[1]) == "IMREAD_COLOR":
        return _replaced(source, [(*_span(source, call.args[1]), flag)])
    return None


def with_function(source: str, text: str) -> str | None:
    """Return the source with a function after the imports at its beginning."""
    body = ast.parse(source).body
    head = [
        node
        for at, node in enumerate(body)
        if isinstance(node, (ast.Import, ast.ImportFrom)) or _is_docstring(node, at)
    ]
    lines = source.splitlines(keepends=True)
    end = (head[-1].end_lineno or 0) if head else 0
    before = "".join(lines[:end])
    gap = "\n\n" if before else ""
    return f"{before}{gap}{text}\n{''.join(lines[end:])}" if end < len(lines) or not lines else None


def _is_docstring(node: ast.stmt, at: int) -> bool:
    return at == 0 and isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def name_of(call: ast.Call) -> str:
    """Return the last name of what is called."""
    return _last(call.func)


def _last(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")


def _nodes(source: str, kind: type[ast.AST]) -> Iterator[Any]:
    return (node for node in ast.walk(ast.parse(source)) if isinstance(node, kind))


def _calls(source: str) -> list[ast.Call]:
    return list(_nodes(source, ast.Call))


def _calls_at(source: str, line: int) -> list[ast.Call]:
    return [call for call in _calls(source) if call.lineno <= line <= (call.end_lineno or 0)]


def _of_loader(calls: Sequence[ast.Call]) -> list[ast.Call]:
    named = [call for call in calls if "Loader" in name_of(call)]
    return named or [call for call in calls if _OF_LOADERS & {keyword.arg for keyword in call.keywords}]


def _one_changed(source: str, calls: Sequence[ast.Call], words: Mapping[str, str]) -> str | None:
    """Return the source with the one call given keywords; None when there is not one, or it hides what it passes."""
    if len(calls) != 1:
        return None
    call = calls[0]
    placed = any(isinstance(argument, ast.Starred) for argument in call.args) or len(call.args) > _MOST_PLACED
    known = {keyword.arg: keyword.value for keyword in call.keywords if keyword.arg}
    changes = [(*_span(source, known[name]), value) for name, value in words.items() if name in known]
    new = {name: value for name, value in words.items() if name not in known}
    added = _added(source, call, new) if new else []
    return None if placed or added is None else _replaced(source, [*changes, *added])


def _added(source: str, call: ast.Call, new: Mapping[str, str]) -> list[Change] | None:
    """Return the change that adds keywords: into the mapping that the call unpacks, which may have them already, or behind."""
    unpacked = [keyword.value for keyword in call.keywords if keyword.arg is None]
    if unpacked:
        begin, end = _span(source, unpacked[-1])
        entries = "".join(f", {name!r}: {value}" for name, value in new.items())
        return [(begin, end, f"{{**{source[begin:end]}{entries}}}")]
    text = ", ".join(f"{name}={value}" for name, value in new.items())
    parts = [*call.args, *(keyword.value for keyword in call.keywords)]
    if parts:
        end = max(_span(source, part)[1] for part in parts)
        return [(end, end, f", {text}")]
    end = _span(source, call)[1] - 1
    return [(end, end, text)] if source[end] == ")" else None


def _is_pillows(call: ast.Call) -> bool:
    return isinstance(call.func, ast.Attribute) and _last(call.func.value) == "Image"


def _statement_of(source: str, wanted: ast.Call) -> ast.stmt | None:
    """Return the statement that makes a call, and only once; None where what is around it may not, or more than once."""
    tree = ast.parse(source)
    above = {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}
    node: ast.AST | None = next((n for n in above if isinstance(n, ast.Call) and _where(n) == _where(wanted)), None)
    while node is not None and not isinstance(node, ast.stmt):
        node = above.get(node)
        if isinstance(node, _SCOPES):
            return None
    return node


def _where(node: ast.expr) -> tuple[int, int, int | None, int | None]:
    return node.lineno, node.col_offset, node.end_lineno, node.end_col_offset


def _draft(name: str, scale: int) -> str:
    return f"{name}.draft('RGB', ({name}.width // {scale}, {name}.height // {scale}))"


def _drafted_with(source: str, block: ast.With | ast.AsyncWith, call: ast.Call, scale: int) -> str | None:
    """Return the source with the draft as the first line of `with Image.open(...) as name:`."""
    item = next((item for item in block.items if _where(item.context_expr) == _where(call)), None)
    first = block.body[0]
    if item is None or not isinstance(item.optional_vars, ast.Name) or first.lineno == block.lineno:
        return None
    begin = _offset(source, first.lineno, first.col_offset)
    return _replaced(source, [(begin, begin, f"{_draft(item.optional_vars.id, scale)}\n{' ' * first.col_offset}")])


def _drafted_before(source: str, statement: ast.stmt, call: ast.Call, scale: int) -> str | None:
    """Return the source with the open and the draft as lines of their own before what its statement makes of the image."""
    start, stop = _span(source, statement)
    if source[:start].rpartition("\n")[2].strip():
        return None  # it does not begin its line
    begin, end = _span(source, call)
    target = statement.targets[0] if isinstance(statement, ast.Assign) and len(statement.targets) == 1 else None
    name = target.id if isinstance(target, ast.Name) else _free_name(source)
    rest = source[start:begin] + name + source[end:stop]
    lines = [f"{name} = {source[begin:end]}", _draft(name, scale)]
    lines += [rest] if rest != f"{name} = {name}" else []
    return source[:start] + f"\n{' ' * statement.col_offset}".join(lines) + source[stop:]


def _free_name(source: str) -> str:
    used = {node.id for node in _nodes(source, ast.Name)} | {node.arg for node in _nodes(source, ast.arg)}
    return next(name for name in ("image", "opened", "opened_image", "drafted_image_") if name not in used)


def _offset(source: str, line: int, column: int) -> int:
    """Return the index in the text of a position that ast gives in bytes of a line."""
    lines = source.splitlines(keepends=True)
    return sum(map(len, lines[: line - 1])) + len(lines[line - 1].encode()[:column].decode())


def _span(source: str, node: ast.expr | ast.stmt) -> tuple[int, int]:
    end = (node.end_lineno or node.lineno, node.end_col_offset or 0)
    return _offset(source, node.lineno, node.col_offset), _offset(source, *end)


def _replaced(source: str, changes: Sequence[Change]) -> str:
    for begin, end, text in sorted(changes, reverse=True):
        source = source[:begin] + text + source[end:]
    return source
