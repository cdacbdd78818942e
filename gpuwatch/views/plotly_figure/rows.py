"""Which rows the figure has: of few lanes each its own, of many the worst as a lane and all as strips, as on the page."""

from __future__ import annotations

from collections.abc import Sequence

from gpuwatch.records import dataclass
from gpuwatch.views.html.lanes import Family, Lanes, Member
from gpuwatch.views.html.pictures import statistics_text

MANY = 4
MOST_ROWS = 20
MOST_IN_STRIP = 64
LANE, LANE_OF_SEVERAL, HEAD = 62, 48, 26


@dataclass(frozen=True)
class Row:
    """One subplot: a lane of `members[0]`, or (`strip`) a line of colour for each. `height` in pixels, without its title."""

    family: Family
    members: tuple[Member, ...]
    strip: bool
    nth: int
    title: str
    about: str
    height: int


def choose(lanes: Lanes) -> tuple[tuple[Row, ...], str]:
    """Return the rows in the page's order, and what is left out for want of room; empty when nothing is."""
    rows = [row for family in lanes.families for row in _of_family(family)]
    # Each family has its worst member in before any has its second.
    kept = sorted(sorted(range(len(rows)), key=lambda at: (rows[at].nth, at))[:MOST_ROWS])
    chosen = tuple(rows[at] for at in kept)
    return chosen, _left_out(lanes.families, chosen)


def _of_family(family: Family) -> list[Row]:
    n = len(family.members)
    if family.kind == "spans":
        return [_strip(family)]
    lanes = n if n <= MANY and family.shown else 1
    rows = [_lane(family, nth, lanes) for nth in range(lanes)]
    return rows if lanes == n or not family.shown else [*rows, _strip(family)]


def _lane(family: Family, nth: int, drawn: int) -> Row:
    member, n = family.members[nth], len(family.members)
    worst = "" if nth else " (worst)" if drawn == n else f" (worst of {n})"
    title = family.title if n == 1 else f"{family.title} · {member.name}{worst}"
    height = LANE if drawn == 1 else LANE_OF_SEVERAL
    return Row(family, (member,), False, nth, title, statistics_text(family, member), height)


def _strip(family: Family) -> Row:
    members = family.members[:MOST_IN_STRIP]
    n = len(members)
    height = min(max(n * (13 if n <= 16 else 4), 20), 4 * MOST_IN_STRIP)
    if family.kind == "spans":
        title = f"{family.title}: {n}, the busiest on top" if n > 1 else family.title
        about = family.help or statistics_text(family, members[0])
    else:
        title, about = f"{family.title}: all {n}, the worst on top", family.help
    return Row(family, members, True, 0, title, about, height)


def _left_out(families: Sequence[Family], rows: Sequence[Row]) -> str:
    reported = []
    for family in families:
        mine = [row for row in rows if row.family is family]
        drawn = max((len(row.members) for row in mine if row.strip), default=len(mine))
        if not mine:
            reported.append(family.title)
        elif drawn < len(family.members):
            reported.append(f"{len(family.members) - drawn} more of {family.title}")
    return ", ".join(reported)
