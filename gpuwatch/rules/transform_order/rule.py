"""Per-pixel work is done before the operation that shrinks the image.

What it means
    Flips, rotations, colour changes and conversions cost time per pixel. Done on the full image before a crop or a
    resize, most of that work is thrown away with the pixels.

How it is measured
    Pixels into and out of each transform, and the order in which they run. Moved behind the shrinking operation, an
    operation's time falls with its pixels; the prediction adds that up and leaves decoding and the shrink as they are.

When it is wrong
    Where the order carries meaning (a rotation that must fill the corners before a crop, a statistic of the whole
    image), results change: the distribution of the augmentation, not its kind. Where sizes do not shrink there is
    nothing to win, and the rule is clear.

What to do
    Put the crop or resize first, then the other transforms.
"""

from __future__ import annotations

from gpuwatch.analyze import throughput
from gpuwatch.diagnosis.evidence import SAVING, certainty, saturation
from gpuwatch.diagnosis.image_sizes import early_operations, saved_share, shrinking_operation
from gpuwatch.diagnosis.needs import WORKING_LOOP, Starved
from gpuwatch.diagnosis.rule import Found, Group, Missing, Rule
from gpuwatch.diagnosis.thresholds import NoThresholds, Threshold
from gpuwatch.model.findings import Evidence, Traits
from gpuwatch.model.loader_profile import OperationProfile
from gpuwatch.model.measures import Place
from gpuwatch.model.profile import Profile
from gpuwatch.records import dataclass
from gpuwatch.words.source_code import is_library


@dataclass(frozen=True)
class Thresholds(NoThresholds):
    """From which values on the rule reports."""

    min_saved: Threshold = Threshold(0.10, "share of the fetch", "A smaller saving is not worth another order.")
    critical_share: Threshold = Threshold(0.3, "share of the fetch", "A third of the workers' time.")


def check(profile: Profile, t: Thresholds, seen: Starved) -> Found | Missing | None:
    """Report transforms whose work before the shrink is a good part of the fetch of a starved loop."""
    if not seen.loader.operations:
        return Missing("pixels of the operations in a fetch")
    shrink = shrinking_operation(seen.loader)
    early = early_operations(seen.loader, shrink) if shrink else []
    saved = saved_share(seen.loader, shrink) if shrink else 0.0
    if saved < t.min_saved or shrink is None:
        return None
    names = ", ".join(o.name for o in early)
    after = throughput.with_work(seen.costs, max(1.0 - saved, 0.02))
    return Found(
        severity="critical" if saved >= t.critical_share else "warning",
        confidence=certainty(seen.state),
        summary=f"{names} work{'s' if len(early) == 1 else ''} on {_ratio(early, shrink):.0f} times the pixels that {shrink.name} leaves",
        evidence=(
            seen.loss(),
            *(
                Evidence(o.name, round(o.share, 4), "share of the fetch", note=f"{o.pixels_in:.0f} pixels in")
                for o in early
            ),
            Evidence(f"pixels after {shrink.name}", shrink.pixels_out, "pixels"),
            Evidence("saved by shrinking first", round(saved, 4), "share of the fetch", t.min_saved, seen.fetch.n),
        ),
        advice=f"Put {shrink.name} before {names}.",
        where=_where(profile, max(early, key=lambda o: o.share)) or shrink.where,
        speedup=throughput.predict(
            seen.costs, after, "per-pixel work falls with the pixels; decoding and the shrink unchanged", 0.25
        ),
        verify="try --remedies shrink-first",
        edit=f"Compose([{shrink.name}, {names}, ...])",
        hides=("expensive-transform", *saturation(saved, SAVING)),
    )


def _where(profile: Profile, early: OperationProfile) -> Place | None:
    """Return where the order is decided: the dataset's line that calls a transform of the user's own, else its place.

    A transform called by another one (a Compose of the user's own) is put in its order elsewhere."""
    made, name = early.where, early.name.rsplit(".", 1)[-1]
    for line in profile.hot_lines:
        calls = line.stack if made and line.file == made.file else ()
        at = next((i for i, call in enumerate(calls) if (call.function or "").split(".")[0] == name), 0)
        caller = calls[at - 1] if at else None
        if caller and _gives_samples(caller.function or "") and not is_library(caller.file):
            return caller
    return made


def _gives_samples(function: str) -> bool:
    return function.rpartition(".")[2] in ("__getitem__", "__getitems__", "__iter__")


def _ratio(early: list[OperationProfile], shrink: OperationProfile) -> float:
    return max(o.pixels_in or 0 for o in early) / max(shrink.pixels_out or 1.0, 1.0)


RULE = Rule(
    id="transform-order",
    page=__doc__,
    check=check,
    needs=(WORKING_LOOP,),
    thresholds=Thresholds(),
    by_events=True,
    hides=("expensive-transform", "cpu-saturated"),
    group=Group.BATCH_COST,
    traits=Traits(about_input=True, windows="waiting", remedies=("shrink-first", "resize-before-float")),
)
