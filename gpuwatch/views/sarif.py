"""A report's findings in SARIF 2.1.0, which GitHub's code scanning and editors show beside the lines.

https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import PurePath
from typing import Any
from urllib.parse import quote

from gpuwatch.model.findings import Finding
from gpuwatch.model.measures import Place
from gpuwatch.model.report import Report
from gpuwatch.views import text
from gpuwatch.views.text import clean
from gpuwatch.words.version import own_version

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
LEVELS = {"critical": "error", "warning": "warning", "info": "note"}
# Where paths are relative to: the working copy's top.
BASE = "SRCROOT"


def to_dict(report: Report, root: str, pages: Mapping[str, tuple[str, str]]) -> dict[str, Any]:
    """Return the findings as a SARIF log.

    root: the folder that paths are relative to. pages: by a finding's id, the title of its rule and its page as text.
    A finding without a line is a result without a location, which code scanning leaves out and viewers list."""
    lines = {(line.file, line.line): line.source for line in report.hot_lines}
    ids = list(dict.fromkeys(finding.id for finding in report.findings))
    driver = {
        "name": "gpuwatch",
        "version": own_version(),
        "rules": [_rule(id, *pages.get(id, (id, ""))) for id in ids],
    }
    run: dict[str, Any] = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "originalUriBaseIds": {BASE: {"uri": f"{PurePath(root).as_uri()}/"}},
        "invocations": [_invocation(report)],
        "results": [_result(finding, ids.index(finding.id), root, lines) for finding in report.findings],
    }
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}


def _rule(id: str, title: str, page: str) -> dict[str, Any]:
    return {
        "id": id,
        "shortDescription": {"text": title},
        **({"help": {"text": page}} if page else {}),
        "properties": {"tags": ["performance"]},
    }


def _invocation(report: Report) -> dict[str, Any]:
    run = report.run
    return {"executionSuccessful": run.exit_code == 0, "commandLine": clean(" ".join(run.command))}


def _result(finding: Finding, rule: int, root: str, lines: Mapping[tuple[str, int], str | None]) -> dict[str, Any]:
    where = finding.where
    result: dict[str, Any] = {
        "ruleId": finding.id,
        "ruleIndex": rule,
        "level": LEVELS[finding.severity],
        "message": {"text": clean(_message(finding))},
    }
    if where is None or not text.link(where):
        return result
    result["locations"] = [{"physicalLocation": _location(where, root)}]
    source = lines.get((where.file, where.line)) or where.function or ""
    # The same finding at the same code, also where lines were added above it.
    named = f"{finding.id}\0{text.relative(where.file, root)}\0{source.strip()}"
    result["partialFingerprints"] = {"gpuwatch/v1": hashlib.sha256(named.encode()).hexdigest()[:32]}
    return result


def _message(finding: Finding) -> str:
    gain = text.gain(finding.speedup)
    said = f"{finding.summary}{f' (predicted: {gain})' if gain else ''}. {finding.advice}"
    return f"{said} To prove it: {finding.verify}" if finding.verify else said


def _location(where: Place, root: str) -> dict[str, Any]:
    path = PurePath(clean(where.file))
    region = {"startLine": max(where.line, 1)}
    if path.is_relative_to(root):
        relative = path.relative_to(root).as_posix()
        return {"artifactLocation": {"uri": quote(relative), "uriBaseId": BASE}, "region": region}
    return {"artifactLocation": {"uri": path.as_uri() if path.is_absolute() else quote(str(path))}, "region": region}
