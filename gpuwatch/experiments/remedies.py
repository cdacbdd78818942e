"""The remedies: which finding asks for which, how it is applied, and the edit that makes it permanent."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from gpuwatch.diagnosis.frameworks import draft_edit, loader_edit, maker_of, opened_by_user
from gpuwatch.diagnosis.image_sizes import decoders, early_operations, first_shrink, shrinking_operation, usable_scale
from gpuwatch.errors import UsageError
from gpuwatch.experiments import edits
from gpuwatch.experiments.session import Window
from gpuwatch.model.findings import Finding
from gpuwatch.model.loader_profile import LoaderProfile, OperationProfile
from gpuwatch.model.report import Report
from gpuwatch.words.images import has_no_scaled_decode

# Operations that turn an image into floats: four times the bytes for whatever comes after.
TO_FLOAT = ("ToTensor", "ToDtype", "ConvertImageDtype", "ConvertDtype")
MOST_WORKERS = 256


@dataclass(frozen=True, slots=True)
class Remedy:
    """A change to try. `loader`: settings of the twin; `hook`: its name in `hook/experiment/remedies.py`, with parameters.
    `epochs`: its gain lies in the start of epochs, so that windows must contain some."""

    name: str
    finding: str | None = None
    edit: str | None = None
    loader: dict[str, Any] = field(default_factory=dict)
    hook: str | None = None
    parameters: dict[str, Any] = field(default_factory=dict)
    predicted: float | None = None
    epochs: bool = False

    def window(self, kind: str, round_: int = 0, seconds: float = 0.0) -> Window:
        """Return a window under this remedy."""
        return Window(
            self.name, kind, round_, seconds, loader=self.loader, remedy=self.hook, parameters=self.parameters,
            epochs=self.epochs,
        )  # fmt: skip


Make = Callable[[LoaderProfile | None], Remedy | None]


def _settings(epochs: bool = False, **loader: Any) -> Make:
    return lambda seen: Remedy("", loader=loader, edit=_loader_edit(seen, loader), epochs=epochs)


def _loader_edit(seen: LoaderProfile | None, settings: dict[str, Any]) -> str:
    """Return the edit of the loader's constructor call, or of what the library that makes it takes."""
    if seen is not None and maker_of(seen) is not None:
        return f"+ {loader_edit(seen, settings)}"
    return edits.loader_call(_made_at(seen), settings)


def _made_at(seen: LoaderProfile | None) -> tuple[str, int] | None:
    place = seen.created_where if seen else None
    return (place.file, place.line) if place else None


def _one_thread(seen: LoaderProfile | None) -> Remedy:
    loader = {"worker_init_fn": edits.Code("one_thread")}
    edit = "+ def one_thread(worker):\n+     cv2.setNumThreads(0)  # and torch.set_num_threads(1), OMP_NUM_THREADS=1\n"
    return Remedy("", hook="single-threaded-workers", edit=edit + _loader_edit(seen, loader))


def _scaled(seen: LoaderProfile | None) -> Remedy | None:
    decode = _decode(seen)
    if decode is not None and has_no_scaled_decode(decode.name):
        return None
    scale = max(usable_scale(decode, first_shrink(seen, decode)) if seen and decode else 2, 2)
    library = draft_edit(decode, scale) if decode else None
    place = (opened_by_user(decode) or decode.where) if decode else None
    edit = f"+ {library}" if library else edits.scaled_decode(place, scale)
    return Remedy("", hook="scaled-decode", parameters={"scale": scale}, edit=edit)


def _decode(seen: LoaderProfile | None) -> OperationProfile | None:
    return next(iter(decoders(seen)), None) if seen else None


def _shrink(seen: LoaderProfile | None) -> Remedy:
    shrink = shrinking_operation(seen) if seen else None
    early = [_class(o.name) for o in early_operations(seen, shrink)] if seen and shrink else []
    name = _class(shrink.name) if shrink else ""
    edit = edits.moved_first(shrink.where if shrink else None, name or "Resize", early)
    return Remedy("", hook="shrink-first", parameters={"shrink": name, "before": early}, edit=edit)


def _resize_before_float(seen: LoaderProfile | None) -> Remedy | None:
    """Return the remedy, or None when the profile shows that no resize comes after a conversion to float."""
    ordered = sorted((o for o in (seen.operations if seen else ()) if o.position is not None), key=_position)
    names = [_class(o.name) for o in ordered]
    floats = [name for name in names if name in TO_FLOAT]
    resize = next((o for o in ordered if "Resize" in o.name), None)
    if names and (not floats or resize is None or names.index(floats[0]) > names.index(_class(resize.name))):
        return None
    edit = edits.moved_first(resize.where if resize else None, "Resize", floats or ["ToTensor"])
    return Remedy("", hook="resize-before-float", parameters={"before": list(TO_FLOAT)}, edit=edit)


def _position(operation: OperationProfile) -> int:
    return operation.position or 0


def _class(name: str) -> str:
    return name.rsplit(".", 1)[-1]


def _hook(name: str, edit: str) -> Make:
    return lambda seen: Remedy("", hook=name, edit=edit)


REMEDIES: dict[str, Make] = {
    "persistent-workers": _settings(epochs=True, persistent_workers=True),
    "out-of-order": _settings(in_order=False),
    "pinned-memory": _settings(pin_memory=True),
    "more-prefetch": _settings(prefetch_factor=8),
    "single-threaded-workers": _one_thread,
    "scaled-decode": _scaled,
    "shrink-first": _shrink,
    "resize-before-float": _resize_before_float,
    "faster-decoder": _hook("faster-decoder", edits.FASTER_DECODER),
    "cache-items": _hook("cache-items", edits.CACHE),
    "packed-batches": _hook("packed-batches", edits.PACK),
    "uint8-batches": _hook("uint8-batches", edits.UINT8),
    "batched-fetch": _hook("batched-fetch", edits.BATCHED),
}
# What a rule calls the best number of workers: here it has a number.
WORKERS = "workers"


def check_names(names: Sequence[str]) -> None:
    """Check the names of remedies. Raises UsageError for one that is none."""
    for name in names:
        if name not in REMEDIES and _workers(name) is None:
            close = difflib.get_close_matches(name, REMEDIES, 1)
            hint = f"Did you mean {close[0]}? " if close else ""
            raise UsageError(f"there is no remedy {name}", f"{hint}There are: workers=N, {', '.join(REMEDIES)}")


def named(names: Sequence[str], report: Report | None) -> list[Remedy]:
    """Return the remedies of these names, fitted to the report's loader. Raises UsageError for a name that is none."""
    check_names(names)
    made = {name: _make(name, report) or Remedy(name, hook=name) for name in names}
    return list(made.values())


def asked_for(report: Report) -> list[Remedy]:
    """Return the remedies that the findings of a report ask for, in their order; at most one of a kind."""
    loader = report.primary_loader
    found: dict[str, Remedy] = {}
    for finding in (*report.findings, *report.suppressed):
        if loader is None:
            break
        for remedy in _of_finding(finding, loader, report):
            found.setdefault(remedy.name, remedy)
    return list(found.values())


def _of_finding(finding: Finding, loader: LoaderProfile, report: Report) -> list[Remedy]:
    names = [name for name in finding.traits.remedies if name != WORKERS]
    if WORKERS in finding.traits.remedies and report.costs:
        names.append(f"{WORKERS}={_best_workers(report)}")
    return [remedy for name in names if (remedy := _make(name, report)) is not None]


def _best_workers(report: Report) -> int | None:
    """Return the number of workers that the findings' predictions are about."""
    from gpuwatch.analyze.throughput import best_workers

    return best_workers(report.costs) if report.costs else None


def _workers(name: str) -> int | None:
    words = name.partition("=")
    number = int(words[2]) if words[0] == "workers" and words[2].isdigit() else None
    return number if number is not None and number <= MOST_WORKERS else None


def _make(name: str, report: Report | None) -> Remedy | None:
    """Return a remedy fitted to the report's loader; None when the report shows that it does not fit."""
    loader = report.primary_loader if report else None
    count = _workers(name)
    if count is not None:
        setting = {"num_workers": count}
        made: Remedy | None = Remedy("", loader=setting, edit=_loader_edit(loader, setting))
    else:
        made = REMEDIES[name](loader)
    if made is None:
        return None
    reported = (*report.findings, *report.suppressed) if report else ()
    finding = next((f for f in reported if (name if count is None else WORKERS) in f.traits.remedies), None)
    meant = count is None or (report is not None and count == _best_workers(report))
    predicted = finding.speedup.predicted if meant and finding and finding.speedup else None
    return replace(made, name=name, finding=finding.id if finding else None, predicted=predicted)
