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
from gpuwatch.analyze.lines.frames import is_library
from gpuwatch.diagnosis.evidence import SAVING, Starved, certainty, saturation, try_command, wait_evidence, working_loop
from gpuwatch.model.findings import Clear, Evidence, Finding, NotEvaluated
from gpuwatch.model.loader_profile import LoaderProfile, OperationProfile
from gpuwatch.model.measures import Place
from gpuwatch.model.profile import Profile

ID = "transform-order"
SHRINK = 0.5
MIN_SAVED = 0.10
NEARLY = 0.85


def check(profile: Profile) -> Finding | Clear | NotEvaluated:
    """Report transforms whose work before the shrink is a good part of the fetch of a starved loop."""
    seen = working_loop(profile, ID)
    if not isinstance(seen, Starved):
        return seen
    if not any(o.pixels_in for o in seen.loader.operations):
        return Clear(ID) if seen.loader.operations else NotEvaluated(ID, "pixels of the operations in a fetch")
    shrink = shrinking_operation(seen.loader)
    early = early_operations(seen.loader, shrink) if shrink else []
    saved = saved_share(seen.loader, shrink) if shrink else 0.0
    if shrink is None or saved < MIN_SAVED:
        return Clear(ID)
    names = ", ".join(o.name for o in early)
    after = throughput.with_work(seen.costs, max(1.0 - saved, 0.02))
    return Finding(
        id=ID,
        severity="critical" if saved >= 0.3 else "warning",
        confidence=certainty(seen.state),
        summary=f"{names} work{'s' if len(early) == 1 else ''} on {_ratio(early, shrink):.0f} times the pixels that {shrink.name} leaves",
        evidence=(
            wait_evidence(seen.loader),
            *(
                Evidence(o.name, round(o.share, 4), "share of the fetch", note=f"{o.pixels_in:.0f} pixels in")
                for o in early
            ),
            Evidence(f"pixels after {shrink.name}", shrink.pixels_out, "pixels"),
            Evidence("saved by shrinking first", round(saved, 4), "share of the fetch", MIN_SAVED, seen.fetch.n),
        ),
        advice=f"Put {shrink.name} before {names}.",
        where=_where(profile, max(early, key=lambda o: o.share)) or shrink.where,
        speedup=throughput.predict(
            seen.costs, after, "per-pixel work falls with the pixels; decoding and the shrink unchanged", 0.25
        ),
        verify=try_command(profile, "--remedies shrink-first"),
        edit=f"Compose([{shrink.name}, {names}, ...])",
        explains=("expensive-transform", *saturation(saved, SAVING)),
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


def shrinking_operation(loader: LoaderProfile) -> OperationProfile | None:
    """Return the transform that halves the pixels at least and before which most is wasted; None when nothing shrinks.

    Of nearly equals the first: a resize rather than the crop after it, which would take another part of the image.
    """
    candidates = [o for o in _ordered(loader) if o.pixels_in and o.pixels_out and o.pixels_out <= SHRINK * o.pixels_in]
    most = max((saved_share(loader, o) for o in candidates), default=0.0)
    enough = [o for o in candidates if saved_share(loader, o) >= NEARLY * most]
    return min(enough, key=lambda o: o.position or 0, default=None)


def saved_share(loader: LoaderProfile, shrink: OperationProfile) -> float:
    """Return the share of the fetch that working after the shrink would save."""
    return sum(_saved(o, shrink) for o in early_operations(loader, shrink))


def early_operations(loader: LoaderProfile, shrink: OperationProfile) -> list[OperationProfile]:
    """Return the transforms before the shrink that keep the size and work on more pixels than it leaves."""
    before = [o for o in _ordered(loader) if (o.position or 0) < (shrink.position or 0)]
    return [o for o in before if o.pixels_in and _keeps_size(o) and o.pixels_in * SHRINK >= (shrink.pixels_out or 0)]


def _keeps_size(operation: OperationProfile) -> bool:
    return operation.pixels_out is None or operation.pixels_out > SHRINK * (operation.pixels_in or 0)


def _ordered(loader: LoaderProfile) -> list[OperationProfile]:
    return [o for o in loader.operations if o.kind == "transform" and o.position is not None]


def _saved(operation: OperationProfile, shrink: OperationProfile) -> float:
    return operation.share * (1.0 - (shrink.pixels_out or 0) / (operation.pixels_in or 1.0))


def _ratio(early: list[OperationProfile], shrink: OperationProfile) -> float:
    return max(o.pixels_in or 0 for o in early) / max(shrink.pixels_out or 1.0, 1.0)
