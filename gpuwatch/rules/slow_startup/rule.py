"""The time to the first batch is a large part of the run.

What it means
    Imports, building the dataset (listing files, reading an index, unpickling), building the model and starting the
    workers take long compared with the training. It hurts short runs, restarts and debugging most.

How it is measured
    From the process's start to its first batch, against the whole run; the line comes from stack samples taken then.
    What they show to be imports is left out: the load time of libraries is not the script's. So is the model's own work.
    It comes before what the loop lacks where the run is mostly start-up, and a good part of that the script's own.

When it is wrong
    A short test of a long training has the same start-up and little else: judge by the seconds, not by the share.

What to do
    Cache the file list or index, load lazily, keep the dataset's __init__ small, and start fewer workers.
"""

from __future__ import annotations

from gpuwatch.analyze.lines.engines import engine_of
from gpuwatch.diagnosis.evidence import place
from gpuwatch.diagnosis.rule import Found, Missing, Need, Rule
from gpuwatch.diagnosis.thresholds import NoThresholds, Threshold
from gpuwatch.model.findings import Evidence, Speedup, Traits
from gpuwatch.model.hot_lines import HotLine
from gpuwatch.model.profile import Profile, RankProfile
from gpuwatch.records import dataclass
from gpuwatch.words.units import duration


@dataclass(frozen=True)
class Thresholds(NoThresholds):
    """From which values on the rule reports."""

    share: Threshold = Threshold(0.3, "share of the run", "Short runs are mostly start-up.")
    seconds: Threshold = Threshold(5.0, "s", "Importing torch alone takes some seconds.")
    line_share: Threshold = Threshold(0.1, "share of the start-up", "A line that takes less is not the one to look at.")
    own_share: Threshold = Threshold(0.2, "share of the start-up", "Less than this beside imports is not worth a word.")
    own_seconds: Threshold = Threshold(2.0, "s", "Less than this beside imports is not worth a word.")
    seen_share: Threshold = Threshold(
        0.6, "share of the start-up", "Samples that stand for less of it say nothing about the rest."
    )
    warning_share: Threshold = Threshold(
        0.75, "share of the run", "So much is worth a warning even if only imports were seen."
    )
    most: Threshold = Threshold(0.5, "share of the run", "Start-up bounds a run of which it is half.")


def check(profile: Profile, t: Thresholds, slowest: RankProfile) -> Found | None:
    """Report a first batch that comes after 30 % of the run and at least five seconds."""
    first = slowest.first_batch_s or 0.0
    share = first / slowest.seconds if slowest.seconds > 0 else 0.0
    if share < t.share or first < t.seconds:
        return None
    line = max(_lines(profile), key=lambda h: h.share * _own_part(h), default=None)
    own = line is not None and line.share * _own_part(line) >= t.line_share
    spent = own_seconds(profile, slowest, t.seen_share)
    if spent is not None and (spent < t.own_seconds or spent / first < t.own_share):
        return None
    return Found(
        severity="warning" if own or share >= t.warning_share else "info",
        confidence="high",
        summary=f"the first batch came after {duration(first)}, {share:.0%} of the run",
        evidence=(
            Evidence("time to first batch", round(first, 2), "s", t.seconds),
            Evidence("time to first batch", round(share, 4), "share of the run", t.share),
            *(
                Evidence(p.name, round(p.seconds, 2), "s")
                for p in slowest.phases
                if p.name in ("startup", "loader startup")
            ),
        ),
        advice=_advice(profile, line),
        where=place(line) if own else None,
        # Without samples of its own code, what of it could be saved is not known: it may be imports.
        speedup=_speedup(first if spent is None else min(spent, first), slowest.seconds) if own or spent else None,
        rank=slowest.rank if len(profile.ranks) > 1 else None,
        decides=share >= t.most,
        first=share >= t.most and own and spent is not None and spent / slowest.seconds >= t.share,
    )


def _slowest(profile: Profile) -> RankProfile | Missing:
    firsts = [rank for rank in profile.ranks if rank.first_batch_s is not None]
    return max(firsts, key=lambda rank: rank.first_batch_s or 0.0) if firsts else Missing("a first batch")


def own_seconds(profile: Profile, rank: RankProfile, seen_share: float) -> float | None:
    """Return what of a rank's start-up was not imports: its own lines and the loader's; None without samples."""
    if profile.stacks.trust == "none":
        return None
    lines = _lines(profile, "startup", "importing")
    first = rank.first_batch_s or 0.0
    if first > 0 and sum(h.seconds for h in lines) / first < seen_share:
        return None
    made = min(first, _first_epoch_s(profile, rank))
    return sum(h.seconds * _own_part(h) for h in lines if h.activity == "startup") + made


def _lines(profile: Profile, *activities: str) -> list[HotLine]:
    wanted = activities or ("startup",)
    return [h for h in profile.hot_lines if h.process_role == "trainer" and h.activity in wanted]


def _own_part(line: HotLine) -> float:
    """Return the part of a line's samples that are not the model's: a loop without a DataLoader begins with steps that
    seem to be start-up, as does a training that evaluates, or plays, before it trains."""
    return 1.0 - (line.model_share or 0.0)


def _first_epoch_s(profile: Profile, rank: RankProfile) -> float:
    firsts = [
        loader.first_batch_s[0] for loader in profile.loaders if loader.rank == rank.rank and loader.first_batch_s
    ]
    return max(firsts, default=0.0)


def _advice(profile: Profile, line: HotLine | None) -> str:
    engine = engine_of(line)
    if engine is not None:
        return f"{engine.start}: {engine.name} and its processes are started again in each run."
    workers = profile.primary.workers if profile.primary else 0
    fewer = ", and start fewer workers" if workers > 1 else ""
    lazily = "load lazily" if fewer else "and load lazily"
    return f"Cache what is computed before the first batch (file lists, indexes), {lazily}{fewer}."


def _speedup(spent: float, seconds: float) -> Speedup:
    half = round(seconds / max(seconds - spent / 2, 1e-9), 3)
    return Speedup(
        half,
        1.0,
        round(seconds / max(seconds - spent, 0.05 * seconds), 3),
        "half of the start-up of the whole run saved",
    )


RULE = Rule(
    id="slow-startup",
    page=__doc__,
    check=check,
    needs=(Need("a first batch", _slowest),),
    thresholds=Thresholds(),
    by_events=True,
    traits=Traits(bound="startup", order="last", lanes=("gpu_busy", "cpu_busy"), windows="startup"),
)
