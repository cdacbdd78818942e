"""The public contract: a report as plain JSON values, described by `report.schema.json`.

NaN and infinity are not JSON: they become null, like everything else that was not measured.
"""

from __future__ import annotations

import dataclasses
import json
import math
import shlex
from datetime import datetime, timezone
from importlib import resources
from typing import Any

from gpuwatch.model.findings import Finding, Verdict
from gpuwatch.model.hot_lines import HotLine
from gpuwatch.model.measures import INTERNAL
from gpuwatch.model.recording import RunInfo
from gpuwatch.model.report import Report
from gpuwatch.views import text, verdict_text

SCHEMA = "gpuwatch.report/1"


def to_dict(report: Report) -> dict[str, Any]:
    """Return the report as the documented JSON object; every value in it is a plain JSON value."""
    traced = {"gpu_time": plain(report.gpu_time)} if report.gpu_time else {}
    traced |= {"traced": plain(report.traced)} if report.traced else {}
    traced |= {"job": plain(report.job)} if report.job else {}
    verdict = plain(report.verdict)
    verdict["input_wait_share"] = _wait_share(report)
    return {
        "schema": SCHEMA,
        "run": _run(report),
        "verdict": verdict,
        "phases": plain(report.phases),
        "ranks": plain(report.ranks),
        "primary_loader": report.primary,
        "loaders": plain(report.loaders),
        "hot_lines": plain(report.hot_lines),
        "stacks": plain(report.stacks),
        "findings": [_finding(finding) for finding in report.findings],
        "suppressed": [_finding(finding) for finding in report.suppressed],
        "not_evaluated": plain(report.not_evaluated),
        "clear": plain(report.clear),
        "devices": plain(report.devices),
        "machine": plain(report.machine),
        "costs": plain(report.costs),
        "overhead": plain(report.overhead),
        "gaps": plain(report.gaps),
        "problems": plain(report.problems),
        "unentered": plain(report.unentered),
        "trials": plain(report.trials),
        "experiments": plain(report.experiments),
        "prediction_score": plain(report.prediction_score),
        "trainings": plain(report.trainings),
        **traced,
    }


def dumps(data: Any, indent: int | None = 2) -> str:
    """Return JSON text that every parser accepts: no NaN, no lone surrogates."""
    written = json.dumps(plain(data), indent=indent, allow_nan=False, ensure_ascii=False)
    return written.encode("utf-8", "replace").decode("utf-8")


def schema() -> dict[str, Any]:
    """Return the published JSON Schema of `to_dict`'s result."""
    published = resources.files("gpuwatch.views").joinpath("report.schema.json").read_text(encoding="utf-8")
    loaded: dict[str, Any] = json.loads(published)
    return loaded


def plain(value: Any) -> Any:
    """Return dataclasses, tuples and mappings as JSON values, all the way down."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {field.name: plain(getattr(value, field.name)) for field in public_fields(type(value))}
        return fields | _texts(value)
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(item) for item in value]
    return str(value)


def public_fields(cls: Any) -> list[dataclasses.Field[Any]]:
    """Return the fields of a data class that are part of the contract."""
    return [field for field in dataclasses.fields(cls) if field.metadata != INTERNAL]


def _texts(value: Any) -> dict[str, Any]:
    """Return what is text in the contract and data in the report."""
    if isinstance(value, HotLine):
        called = {name: getattr(value, name) for name in ("callee", "below_callee")}
        texts = {name: str(callee) if callee else None for name, callee in called.items()}
        return texts | {"stack": [*map(text.call, value.stack)]}
    if isinstance(value, Verdict):
        return {"reason": verdict_text.reason(value), "headline": verdict_text.headline(value)}
    return {}


def _wait_share(report: Report) -> dict[str, Any] | None:
    share = report.verdict.input_wait_share
    return {**plain(share), "clock": report.verdict.clock} if share else None


def _finding(finding: Finding) -> dict[str, Any]:
    return {**plain(finding), "page": f"gpuwatch explain {finding.id}"}


def _run(report: Report) -> dict[str, Any]:
    run = report.run
    return {
        "id": run.id,
        "name": run.name,
        "command": list(run.command),
        "command_line": shlex.join(run.command),
        "cwd": run.cwd,
        "state": run.state,
        "started": started(run).isoformat(),
        "duration_s": plain(report.seconds),
        "status": {"exit_code": run.exit_code, "signal": run.signal},
        "hosts": list(report.hosts),
        "ranks": len(report.ranks),
        "devices": [device.name for device in report.devices or report.gpu_time if device.name],
        "python": next((rank.python for rank in report.ranks), None),
        "torch": next((rank.torch for rank in report.ranks if rank.torch), None),
        "gpuwatch": run.gpuwatch,
        "experiment": plain(run.experiment),
        "attached": plain(run.attached),
        "in_process": plain(run.in_process),
        "job": run.job,
        "identity": plain(run.identity),
    }


def started(run: RunInfo) -> datetime:
    """Return when the run started, in UTC."""
    return datetime.fromtimestamp(run.started_wall_ns / 1e9, tz=timezone.utc)
