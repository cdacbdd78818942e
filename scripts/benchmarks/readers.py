"""What each tool said about a training's bottleneck, in one short phrase, from what it printed or wrote."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

from scripts.benchmarks.runs import TRAIN, Outcome

NOTHING = "nothing"


def gpuwatch(outcome: Outcome) -> str:
    """Return verdict, first finding and top line of the report."""
    path = outcome.folder / "out" / "report.json"
    if not path.exists():
        return NOTHING
    report = json.loads(path.read_text())
    said = [f"{report['verdict']['bound']}-bound"]
    said += [finding["id"] + _place(finding.get("where")) for finding in report["findings"][:1]]
    lines = [line for line in report["hot_lines"] if line["process_role"] == "worker"][:1]
    said += [f"line{_place(line)} {line['share']:.0%} of loader work" for line in lines]
    said += _top_operation(report)
    return "; ".join(said)


def _top_operation(report: dict[str, Any]) -> list[str]:
    told = [one for loader in report["loaders"] for one in loader["operations"] if one["share"] is not None]
    best = max(told, key=lambda one: one["share"], default=None)
    return [f"operation {best['name']} {best['share']:.0%}"] if best else []


def _place(where: dict[str, Any] | None) -> str:
    return f" {Path(where['file']).name}:{where['line']}" if where and where.get("file") else ""


def torch_profiler(outcome: Outcome) -> str:
    """Return the first row of the table that the script prints, sorted by own CPU time."""
    lines = outcome.text.splitlines()
    rules = [number for number, line in enumerate(lines) if re.fullmatch(r"[-\s]{40,}", line)]
    # The schedule's own mark stands in the table like an operation.
    rows = [line for line in lines[rules[1] + 1 : rules[2]] if "ProfilerStep" not in line] if len(rules) > 2 else []
    if not rows:
        return NOTHING
    name, share, *_ = re.split(r"\s{2,}", rows[0].strip())
    return f"{name} {share} of CPU (trainer only)"


def py_spy(outcome: Outcome) -> str:
    """Return the heaviest innermost frame, and the script's own line below which most samples lie."""
    path = outcome.folder / "out" / "stacks.txt"
    if not path.exists():
        return NOTHING
    innermost: Counter[str] = Counter()
    own: Counter[str] = Counter()
    for line in path.read_text(errors="replace").splitlines():
        stack, _, count = line.rpartition(" ")
        frames = stack.split(";")
        innermost[frames[-1]] += int(count)
        own.update(
            {
                frame: int(count)
                for frame in {f for f in frames if f"{TRAIN.name}:" in f and "<module>" not in f and "main (" not in f}
            }
        )
    total = innermost.total()
    if not total:
        return NOTHING
    said = [f"{_frame(name)} {count / total:.0%} of samples" for name, count in innermost.most_common(1)]
    said += [f"own line {_frame(name)} {count / total:.0%}" for name, count in own.most_common(1)]
    return "; ".join(said)


def _frame(frame: str) -> str:
    """Return `function (file:line)` with the file's last part only."""
    return re.sub(r"\(.*/", "(", frame)


def scalene(outcome: Outcome) -> str:
    """Return the line with the largest share of CPU time in its profile."""
    path = outcome.folder / "out" / "scalene.json"
    if not path.exists():
        return NOTHING
    files = json.loads(path.read_text())["files"]
    lines = [
        (
            line["n_cpu_percent_python"] + line["n_cpu_percent_c"] + line["n_sys_percent"],
            Path(name).name,
            line["lineno"],
        )
        for name, file in files.items()
        for line in file["lines"]
    ]
    share, name, number = max(lines, default=(0.0, "", 0))
    return f"line {name}:{number} {share:.0f} % of CPU" if share else NOTHING


def viztracer(outcome: Outcome) -> str:
    """Return the function with most own time: its timeline is for reading by eye and names none."""
    path = outcome.folder / "out" / "trace.json"
    if not path.exists():
        return NOTHING
    events = json.loads(path.read_text())["traceEvents"]
    own, total = own_times([event for event in events if event.get("ph") == "X"])
    if not own:
        return "a timeline without functions"
    name, spent = own.most_common(1)[0]
    return f"timeline only; most own time in {_frame(name)} ({spent / total:.0%})"


def own_times(events: list[dict[str, Any]]) -> tuple[Counter[str], float]:
    """Return the time of each function less that of the functions it called, and the sum."""
    own: Counter[str] = Counter()
    stacks: dict[tuple[int, int], list[tuple[float, str]]] = {}
    for event in sorted(events, key=lambda event: (event["ts"], -event["dur"])):
        stack = stacks.setdefault((event["pid"], event["tid"]), [])
        while stack and stack[-1][0] <= event["ts"]:
            stack.pop()
        if stack:
            own[stack[-1][1]] -= event["dur"]
        own[event["name"]] += event["dur"]
        stack.append((event["ts"] + event["dur"], event["name"]))
    return own, sum(own.values())


def traceml(outcome: Outcome) -> str:
    """Return verdict, reason and advice of its summary card."""
    found = dict(re.findall(r"^\W*(Verdict|Why|Next): (.+?)\s*(?:\||$)", outcome.text, re.MULTILINE))
    said = [found[name].rstrip(".") for name in ("Verdict", "Why", "Next") if name in found]
    return "; ".join(said) or NOTHING
