"""Draw a card with rich: plain lines of text, two spaces of margin, no boxes."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from rich.cells import cell_len
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.style import Style
from rich.text import Text

from gpuwatch.views.card_content import (
    LOADER_HEADER,
    RANK_HEADER,
    TRAINING_HEADER,
    TRIAL_HEADER,
    Action,
    Card,
    Fact,
    Line,
    Slice,
)
from gpuwatch.views.text import shorten, shorten_path

DIM, STRONG = "dim", "bold"
TONES = {"bad": "bold #d9773b", "good": "bold #3f9e6e", "unsure": "bold #b59a3c"}
# Mid tones that hold on dark and on light backgrounds; the wait is the only warm one.
PHASE_COLORS = {
    "launcher": "#6b6b6b",
    "startup": "#8f8f8f",
    "loader startup": "#b0a08a",
    "input wait": "#d9773b",
    "forward": "#4c8fd0",
    "backward": "#3569a8",
    "optimizer": "#7fb2df",
    "other in-step": "#8d6cc0",
    "evaluation": "#3f9e6e",
    "rollout": "#8a9a3c",
    "between loops": "#a8a8a8",
    "tracing": "#9a7b5a",
    "shutdown": "#757575",
    "unexplained": "#c05a6a",
    # Of a GPU trace: work in blues, what is idle in the rest.
    "compute": "#4c8fd0",
    "communication": "#3569a8",
    "copies": "#7fb2df",
    "idle: input": "#d9773b",
    "idle: sync": "#8d6cc0",
    "idle: pageable copies": "#b0a08a",
    "idle: launching": "#8a9a3c",
    "idle: host code": "#3f9e6e",
    "idle: allocator": "#c05a6a",
    "idle: dependency": "#a8a8a8",
    "idle: unknown": "#6b6b6b",
}
SHAPES = "█▒░▓▚▄▌▀■▞▪"
# Wider than this, what stands at the right end of a line is no longer seen to belong to it.
PROSE, WIDEST = 104, 132


def draw(card: Card, width: int, color: bool) -> RenderableType:
    """Return the card as one renderable; `width` is the whole width, margins included."""
    whole = min(width, WIDEST) - 4
    inner = whole - 2
    parts: list[RenderableType] = [*_title(card, whole), *_verdict(card, whole)]
    parts += _section("Why", _facts(card.why, inner))
    parts += _section("What to do", _actions(card, inner))
    tried = _aligned([TRIAL_HEADER, *card.tried], inner, left={0, 3, 5}) if card.tried else []
    parts += _section(
        "Tried", [*([_flow(Text(card.answer, STRONG), inner)] if card.answer else []), *tried], card.tried_note
    )
    parts += _section("Where the time went", _phases(card.phases, inner, color), card.phases_of)
    trainings = _aligned([TRAINING_HEADER, *card.trainings], inner, left={0, 1, 6}) if card.trainings else []
    parts += _section("Trainings of this run", trainings)
    parts += _section("Ranks", _aligned([RANK_HEADER, *card.ranks], inner, left={1, 2}) if card.ranks else [])
    parts += _section("Hot lines", _lines(card.lines, inner), card.lines_note)
    parts += _section("Traced steps", _facts(card.traced, inner), card.traced_note)
    parts += _section("Loaders", _loaders(card, inner))
    parts += _section("Machine", _facts(card.machine, inner))
    parts += _section("Info", [_flow(Text(f"• {note}", DIM), inner, hang=2) for note in card.notes])
    parts += _footer(card, whole)
    return Padding(Group(*parts), (1, 2))


def _title(card: Card, width: int) -> list[Text]:
    ended = Text(card.ended, DIM)
    left = Text.assemble(("gpuwatch", STRONG), "  ", (card.run, DIM))
    fits = left.cell_len + cell_len(card.command) + ended.cell_len + 5 <= width
    if fits:
        left.append(f"  {card.command}")
    left.truncate(max(width - ended.cell_len - 1, 1), overflow="ellipsis")
    left.pad_right(max(width - left.cell_len - ended.cell_len, 1))
    command = [] if fits else [Text(shorten(card.command, width))]
    return [left.append_text(ended), *command, Text("─" * width, DIM)]


def _verdict(card: Card, width: int) -> list[RenderableType]:
    head = Text.assemble((card.badge, TONES[card.tone]), "  ", (card.headline, STRONG))
    if card.confidence not in ("high", "borderline") and card.tone != "unsure":
        head.append(f"  ({card.confidence} confidence)", DIM)
    parts: list[RenderableType] = [_flow(head, width)]
    if card.reason:
        parts.append(_wrapped(card.reason, width))
    return parts


def _section(name: str, body: Iterable[RenderableType], note: str = "") -> list[RenderableType]:
    lines = list(body)
    if not lines:
        return []
    head = Text.assemble((name, STRONG), (f"  {note}" if note else "", DIM))
    head.no_wrap, head.overflow = True, "ellipsis"
    return [Text(), head, *(Padding(line, (0, 0, 0, 2)) for line in lines)]


def _facts(facts: Sequence[Fact], width: int) -> list[Text]:
    label = max((cell_len(fact.label) for fact in facts), default=0) + 2
    lines = []
    for fact in facts:
        line = Text.assemble((fact.label.ljust(label), DIM), fact.text)
        if fact.note and line.cell_len + cell_len(fact.note) + 2 <= width:
            line.append(f"  {fact.note}", DIM)
        lines.append(_flow(line, width, hang=label))
    return lines


def _actions(card: Card, width: int) -> list[RenderableType]:
    parts: list[RenderableType] = [_wrapped(card.nothing, width)] if card.nothing else []
    for number, action in enumerate(card.actions, 1):
        parts += [Text()] if number > 1 or card.nothing else []
        parts += _action(number, action, width)
    if card.more:
        parts += [Text(), Text(f"+ {card.more}", DIM, no_wrap=True, overflow="ellipsis")]
    if card.together:
        parts += [Text(), _wrapped(card.together, width, DIM)]
    for line in card.also:
        parts += [Text(), _flow(Text.assemble(("also  ", DIM), line), width, hang=6)]
    return parts


def _action(number: int, action: Action, width: int) -> list[RenderableType]:
    head = Text.assemble((f"{number}  ", STRONG), (action.summary, STRONG))
    lines: list[RenderableType] = _beside(head, Text(action.gain, TONES["good"]), width)
    lines.append(_flow(Text.assemble("→  ", action.advice), width, hang=3))
    if action.edit and action.edit not in action.advice:
        lines.append(_flow(Text.assemble("   ", (action.edit, "italic")), width, hang=3))
    place = Text("   ")
    if action.where:
        place.append_text(_path(action.where, action.path, max(width // 2, 40))).append("  ")
    place.append(" · ".join(part for part in (action.id, action.confidence) if part), DIM)
    lines.append(place)
    if action.verify:
        lines.append(_flow(Text.assemble(("   prove it: ", DIM), action.verify), width, hang=13))
    return lines


def _beside(words: Text, right: Text, width: int) -> list[RenderableType]:
    """Return words wrapped in what `right`, at the end of the first line, leaves of the width."""
    room = width - right.cell_len - 2 if right.plain else width
    first, *rest = _flow(words, room, hang=3).split("\n")
    if right.plain:
        first.pad_right(max(width - first.cell_len - right.cell_len, 1))
        first.append_text(right)
    return [first, *rest]


def _path(where: str, path: str, room: int) -> Text:
    shown = shorten_path(where, room)
    style = Style(color="#4c8fd0", link=f"file://{path}" if path.startswith("/") and shown != where else None)
    return Text(shown, style)


def _phases(slices: Sequence[Slice], width: int, color: bool) -> list[Text]:
    if not slices:
        return []
    bar, legend = Text(), []
    for number, (part, cells) in enumerate(zip(slices, _cells([s.share for s in slices], width), strict=True)):
        shape = "█" if color else SHAPES[number % len(SHAPES)]
        style = PHASE_COLORS.get(part.name, "") if color else ""
        bar.append(shape * cells, style)
        legend.append((Text.assemble(("■" if color else shape, style), " ", part.name), part))
    return [bar, *_legend(legend, width)]


def _legend(entries: Sequence[tuple[Text, Slice]], width: int) -> list[Text]:
    name, share, seconds = (
        max(len(x) for x in column)
        for column in zip(*((t.plain, s.percent, s.seconds) for t, s in entries), strict=True)
    )
    cell = name + share + seconds + 4
    columns = max(1, min((width + 3) // (cell + 3), 4))
    rows = math.ceil(len(entries) / columns)
    lines = []
    for row in range(rows):
        line = Text()
        for label, part in entries[row::rows]:
            label = label.copy()
            label.pad_right(name - label.cell_len)
            line.append_text(label).append(f"  {part.percent:>{share}}").append(f"  {part.seconds:>{seconds}}   ", DIM)
        line.rstrip()
        lines.append(line)
    return lines


def _cells(shares: Sequence[float], width: int) -> list[int]:
    """Share out `width` cells: the cuts fall where they are due, and every part has at least one cell."""
    total = sum(shares) or 1.0
    cells = [max(1, int(share / total * width)) for share in shares]
    rest = [share / total * width - cell for share, cell in zip(shares, cells, strict=True)]
    while sum(cells) < width:
        most = max(range(len(cells)), key=lambda i: rest[i])
        cells[most], rest[most] = cells[most] + 1, rest[most] - 1
    while sum(cells) > width:
        cells[max(range(len(cells)), key=lambda i: cells[i])] -= 1
    return cells


def _lines(lines: Sequence[Line], width: int) -> list[RenderableType]:
    parts: list[RenderableType] = []
    several = len({line.share_of for line in lines}) > 1
    for before, line in zip((None, *lines), lines, strict=False):
        if several and (before is None or before.share_of != line.share_of):
            parts.append(Text(line.share_of, DIM))
        head = Text.assemble((f"{line.share:>4}", STRONG), "  ")
        right = Text("  ".join(part for part in (line.note, line.gain) if part), DIM)
        head.append_text(_path(line.where, line.path, max(width - right.cell_len - 8, 30)))
        head.pad_right(max(width - head.cell_len - right.cell_len, 2))
        parts.append(head.append_text(right))
        parts.append(Text(" " * 6 + shorten(line.source, width - 6)))
        if line.below:
            parts.append(Text(" " * 6 + shorten(line.below, width - 6), DIM))
    return parts


def _loaders(card: Card, width: int) -> list[RenderableType]:
    if not card.loaders:
        return []
    rows = _aligned([LOADER_HEADER, *(loader.cells for loader in card.loaders)], width, left={0, 1})
    parts: list[RenderableType] = [rows[0]]
    for row, loader in zip(rows[1:], card.loaders, strict=True):
        parts.append(row)
        if loader.breakdown:
            parts.append(_flow(Text(f"  {loader.breakdown}", DIM), width, hang=2))
    return parts


def _aligned(rows: Sequence[Sequence[str]], width: int, left: set[int]) -> list[Text]:
    """Return rows as lines with aligned columns; the widest left column gives way when they do not fit."""
    widths = [max(cell_len(row[i]) for row in rows) for i in range(len(rows[0]))]
    over = sum(widths) + 3 * (len(widths) - 1) - width
    if over > 0:
        widest = max(left, key=lambda i: (widths[i], i))
        widths[widest] = max(widths[widest] - over, 8)
    lines = []
    for number, row in enumerate(rows):
        line = Text(style=DIM if number == 0 else "", no_wrap=True, overflow="ellipsis")
        for i, cell in enumerate(row):
            piece = Text(shorten(cell, widths[i]))
            piece.align("left" if i in left else "right", widths[i])
            line.append_text(piece).append("   " if i < len(row) - 1 else "")
        lines.append(line)
    return lines


def _wrapped(words: str, width: int, style: str = "") -> Text:
    return _flow(Text(words, style), width)


def _flow(line: Text, width: int, hang: int = 0) -> Text:
    """Wrap a line to a readable measure; further lines hang under the first one's words."""
    from rich.console import Console

    room = min(width, PROSE)
    if line.cell_len <= room:
        return line
    pieces = line.wrap(Console(width=room), room - hang)
    return Text("\n" + " " * hang).join(pieces) if hang else Text("\n").join(pieces)


def _footer(card: Card, width: int) -> list[RenderableType]:
    return [Text(), Text("─" * width, DIM), Text(card.cost, DIM), Text(card.next, DIM)]
