"""The loaders, and what making a sample is made of."""

from __future__ import annotations

from gpuwatch.model.loader_profile import LoaderProfile, OperationProfile
from gpuwatch.model.report import Report
from gpuwatch.views import text
from gpuwatch.views.html.markup import Markup, content, el, heat, table

OPERATIONS = 12


def loaders(report: Report) -> Markup:
    """Return one row per loader, then the operations of those that have them."""
    head = [
        "loader",
        "data set",
        "role",
        "workers",
        "batch",
        "step",
        "of it waiting",
        "making a batch",
        "workers busy",
        "samples/s",
    ]
    rows = [_loader(loader, loader is report.primary_loader) for loader in _worst_first(report.loaders)]
    if not rows:
        return el("section", el("h2", "Loaders and operations"), el("p", "No DataLoader was seen."), id="loaders")
    by_dataset = {
        (loader.role, loader.dataset): loader for loader in reversed(_worst_first(report.loaders)) if loader.operations
    }
    with_operations = list(reversed(by_dataset.values()))[:3]
    body = [
        table(head, rows, "Loaders", numeric=range(3, 10)),
        [_operations(loader, report.run.cwd) for loader in with_operations],
    ]
    return el("section", el("h2", "Loaders and operations"), body, id="loaders")


def _worst_first(rows: tuple[LoaderProfile, ...]) -> list[LoaderProfile]:
    return sorted(rows, key=lambda loader: (loader.role != "training", -loader.wait_seconds))


def _loader(loader: LoaderProfile, primary: bool) -> list[object]:
    fetch = loader.fetch
    name = content([loader.id, el("span", " (the verdict's)", class_="soft") if primary else None])
    step = text.milliseconds(loader.step_ms.median) if loader.step_ms else text.DASH
    made = text.milliseconds(fetch.wall_ms.median) if fetch else text.DASH
    waited = text.percent(loader.waited_share.median) if loader.waited_share else text.DASH
    return [
        name,
        loader.dataset,
        loader.role,
        str(loader.workers),
        loader.batch_size or text.DASH,
        step,
        waited,
        made,
        text.percent(fetch.busy_share) if fetch else text.DASH,
        text.figures(loader.samples_per_s),
    ]


def _operations(loader: LoaderProfile, root: str) -> Markup:
    head = ["operation", "kind", "share of a batch's work", "per sample", "pixels in", "pixels out", "where"]
    ordered = sorted(loader.operations, key=lambda operation: -operation.share)
    rows = [_operation(operation, root) for operation in ordered[:OPERATIONS]]
    return content(
        [
            el("h3", f"What making a sample costs: {loader.dataset}"),
            table(head, rows, f"Operations of loader {loader.id}", numeric=range(2, 6)),
        ]
    )


def _operation(operation: OperationProfile, root: str) -> list[object]:
    share = heat(operation.share, text.percent(operation.share))
    where = text.place(operation.where, root)
    return [
        operation.name,
        operation.kind,
        share,
        text.milliseconds(operation.ms_per_sample),
        text.figures(operation.pixels_in),
        text.figures(operation.pixels_out),
        el("code", where) if where else text.DASH,
    ]
