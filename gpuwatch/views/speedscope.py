"""Hot lines as a speedscope profile: one sampled profile per role, a stack per hot line, weighted by its samples."""

from __future__ import annotations

from typing import Any

from gpuwatch.model.hot_lines import HotLine
from gpuwatch.model.report import Report
from gpuwatch.views.json import dumps
from gpuwatch.views.text import clean


def render(report: Report) -> str:
    """Return the profile as JSON text, as www.speedscope.app opens it."""
    return dumps(to_profile(report), indent=None)


def to_profile(report: Report) -> dict[str, Any]:
    """Return the profile; weights are seconds of the role's work."""
    frames: dict[tuple[str, str, int], int] = {}
    profiles = [
        _profile(role, [x for x in report.hot_lines if x.process_role == role], frames)
        for role in ("worker", "trainer")
    ]
    return {
        "$schema": "https://www.speedscope.app/file-format-schema.json",
        "exporter": f"gpuwatch {report.run.gpuwatch}",
        "name": clean(report.run.id),
        "activeProfileIndex": 0,
        "shared": {"frames": [{"name": name, "file": file, "line": line} for name, file, line in frames]},
        "profiles": [profile for profile in profiles if profile["samples"]],
    }


def _profile(role: str, lines: list[HotLine], frames: dict[tuple[str, str, int], int]) -> dict[str, Any]:
    samples = [[frames.setdefault(frame, len(frames)) for frame in _stack(line)] for line in lines]
    weights = [line.seconds for line in lines]
    return {
        "type": "sampled",
        "name": role,
        "unit": "seconds",
        "startValue": 0,
        "endValue": sum(weights),
        "samples": samples,
        "weights": weights,
    }


def _stack(line: HotLine) -> list[tuple[str, str, int]]:
    leaf = (clean(line.function), clean(line.file), line.line)
    stack = [(clean(frame.function or ""), clean(frame.file), frame.line) for frame in line.stack]
    # The stack of a hot line may go on below it, into the library that it called; the line that only makes what the
    # library then runs is in no stack.
    return stack if leaf in stack or (stack and line.makes) else [*stack, leaf]
