"""The remedies: which finding asks for which, how it is applied, and the edit that makes it permanent."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from gpuwatch.errors import UsageError
from gpuwatch.experiments.pairing import by_arm, outcome, ratio, step_interval
from gpuwatch.experiments.session import Result, Window
from gpuwatch.model import Finding, Interval, LoaderProfile, Report, Trial

BASELINE = "unchanged"
ROUNDS = 5
# Remedies whose parameters come from what a run has seen.
_FITTED = ("scaled-decode", "shrink-first")
NOTHING = Interval(0.0, 0.0, 0.0, 0)


@dataclass(frozen=True, slots=True)
class Remedy:
    """A change to try. `loader`: settings of the twin; `hook`: its name in `hook/remedies.py`, with parameters.
    `epochs`: its gain lies in the start of epochs, so that windows must contain some."""

    name: str
    finding: str | None = None
    edit: str | None = None
    loader: dict[str, Any] = field(default_factory=dict)
    hook: str | None = None
    parameters: dict[str, Any] = field(default_factory=dict)
    predicted: float | None = None
    epochs: bool = False

    def window(self, kind: str, round_: int, seconds: float, *, close: bool = False) -> Window:
        """Return a window under this remedy."""
        return Window(
            self.name, kind, round_, seconds, loader=self.loader, remedy=self.hook, parameters=self.parameters,
            close=close, epochs=self.epochs,
        )  # fmt: skip


def _settings(**loader: Any) -> Callable[[LoaderProfile | None], Remedy]:
    words = ", ".join(f"{name}={value}" for name, value in loader.items())
    return lambda seen: Remedy("", loader=loader, edit=f"DataLoader(..., {words})")


def _persistent(seen: LoaderProfile | None) -> Remedy:
    return Remedy("", loader={"persistent_workers": True}, edit="DataLoader(..., persistent_workers=True)", epochs=True)


def _one_thread(seen: LoaderProfile | None) -> Remedy:
    edit = "def one_thread(worker):\n    cv2.setNumThreads(0); torch.set_num_threads(1)\nDataLoader(..., worker_init_fn=one_thread)"
    return Remedy("", hook="single-threaded-workers", edit=edit)


def _scaled(seen: LoaderProfile | None) -> Remedy:
    from gpuwatch.analyze.rules.oversized_decode import first_shrink, usable_scale

    decodes = sorted((o for o in (seen.operations if seen else ()) if o.kind == "decode"), key=lambda o: -o.share)
    scale = usable_scale(decodes[0], first_shrink(seen, decodes[0])) if seen and decodes else 2
    edit = f"image = Image.open(path)\nimage.draft('RGB', (image.width // {scale}, image.height // {scale}))"
    return Remedy("", hook="scaled-decode", parameters={"scale": max(scale, 2)}, edit=edit)


def _shrink(seen: LoaderProfile | None) -> Remedy:
    from gpuwatch.analyze.rules.transform_order import early_operations, shrinking_operation

    shrink = shrinking_operation(seen) if seen else None
    early = [_class(o.name) for o in early_operations(seen, shrink)] if seen and shrink else []
    name = _class(shrink.name) if shrink else "Resize"
    edit = f"Compose([{name}(...), {', '.join(f'{n}(...)' for n in early) or '...'}, ...])"
    return Remedy("", hook="shrink-first", parameters={"shrink": name, "before": early}, edit=edit)


def _class(name: str) -> str:
    return name.rsplit(".", 1)[-1]


def _hook(name: str, edit: str) -> Callable[[LoaderProfile | None], Remedy]:
    return lambda seen: Remedy("", hook=name, edit=edit)


REMEDIES: dict[str, tuple[tuple[str, ...], Callable[[LoaderProfile | None], Remedy]]] = {
    "persistent-workers": (("worker-restart",), _persistent),
    "out-of-order": (("slow-sample",), _settings(in_order=False)),
    "pinned-memory": (("unpinned-transfer",), _settings(pin_memory=True)),
    "more-prefetch": (("slow-sample", "coarse-batches"), _settings(prefetch_factor=8)),
    "single-threaded-workers": (("thread-oversubscription",), _one_thread),
    "scaled-decode": (("oversized-decode",), _scaled),
    "shrink-first": (("transform-order",), _shrink),
    "faster-decoder": (("expensive-decode", "oversized-decode"), _hook("faster-decoder", "simplejpeg.decode_jpeg(data, 'RGB')")),
    "cache-items": (
        ("slow-dataset-code", "expensive-transform", "storage-wait"),
        _hook("cache-items", "keep the finished items in memory, or save them once and load the result"),
    ),
    "packed-batches": (("batch-transport",), _hook("packed-batches", "collate into one tensor per field")),
    "uint8-batches": (("batch-transport",), _hook("uint8-batches", "keep uint8 in the workers; x.to(device).float().div_(255)")),
    "batched-fetch": (
        ("per-item-access",),
        _hook("batched-fetch", "DataLoader(dataset, sampler=BatchSampler(RandomSampler(dataset), n, False), batch_size=None)"),
    ),
}  # fmt: skip


def named(names: Sequence[str], report: Report | None) -> list[Remedy]:
    """Return the remedies of these names. Raises UsageError for a name that is none."""
    for name in names:
        if name not in REMEDIES and _workers(name) is None:
            raise UsageError(f"there is no remedy {name}", f"There are: workers=N, {', '.join(REMEDIES)}")
    return [remedy for name in names if (remedy := _make(name, report)) is not None]


def asked_for(report: Report) -> list[Remedy]:
    """Return the remedies that the findings of a report ask for, in their order; at most one of a kind."""
    loader = primary(report)
    found: dict[str, Remedy] = {}
    for finding in (*report.findings, *report.suppressed):
        if loader is None:
            break
        for remedy in _of_finding(finding, loader, report):
            found.setdefault(remedy.name, remedy)
    return list(found.values())


def primary(report: Report) -> LoaderProfile | None:
    """Return the loader that the report's verdict is about."""
    return next((loader for loader in report.loaders if loader.id == report.primary), None)


def _of_finding(finding: Finding, loader: LoaderProfile, report: Report) -> list[Remedy]:
    names = [name for name, (findings, _) in REMEDIES.items() if finding.id in findings]
    if finding.id in ("no-worker-processes", "too-few-workers", "too-many-workers") and report.costs:
        from gpuwatch.analyze.throughput import best_workers

        names.append(f"workers={best_workers(report.costs)}")
    return [remedy for name in names if (remedy := _make(name, report)) is not None]


def _workers(name: str) -> int | None:
    words = name.partition("=")
    return int(words[2]) if words[0] == "workers" and words[2].isdigit() else None


def _make(name: str, report: Report | None) -> Remedy | None:
    """Return a remedy fitted to the report's loader; without a report only those that need no fitting."""
    loader = primary(report) if report else None
    if loader is None and name in _FITTED:
        return None
    count = _workers(name)
    if count is not None:
        made = Remedy("", loader={"num_workers": count}, edit=f"DataLoader(..., num_workers={count})")
        wanted: tuple[str, ...] = ("no-worker-processes", "too-few-workers", "too-many-workers")
    else:
        wanted, make = REMEDIES[name]
        made = make(loader)
    told = (*report.findings, *report.suppressed) if report else ()
    finding = next((f for f in told if f.id in wanted), None)
    predicted = finding.speedup.predicted if finding and finding.speedup else None
    return replace(made, name=name, finding=finding.id if finding else None, predicted=predicted)


def plan(remedies: Sequence[Remedy], seconds: float, rounds: int = ROUNDS) -> list[Window]:
    """Return the windows: per round the unchanged loader, then each remedy; the outputs compared once, first.

    Remedies whose gain lies in the start of epochs are held against an unchanged loader that starts them too.
    """
    compared = [
        Window(r.name, "compare", remedy=r.hook, parameters=r.parameters, loader=r.loader) for r in remedies if r.hook
    ]
    return compared + [window for round_ in range(rounds) for window in _round(remedies, seconds, round_, rounds)]


def _round(remedies: Sequence[Remedy], seconds: float, round_: int, rounds: int) -> list[Window]:
    last = round_ == rounds - 1
    windows = [r.window("real", round_, seconds, close=last) for r in remedies]
    windows.append(Window(BASELINE, "real", round_, seconds))
    if any(r.epochs for r in remedies):
        windows.append(Window(f"{BASELINE}, epochs", "real", round_, seconds, epochs=True))
    shift = round_ % len(windows)
    return [*windows[shift:], *windows[:shift]]


def conclude(
    results: Sequence[Result], remedies: Sequence[Remedy], outputs: dict[str, dict[str, Any]]
) -> tuple[Trial, ...]:
    """Return a trial per remedy: paired by round, with its verdict."""
    groups = by_arm(results)
    notes = {r.arm: r.note for r in results if r.note and r.kind == "real"}
    return tuple(
        _trial(remedy, groups, notes, outputs) for remedy in remedies if remedy.name in groups or remedy.name in notes
    )


def _trial(
    remedy: Remedy, groups: dict[str, list[Result]], notes: dict[str, str], outputs: dict[str, dict[str, Any]]
) -> Trial:
    unchanged = groups.get(f"{BASELINE}, epochs" if remedy.epochs else BASELINE, [])
    changed = groups.get(remedy.name, [])
    value = ratio(unchanged, changed)
    return Trial(
        id=remedy.name,
        remedy=remedy.name,
        finding=remedy.finding,
        before=step_interval(unchanged) or NOTHING,
        after=step_interval(changed) or NOTHING,
        unit="ms a step",
        ratio=value or NOTHING,
        verdict=outcome(value),
        outputs=outputs_text(remedy, outputs.get(remedy.name)),
        edit=remedy.edit,
        predicted=remedy.predicted,
        note=notes.get(remedy.name, ""),
    )


def outputs_text(remedy: Remedy, found: dict[str, Any] | None) -> str:
    """Return whether the samples change, in words."""
    if remedy.hook is None:
        return "another order" if remedy.loader.get("in_order") is False else "unchanged"
    if found is None:
        return "not compared"
    if found.get("max") == 0.0:
        return f"identical ({found['samples']} samples)"
    if found.get("note"):
        return str(found["note"])
    if found.get("random"):
        return "random: distribution only"
    return f"differ by {found['max']:.3g} at most, {found['mean']:.2g} on average (values up to {found['scale']:.3g})"
