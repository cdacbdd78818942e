"""A summary of many runs as sections of rows, which the terminal and the page draw alike."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from gpuwatch.model.fleet import CostlyLine, Fleet, FleetGroup, FleetRun, Lost, Regression, SlowNode
from gpuwatch.records import dataclass
from gpuwatch.views import text

UNKNOWN = "not recorded"
_COMMIT, _SHORT_COMMIT = 10, 7


@dataclass(frozen=True, slots=True)
class Cell:
    """What a row says in one column: `said`, by what it is ordered, and where it leads."""

    said: str
    value: float | None = None
    link: str | None = None
    code: bool = False


@dataclass(frozen=True, slots=True)
class Section:
    """Rows under a heading. `numeric`: the columns that are numbers; `wide`: the one that takes the room that is left."""

    id: str
    title: str
    about: str
    head: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    numeric: frozenset[int]
    wide: int


def headline(fleet: Fleet) -> str:
    """Return the summary in one sentence."""
    whole, lost = hours_of(fleet.totals, fleet), lost_of(fleet.totals, fleet)
    runs = text.count(fleet.runs, "run")
    if not whole:
        return f"{runs}, and no training in {'it' if fleet.runs == 1 else 'them'}"
    priced = fleet.has_gpus and fleet.totals.lost_cost is not None
    cost = f", at a cost of {text.figures(fleet.totals.lost_cost)}" if priced else ""
    return f"{text.percent(lost / whole)} of {text.figures(whole)} {unit(fleet)} lost in {runs}{cost}"


def notes(fleet: Fleet) -> list[str]:
    """Return what a reader has to know besides: what is in no figure, and what hours are."""
    return [note for note in _notes(fleet) if note]


def _notes(fleet: Fleet) -> Iterator[str]:
    if fleet.totals.rank_hours and not fleet.has_gpus:
        yield "No run had a GPU: hours are those of training processes."
    if fleet.filters or fleet.since:
        since = (f"started since {fleet.since}",) if fleet.since else ()
        yield f"Only runs with {', '.join(map(text.clean, (*fleet.filters, *since)))}."
    if not fleet.places:
        yield "From the dataset alone: nothing was read."
    else:
        yield f"{text.count(fleet.read, 'run')} read now, {fleet.unchanged:,} unchanged since an earlier reading ({fleet.engine})."
    if fleet.unreadable:
        yield f"{text.count(len(fleet.unreadable), 'run')} cannot be read and {'is' if len(fleet.unreadable) == 1 else 'are'} in no figure."
    if fleet.closed:
        yield f"{text.count(len(fleet.closed), 'folder')} may not be read by you."
    if fleet.running:
        yield f"{text.count(fleet.running, 'run')} still running: with what there was when {'it was' if fleet.running == 1 else 'they were'} read."
    if fleet.without_training:
        yield f"{text.count(fleet.without_training, 'run')} without a training process: no hours."
    if fleet.experiments:
        yield f"{text.count(fleet.experiments, 'experiment')} of gpuwatch's left out."


def unit(fleet: Fleet) -> str:
    """Return what hours are of."""
    return "GPU hours" if fleet.has_gpus else "hours"


def hours_of(group: FleetGroup, fleet: Fleet) -> float:
    return group.gpu_hours if fleet.has_gpus else group.rank_hours


def lost_of(group: FleetGroup, fleet: Fleet) -> float:
    return group.lost_gpu_hours if fleet.has_gpus else group.lost_rank_hours


def sections(fleet: Fleet) -> list[Section]:
    """Return the sections that have rows, what costs most first."""
    groups = (
        ("users", "Users", "user", fleet.users),
        ("projects", "Projects", "project", fleet.projects),
        ("scripts", "Scripts", "script", fleet.scripts),
        ("commits", "Commits", "commit", fleet.commits),
        ("nodes", "Nodes", "node", fleet.nodes),
    )
    found = [
        _lost(fleet),
        _causes(fleet),
        _lines(fleet),
        *(_group(fleet, id, title, name, rows) for id, title, name, rows in groups),
        _regressions(fleet),
        _slow_nodes(fleet),
        _runs(fleet),
        _unreadable(fleet),
    ]
    return [section for section in found if section.rows]


def _number(value: float | None) -> Cell:
    return Cell(text.figures(value), value)


def _share(part: float, whole: float) -> Cell:
    share = part / whole if whole > 0 else None
    return Cell(text.percent(share), share)


def _money(fleet: Fleet, cost: float | None) -> tuple[Cell, ...]:
    return () if fleet.price_per_gpu_hour is None else (_number(cost),)


def _cost(fleet: Fleet) -> tuple[str, ...]:
    return () if fleet.price_per_gpu_hour is None else ("cost",)


def name_of(lost: Lost) -> str:
    """Return what time was lost to: what was waited for, and the finding that explains it."""
    return f"{lost.to}: {lost.finding}" if lost.finding else lost.to


def _lost(fleet: Fleet) -> Section:
    total = lost_of(fleet.totals, fleet)
    rows = [
        (
            Cell(name_of(lost)),
            Cell(f"{lost.runs:,}", lost.runs),
            _number(_hours(lost, fleet)),
            _share(_hours(lost, fleet), total),
            *_money(fleet, lost.cost),
            Cell("predicted" if lost.predicted else "measured"),
        )
        for lost in fleet.totals.lost_to
    ]
    about = "Time in which a device had nothing to do; and in steps what a finding's advice would win, as its report predicts."
    head = ("lost to", "runs", unit(fleet), "share", *_cost(fleet), "")
    return _section("lost", "What the time was lost to", about, head, rows, range(1, len(head) - 1), 0)


def _hours(lost: Lost, fleet: Fleet) -> float:
    return lost.gpu_hours if fleet.has_gpus else lost.rank_hours


def _causes(fleet: Fleet) -> Section:
    rows = [
        (
            Cell(text.clean(cause.key or UNKNOWN)),
            Cell(f"{cause.runs:,}", cause.runs),
            Cell(f"{cause.users:,}", cause.users),
            Cell(f"{cause.nodes:,}", cause.nodes),
            _number(hours_of(cause, fleet)),
            _number(lost_of(cause, fleet)),
            _share(lost_of(cause, fleet), hours_of(cause, fleet)),
            *_money(fleet, cause.lost_cost),
        )
        for cause in fleet.causes
    ]
    about = "By the finding that explains it, else by what was waited for. Hours are of the runs that have it."
    head = ("cause", "runs", "users", "nodes", unit(fleet), "lost", "share", *_cost(fleet))
    return _section("causes", "Causes", about, head, rows, range(1, len(head)), 0)


def _group(fleet: Fleet, id: str, title: str, name: str, groups: Sequence[FleetGroup]) -> Section:
    rows = [
        (
            Cell(_key(id, group.key)),
            Cell(f"{group.runs:,}", group.runs),
            _number(hours_of(group, fleet)),
            _number(lost_of(group, fleet)),
            _share(lost_of(group, fleet), hours_of(group, fleet)),
            *_money(fleet, group.lost_cost),
            Cell(_mostly(group, fleet)),
        )
        for group in groups
    ]
    head = (name, "runs", unit(fleet), "lost", "share", *_cost(fleet), "most of it to")
    return _section(id, title, "", head, rows, range(1, len(head) - 1), len(head) - 1)


def _key(id: str, key: str | None) -> str:
    if key is None:
        return UNKNOWN
    return text.clean(key)[:_COMMIT] if id == "commits" else text.clean(key)


def _mostly(group: FleetGroup, fleet: Fleet) -> str:
    total = lost_of(group, fleet)
    if not group.lost_to or total <= 0:
        return ""
    first = group.lost_to[0]
    return f"{name_of(first)} ({text.percent(_hours(first, fleet) / total)})"


def _lines(fleet: Fleet) -> Section:
    rows = [_line(line, fleet) for line in fleet.lines]
    about = (
        "What these lines had devices wait for, in all runs. Of the lines of a step only those that a finding names."
    )
    head = ("line", unit(fleet), *_cost(fleet), "runs", "users", "project", "source")
    return _section("lines", "Lines that cost most", about, head, rows, range(1, len(head) - 2), len(head) - 1)


def _line(line: CostlyLine, fleet: Fleet) -> tuple[Cell, ...]:
    return (
        Cell(f"{text.clean(line.path)}:{line.line}", code=True),
        _number(line.gpu_hours if fleet.has_gpus else line.rank_hours),
        *_money(fleet, line.cost),
        Cell(f"{line.runs:,}", line.runs),
        Cell(f"{line.users:,}", line.users),
        Cell(text.clean(line.project or UNKNOWN)),
        Cell(text.clean((line.source or line.function).strip()), code=True),
    )


def _regressions(fleet: Fleet) -> Section:
    rows = [_regression(each, fleet) for each in fleet.regressions]
    about = (
        "The same command takes longer per sample (per step where batches have no size) from one commit to the next that ran, by"
        f" more than its runs differ. Extra: {unit(fleet)} that the earlier commit would not have taken."
    )
    head = (
        "script",
        "project",
        "commits",
        "before",
        "after",
        "ratio",
        "extra",
        *_cost(fleet),
        "because of",
    )
    return _section("regressions", "Slower since a commit", about, head, rows, range(3, len(head) - 1), len(head) - 1)


def _regression(one: Regression, fleet: Fleet) -> tuple[Cell, ...]:
    extra = one.extra_gpu_hours if fleet.has_gpus else one.extra_rank_hours
    changed = ", changed files" if one.changed else ""
    return (
        Cell(text.clean(one.script)),
        Cell(text.clean(one.project or UNKNOWN)),
        Cell(f"{text.clean(one.before)[:_SHORT_COMMIT]} to {text.clean(one.after)[:_SHORT_COMMIT]}{changed}"),
        Cell(text.milliseconds(one.before_ms), one.before_ms),
        Cell(text.milliseconds(one.after_ms), one.after_ms),
        Cell(text.factor(one.ratio), one.ratio),
        _number(extra),
        *_money(fleet, one.cost),
        Cell(one.lost_to or "the work itself"),
    )


def _slow_nodes(fleet: Fleet) -> Section:
    rows = [_slow_node(node, fleet) for node in fleet.slow_nodes]
    about = f"Every workload that ran there and elsewhere takes longer there. Extra: {unit(fleet)} that others would not have taken."
    head = ("node", "longer", "at least", "workloads", "users", "runs", "extra", *_cost(fleet), "because of",
            "findings")  # fmt: skip
    return _section("slow-nodes", "Nodes slow for everybody", about, head, rows, range(1, len(head) - 2), len(head) - 1)


def _slow_node(node: SlowNode, fleet: Fleet) -> tuple[Cell, ...]:
    extra = node.extra_gpu_hours if fleet.has_gpus else node.extra_rank_hours
    return (
        Cell(text.clean(node.node)),
        Cell(text.factor(node.ratio), node.ratio),
        Cell(text.factor(node.lowest_ratio), node.lowest_ratio),
        Cell(f"{node.workloads:,}", node.workloads),
        Cell(f"{node.users:,}", node.users),
        Cell(f"{node.runs:,}", node.runs),
        _number(extra),
        *_money(fleet, node.cost),
        Cell(node.lost_to or "the work itself"),
        Cell(", ".join(node.findings)),
    )


def _runs(fleet: Fleet) -> Section:
    rows = [_run(run, fleet) for run in fleet.costliest]
    head = (
        "run",
        "user",
        "project",
        "script",
        "node",
        "started",
        unit(fleet),
        "lost",
        "share",
        *_cost(fleet),
        "verdict",
    )
    about = "`gpuwatch report FOLDER` shows why."
    return _section("runs", "Runs that lost most", about, head, rows, range(6, len(head) - 1), len(head) - 1)


def _run(run: FleetRun, fleet: Fleet) -> tuple[Cell, ...]:
    whole = run.gpu_hours if fleet.has_gpus else run.rank_hours
    lost = run.lost_gpu_hours if fleet.has_gpus else run.lost_rank_hours
    number = f":{run.training}" if run.training > 1 else ""
    return (
        Cell(text.clean(run.run) + number, link=run.report),
        Cell(text.clean(run.user or UNKNOWN)),
        Cell(text.clean(run.project or UNKNOWN)),
        Cell(text.clean(run.script)),
        Cell(text.clean(run.node)),
        Cell(run.started[:16].replace("T", " ")),
        _number(whole),
        _number(lost),
        _share(lost, whole),
        *_money(fleet, run.lost_cost),
        Cell(run.headline),
    )


def _unreadable(fleet: Fleet) -> Section:
    rows = [(Cell(text.clean(one.run)), Cell(text.clean(one.problem))) for one in fleet.unreadable]
    rows += [(Cell(text.clean(folder)), Cell("may not be read by you")) for folder in fleet.closed]
    return _section("unreadable", "Not read", "In no figure.", ("folder", "why"), rows, (), 1)


def _section(
    id: str,
    title: str,
    about: str,
    head: Sequence[str],
    rows: Sequence[tuple[Cell, ...]],
    numeric: Sequence[int] | range,
    wide: int,
) -> Section:
    return Section(id, title, about, tuple(head), tuple(rows), frozenset(numeric), wide)
