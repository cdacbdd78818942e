"""gpuwatch on an unmodified script, as anybody would call it: `gpuwatch run --json`, `gpuwatch try --json`."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from study.options import ROOT, Options
from study.result import Named

GPUWATCH = [sys.executable, "-m", "gpuwatch"]


@dataclass(frozen=True, slots=True)
class Watched:
    """A recorded run: its report as JSON says it, the run's folder, and what the script printed."""

    report: dict[str, Any]
    run: str
    stdout: str

    @property
    def bound(self) -> str:
        """Return what gpuwatch says bounds the run."""
        return str(self.report["verdict"]["bound"])

    @property
    def found(self) -> list[str]:
        """Return the ids of the findings, the first first."""
        return [finding["id"] for finding in self.report["findings"]]

    @property
    def loader(self) -> dict[str, Any]:
        """Return the loader that the verdict is about; empty when there is none."""
        primary = self.report["primary_loader"]
        return next((loader for loader in self.report["loaders"] if loader["id"] == primary), {})

    def named(self, trials: Sequence[str] = ()) -> Named:
        """Return what gpuwatch said, for a study's result."""
        findings = self.report["findings"]
        return Named(
            script=Path(self.report["run"]["command"][1]).name,
            bound=self.bound,
            headline=self.report["verdict"]["headline"],
            findings=tuple(finding["id"] for finding in findings),
            summaries=tuple(finding["summary"] for finding in findings),
            hot_lines=tuple(_line(line) for line in self.report["hot_lines"][:5]),
            trials=tuple(trials),
            report=self.run,
        )


def _line(line: dict[str, Any]) -> str:
    source = (line["source"] or "").strip()
    return f"{line['share']:.0%} of the {line['process_role']} {Path(line['file']).name}:{line['line']} {source}"


def run(options: Options, name: str, command: Sequence[str], *, html: Path | None = None, rate: float = 4.0) -> Watched:
    """Record a command and return gpuwatch's report. Raises SystemExit when the command fails."""
    file = options.out / f"{name}.report.json"
    call = [*GPUWATCH, "run", "--quiet", "--json", str(file), "--dir", str(options.runs), "--name", name]
    call += ["--rate", f"{rate:g}", *(["--html", str(html)] if html else []), "--", *command]
    ended = subprocess.run(call, cwd=ROOT, capture_output=True, text=True, check=False)
    if ended.returncode or not file.exists():
        raise SystemExit(f"{' '.join(command)} ended with status {ended.returncode}:\n{ended.stderr[-2000:]}")
    report = json.loads(file.read_text(encoding="utf-8"))
    return Watched(report, str(options.runs / report["run"]["id"]), ended.stdout)


def try_(options: Options, arguments: Sequence[str], command: Sequence[str]) -> dict[str, Any]:
    """Experiment on a command and return the experiment. Raises SystemExit when it cannot be experimented on."""
    call = [*GPUWATCH, "try", "--json", "--dir", str(options.runs), *arguments, "--", *command]
    ended = subprocess.run(call, cwd=ROOT, capture_output=True, text=True, check=False)
    if ended.returncode:
        raise SystemExit(f"{' '.join(call)} ended with status {ended.returncode}:\n{ended.stderr[-2000:]}")
    found: dict[str, Any] = json.loads(ended.stdout)
    return found


def export_series(options: Options, watched: Watched, file: Path) -> list[dict[str, str]]:
    """Export a run's series as CSV to a file, as `gpuwatch export --to csv` does, and return its rows."""
    import csv

    call = [*GPUWATCH, "export", watched.run, "--dir", str(options.runs), "--to", "csv", "-o", str(file)]
    subprocess.run(call, cwd=ROOT, capture_output=True, check=True)
    with file.open(newline="", encoding="utf-8") as lines:
        return list(csv.DictReader(lines))


def trials(experiment: dict[str, Any]) -> list[str]:
    """Return the remedies' results of an experiment in a line each."""
    return [
        f"{trial['remedy']}: {trial['ratio']['median']:.2f}× ({trial['ratio']['low']:.2f} to {trial['ratio']['high']:.2f}), "
        f"{trial['verdict']}; outputs: {trial['outputs']}"
        if trial["ratio"] and trial["ratio"]["n"]
        else f"{trial['remedy']}: {trial['verdict']}, {trial['note']}"
        for trial in experiment["trials"]
    ]


def cores_between(watched: Watched, start_ns: int, end_ns: int) -> float | None:
    """Return the cores that a recorded command used, all its processes together, as gpuwatch's sampler saw it.

    Times are `time.monotonic_ns`. None when the sampler looked at it less than twice.
    """
    from gpuwatch.analyze.machine.usage import cores_used, read_usage
    from gpuwatch.store.reader import read

    samplers = read(Path(watched.run)).by_writer("sampler")
    usages = [usage for sampler in samplers for usage in read_usage(sampler) if usage.role != "gpuwatch"]
    used = [cores_used(usage, (start_ns, end_ns)) for usage in usages]
    known = [value for value in used if value is not None]
    return sum(known) if known else None
