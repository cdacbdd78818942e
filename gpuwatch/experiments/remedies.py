"""The remedies: which finding asks for which, by name, the ones with the number that fits among them."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import replace

from gpuwatch.diagnosis.frameworks import refuses_workers
from gpuwatch.errors import UsageError
from gpuwatch.experiments import edits, making
from gpuwatch.experiments.making import Make
from gpuwatch.experiments.remedy import KEEPS_A_CACHE, Remedy
from gpuwatch.model.findings import Finding
from gpuwatch.model.loader_profile import LoaderProfile
from gpuwatch.model.report import Report

MOST_WORKERS = 256
REMEDIES: dict[str, Make] = {
    "persistent-workers": making.settings(epochs=True, persistent_workers=True),
    "out-of-order": making.settings(in_order=False),
    "pinned-memory": making.settings(pin_memory=True),
    "more-prefetch": making.settings(prefetch_factor=8),
    "single-threaded-workers": making.one_thread,
    "scaled-decode": making.scaled,
    "shrink-first": making.shrink_first,
    "resize-before-float": making.resize_before_float,
    "faster-decoder": making.faster_decoder,
    "cache-items": making.cache_items,
    "packed-batches": making.by_hand("packed-batches", edits.PACK, "the loop has to split what arrives"),
    "uint8-batches": making.by_hand("uint8-batches", edits.UINT8, "the loop has to convert what arrives"),
    "prefetched-sampler": making.by_hand(
        "prefetched-sampler", edits.SAMPLER, "the sampler has to be wrapped where it is made"
    ),
    "worker-affinity": making.by_hand("worker-affinity", edits.AFFINITY, "it goes into the loader's worker_init_fn"),
    "gc-freeze": making.by_hand("gc-freeze", edits.FREEZE, "it goes before the loop over the epochs"),
    "foreach-optimizer": making.optimizer("foreach"),
    "fused-optimizer": making.optimizer("fused"),
    "zero-grad-to-none": making.by_hand(
        "zero-grad-to-none", edits.TO_NONE, "the call that fills gradients with zeros is not known"
    ),
    "channels-last": making.by_hand(
        "channels-last", edits.CHANNELS_LAST, "it goes where the model and its inputs are made"
    ),
    "non-blocking-copies": making.non_blocking,
    "batched-fetch": making.by_hand(
        "batched-fetch", edits.BATCHED, "sampler and batch size have to become one argument"
    ),
}
# What a rule calls the best number of workers: here it has a number.
WORKERS = "workers"
THREADS = "trainer-threads"


def check_names(names: Sequence[str]) -> None:
    """Check the names of remedies. Raises UsageError for one that is none."""
    for name in names:
        if name not in REMEDIES and _workers(name) is None and not _number(name, THREADS):
            close = difflib.get_close_matches(name, REMEDIES, 1)
            hint = f"Did you mean {close[0]}? " if close else ""
            raise UsageError(
                f"there is no remedy {name}", f"{hint}There are: workers=N, {THREADS}=N, {', '.join(REMEDIES)}"
            )


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
    if WORKERS in finding.traits.remedies and report.costs and not refuses_workers(loader):
        names.append(f"{WORKERS}={_best_workers(report)}")
    if THREADS in names:
        names.remove(THREADS)
        names += [f"{THREADS}={_fitting_threads(report)}"] if report.costs else []
    other = [name for name in names if _workers(name) != loader.workers]
    return [remedy for name in other if (remedy := _make(name, report)) is not None]


def _best_workers(report: Report) -> int | None:
    """Return the number of workers that the findings' predictions are about."""
    from gpuwatch.analyze.throughput import best_workers

    return best_workers(report.costs) if report.costs else None


def _fitting_threads(report: Report) -> int:
    """Return the threads that leave the workers of a training on the CPU a core each."""
    costs = report.costs
    return max(round(costs.shared_cores or costs.cores) - costs.workers, 1) if costs else 1


def _number(name: str, of: str, most: int = MOST_WORKERS) -> int | None:
    words = name.partition("=")
    number = int(words[2]) if words[0] == of and words[2].isdigit() else None
    return number if number is not None and number <= most else None


def _workers(name: str) -> int | None:
    return _number(name, WORKERS)


def _make(name: str, report: Report | None) -> Remedy | None:
    """Return a remedy fitted to the report's loader; None when the report shows that it does not fit."""
    loader = report.primary_loader if report else None
    count = _workers(name)
    if count is not None:
        made: Remedy | None = making.with_settings(loader, {"num_workers": count})
    elif threads := _number(name, THREADS):
        made = making.trainer_threads(loader, threads)
    else:
        made = REMEDIES[name](loader)
    if made is None:
        return None
    reported = (*report.findings, *report.suppressed) if report else ()
    asked = WORKERS if count is not None else name.partition("=")[0]
    asking = [f for f in reported if asked in f.traits.remedies or name in f.traits.remedies]
    finding = next((f for f in asking if f.id == KEEPS_A_CACHE), asking[0] if asking else None)
    meant = count is None or (report is not None and count == _best_workers(report))
    predicted = finding.speedup.predicted if meant and finding and finding.speedup and _is_of(finding, asked) else None
    return replace(made, name=name, finding=finding.id if finding else None, predicted=predicted)


def _is_of(finding: Finding, remedy: str) -> bool:
    """Say whether a finding's gain is that of a remedy: of the one that it says would prove it, else of its first."""
    _, named, proof = (finding.verify or "").partition("--remedies ")
    return remedy == (proof.split()[0] if named else finding.traits.remedies[0])
