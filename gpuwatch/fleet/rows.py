"""The report of one run -> its rows in the dataset's tables."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from datetime import datetime, timezone
from typing import Any

from gpuwatch.fleet import names
from gpuwatch.fleet.columns import Rows, no_rows, phase_column
from gpuwatch.fleet.losses import Loss, losses_of_phases, losses_of_rank, won_share
from gpuwatch.model.findings import Finding
from gpuwatch.model.hot_lines import HotLine, cost_of
from gpuwatch.model.loader_profile import LoaderProfile
from gpuwatch.model.profile import RankProfile
from gpuwatch.model.recording import RunInfo
from gpuwatch.model.report import Report, Training
from gpuwatch.records import dataclass
from gpuwatch.views import text
from gpuwatch.views.json import started
from gpuwatch.views.verdict_text import headline

# What a process does while its device waits for it: a line of that costs GPU time, whatever the step does.
_BEFORE_STEPS = ("fetch", "collate", "serialise", "input", "startup", "importing", "between loops")


@dataclass(frozen=True, slots=True)
class Part:
    """A run folder, and those ranks of a report that it recorded: all of them, unless nodes of a job recorded the others.

    `page`: the HTML of its report, where there is one; `job`: what its job is known by, where others are of it."""

    run: str
    fingerprint: str
    info: RunInfo
    ranks: tuple[RankProfile, ...]
    page: str | None = None
    job: str | None = None


def rows_of(report: Report, run: str, fingerprint: str, page: str | None = None, job: str | None = None) -> Rows:
    """Return the rows of a run, which its report is about."""
    return rows_of_part(report, Part(run, fingerprint, report.run, report.ranks, page, job))


def rows_of_part(report: Report, part: Part, leads: bool = True) -> Rows:
    """Return the rows of one run folder. `leads`: whether the findings, loaders and lines of the report are counted as its own."""
    rows = no_rows()
    shown = next((training.number for training in report.trainings if training.shown), 1)
    key = {"run": part.run, "training": shown}
    held = _held(report, part.ranks)
    rows["ranks"] = [key | _rank(one) for one in held]
    rows["losses"] = [key | row for row in _losses(held)]
    if leads:
        whole = _Times(_held(report, report.ranks))
        rows["loaders"] = [key | _loader(loader) for loader in report.loaders]
        rows["findings"] = [key | _finding(n, each, report, whole) for n, each in enumerate(report.findings, 1)]
        rows["lines"] = [key | _line(line, report, whole) for line in report.hot_lines]
    times, common = _Times(held), _common(report, part, leads)
    rows["runs"] = [key | common | _shown(report, held, times, rows["losses"])]
    for other in report.trainings:
        if not other.shown:
            _add_training(rows, {"run": part.run, "training": other.number}, common, other, times)
    return rows


@dataclass(frozen=True, slots=True)
class _Held:
    """A rank, the number of GPUs that it holds, and what its time was lost to."""

    rank: RankProfile
    gpus: int
    losses: list[Loss]


def _held(report: Report, ranks: Sequence[RankProfile]) -> list[_Held]:
    return [_Held(rank, gpus_of(rank, report), losses_of_rank(rank, report.loaders, report.findings)) for rank in ranks]


class _Times:
    """The seconds of a training's ranks, and how many GPUs they hold."""

    def __init__(self, held: Sequence[_Held]) -> None:
        self.ranks, self.gpus = len(held), sum(one.gpus for one in held)
        self.rank_s = sum(one.rank.seconds for one in held)
        self.gpu_s = sum(one.rank.seconds * one.gpus for one in held)


def gpus_of(rank: RankProfile, report: Report) -> int:
    """Return how many GPUs a rank holds: none of a rank that computes on the CPU, or of which no device is known."""
    if rank.device in (None, "cpu"):
        return 0
    return max(sum(rank.rank in device.ranks for device in report.devices), 1)


def _common(report: Report, part: Part, leads: bool) -> dict[str, Any]:
    """Return what all trainings of a run have in common."""
    run = part.info
    return names.identity_of(run) | {
        "run_id": run.id,
        "name": run.name,
        "fingerprint": part.fingerprint,
        "read_at": datetime.now(timezone.utc),
        "recorder": run.gpuwatch,
        "script": names.script_of(run.command),
        "command": shlex.join(run.command),
        "cwd": run.cwd,
        "state": run.state,
        "exit_code": run.exit_code,
        "signal": run.signal,
        "attached": run.attached is not None,
        "experiment": run.experiment is not None,
        "started": started(run),
        "trainings": len(report.trainings) or int(bool(report.ranks)),
        "spool_bytes": report.overhead.spool_bytes if leads else None,
        "problems": len(report.problems) if leads else None,
        "report": part.page,
        "job_key": part.job,
    }


def _shown(report: Report, held: Sequence[_Held], times: _Times, losses: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the row of the training that the report is about."""
    lowest = min(held, key=lambda one: one.rank.rank, default=None)
    first = lowest.rank if lowest else None
    loader, verdict = report.primary_loader, report.verdict
    step = first.step_ms if first else None
    return {
        "shown": True,
        "seconds": report.seconds,
        "ranks": times.ranks,
        "world_size": first.world_size if first else None,
        "gpus": times.gpus,
        "gpu": first.device if first and lowest and lowest.gpus else None,
        "batch_size": loader.batch_size if loader else None,
        "bound": verdict.bound,
        "confidence": verdict.confidence,
        "headline": headline(verdict),
        "input_wait_share": verdict.input_wait_share.median if verdict.input_wait_share else None,
        "wait_clock": verdict.clock,
        "cause": report.findings[0].id if report.findings else None,
        "steps": first.steps if first else None,
        "step_ms": step.median if step else None,
        "step_low_ms": step.low if step else None,
        "step_high_ms": step.high if step else None,
        "samples_per_s": loader.samples_per_s if loader else None,
        "rank_s": times.rank_s,
        "gpu_s": times.gpu_s,
        "lost_rank_s": sum(loss["rank_s"] for loss in losses),
        "lost_gpu_s": sum(loss["gpu_s"] for loss in losses),
    }


def _add_training(rows: Rows, key: dict[str, Any], common: dict[str, Any], training: Training, like: _Times) -> None:
    """Add what is known of a training that the report only lists. It holds as many GPUs per rank as the one shown."""
    share = like.gpus / like.ranks if like.ranks else 0.0
    losses = [
        key | _loss(loss, loss.seconds * training.ranks, loss.seconds * training.ranks * share)
        for loss in losses_of_phases(training.phases)
    ]
    rows["losses"] += losses
    rows["runs"].append(
        key
        | common
        | {
            "shown": False,
            "seconds": training.seconds,
            "ranks": training.ranks,
            "gpus": round(training.ranks * share),
            "bound": training.verdict.bound,
            "confidence": training.verdict.confidence,
            "headline": headline(training.verdict),
            "wait_clock": training.verdict.clock,
            "cause": training.findings[0] if training.findings else None,
            "steps": training.steps,
            "rank_s": training.seconds * training.ranks,
            "gpu_s": training.seconds * training.ranks * share,
            "lost_rank_s": sum(loss["rank_s"] for loss in losses),
            "lost_gpu_s": sum(loss["gpu_s"] for loss in losses),
        }
    )


def _rank(one: _Held) -> dict[str, Any]:
    rank = one.rank
    return {
        "rank": rank.rank,
        "host": rank.host,
        "device": rank.device,
        "gpus": one.gpus,
        "seconds": rank.seconds,
        "steps": rank.steps,
        "step_ms": rank.step_ms.median if rank.step_ms else None,
        "wait_share": rank.wait_share.median if rank.wait_share else None,
        "lost_s": sum(loss.seconds for loss in one.losses),
    } | {phase_column(phase.name): phase.seconds for phase in rank.phases}


def _loader(loader: LoaderProfile) -> dict[str, Any]:
    same = ("rank", "role", "dataset", "pipeline", "workers", "batch_size", "prefetch", "persistent", "pin_memory", "batches",
            "steps", "seconds", "samples_per_s")  # fmt: skip
    return {name: getattr(loader, name) for name in same} | {
        "loader": loader.id,
        "wait_s": loader.wait_seconds,
        "wait_share": loader.wait_share.median if loader.wait_share else None,
        "step_ms": loader.step_ms.median if loader.step_ms else None,
    }


def _finding(position: int, finding: Finding, report: Report, times: _Times) -> dict[str, Any]:
    culprit = next((rank.host for rank in report.ranks if rank.rank == finding.rank), None)
    where, speedup, won = finding.where, finding.speedup, won_share(finding)
    return {
        "position": position,
        "finding": finding.id,
        "severity": finding.severity,
        "confidence": finding.confidence,
        "summary": finding.summary,
        "advice": finding.advice,
        "file": where.file if where else None,
        "line": where.line if where else None,
        "function": where.function if where else None,
        "predicted": speedup.predicted if speedup else None,
        "low": speedup.low if speedup else None,
        "high": speedup.high if speedup else None,
        "won_rank_s": won * times.rank_s if speedup else None,
        "won_gpu_s": won * times.gpu_s if speedup else None,
        "rank": finding.rank,
        "host": culprit,
    }


def _line(line: HotLine, report: Report, times: _Times) -> dict[str, Any]:
    named = {(f.where.file, f.where.line) for f in report.findings if f.where is not None}
    # What the device does meanwhile is not in the samples: of the step's own lines those cost that a finding names.
    lost = cost_of(line) if line.activity in _BEFORE_STEPS or (line.file, line.line) in named else 0.0
    same = ("file", "line", "function", "source", "process_role", "activity", "share", "seconds", "cost_s")
    return {name: getattr(line, name) for name in same} | {
        "path": text.relative(line.file, report.run.cwd),
        "callee": str(line.callee) if line.callee else None,
        "lost_rank_s": lost * times.ranks,
        "lost_gpu_s": lost * times.gpus,
    }


def _losses(held: Sequence[_Held]) -> list[dict[str, Any]]:
    """Return a row for each thing that time was lost to, of all ranks together."""
    found: dict[tuple[str, str | None], dict[str, Any]] = {}
    for one in held:
        for loss in one.losses:
            row = found.setdefault((loss.to, loss.finding), _loss(loss, 0.0, 0.0))
            row["rank_s"] += loss.seconds
            row["gpu_s"] += loss.seconds * one.gpus
    return list(found.values())


def _loss(loss: Loss, rank_s: float, gpu_s: float) -> dict[str, Any]:
    return {
        "lost_to": loss.to,
        "finding": loss.finding,
        "predicted": loss.predicted,
        "rank_s": rank_s,
        "gpu_s": gpu_s,
    }
