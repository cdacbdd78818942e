"""Run a project bare and under gpuwatch in turns, keep recordings and reports, and hold the first report against the truth."""

from __future__ import annotations

import json
import shutil
import statistics
import subprocess
from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from scripts.benchmarks.machine import progress
from scripts.benchmarks.wild import ablation
from scripts.benchmarks.wild.bystanders import DISTURBING
from scripts.benchmarks.wild.judge import judge
from scripts.benchmarks.wild.preparation import versions
from scripts.benchmarks.wild.running import Run, run
from scripts.benchmarks.wild.workplace import Workplace

RESULTS = Path(__file__).parent / "results"
LINES_KEPT = 4
REPORT_LIMIT_S = 120.0


class Scorer:
    """One version of gpuwatch, by its executable and the label under which its results are kept."""

    def __init__(self, executable: Path, label: str) -> None:
        self.executable, self.label = executable, label

    def file(self, place: Workplace) -> Path:
        """Return where the project's result is kept, in the repository."""
        return RESULTS / self.label / f"{place.project.name}.json"

    def kept(self, place: Workplace) -> dict[str, Any]:
        """Return the project's kept result; empty where there is none."""
        file = self.file(place)
        told: dict[str, Any] = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
        return told

    def score(self, place: Workplace, pairs: int) -> dict[str, Any]:
        """Run the pairs, keep and return the result."""
        shutil.rmtree(self._recordings(place), ignore_errors=True)
        done = [self._pair(place, number) for number in range(pairs)]
        told = {
            "name": place.project.name,
            "date": datetime.now(timezone.utc).strftime("%Y-%m-%d"),
            "gpuwatch": self.commit(),
            "versions": versions(place),
            "pairs": [{name: ablation.told_of(each) for name, each in pair.items()} for pair in done],
            "overhead": overhead(done),
            "results": compared(done),
            "try": self.kept(place).get("try"),
        }
        return self.keep(place, told | self.judged(place))

    def judged(self, place: Workplace) -> dict[str, Any]:
        """Return what the first report that was kept says, and how it is judged."""
        file = next((found for found in map(self._report, [place] * 9, range(9)) if found.exists()), None)
        if file is None:
            return {"failed": "gpuwatch wrote no report", "report": None, "judgement": None}
        report = json.loads(file.read_text(encoding="utf-8"))
        truth = ablation.load(ablation.TRUTHS / f"{place.project.name}.json")
        judgement = judge(place.project.truth, report, truth.gains if truth else {})
        judged = json.loads(place.masked(json.dumps(asdict(judgement))))
        return {"failed": "", "report": shortened(report, place.masked), "judgement": judged}

    def rejudge(self, place: Workplace) -> dict[str, Any]:
        """Let this version analyze the kept recordings again, and judge what it says now."""
        for folder in sorted(self._recordings(place).glob("*")):
            number = int(folder.name)
            self._analyze(folder, self._report(place, number))
        return self.keep(place, self.kept(place) | self.judged(place) | {"gpuwatch": self.commit()})

    def tried(self, place: Workplace, budget: str) -> dict[str, Any]:
        """Run `gpuwatch try` on the command; keep and return what it said."""
        folder = self._recordings(place) / "0"
        before = [str(self.executable), "try", "--fresh", "--budget", budget, "--dir", str(folder), "--"]
        done = run(place, before=before, stamped=False, limit_s=600.0)
        experiment = newest(folder)
        told = {"budget": budget, "wall_s": round(done.wall_s, 1), "failed": done.failed, **outcome(experiment)}
        told["said"] = place.masked(done.said).strip().splitlines()[-30:]
        (place.folder / self.label / "try.txt").write_text(done.said, encoding="utf-8")
        self.keep(place, {"name": place.project.name, **self.kept(place), "try": told})
        return told

    def keep(self, place: Workplace, told: dict[str, Any]) -> dict[str, Any]:
        """Write the project's result, and return it."""
        file = self.file(place)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
        return told

    def commit(self) -> str:
        """Return the commit of the checkout that the executable belongs to, or its version."""
        git = ["git", "-C", str(self.executable.parent), "rev-parse", "--short", "HEAD"]
        told = subprocess.run(git, capture_output=True, text=True)
        return told.stdout.strip() or "installed"

    def _pair(self, place: Workplace, number: int) -> dict[str, Run]:
        """Run bare and wrapped, every second time in the other order."""
        ways: list[tuple[str, Callable[[], Run]]] = [
            ("bare", lambda: run(place)),
            ("wrapped", lambda: self._wrapped(place, number)),
        ]
        done = {}
        for name, way in ways if number % 2 == 0 else reversed(ways):
            done[name] = way()
            progress(f"{place.project.name}: {name} {number + 1}: {ablation.sentence(done[name])}")
        return done

    def _wrapped(self, place: Workplace, number: int) -> Run:
        report = self._report(place, number)
        report.parent.mkdir(parents=True, exist_ok=True)
        report.unlink(missing_ok=True)
        folder = str(self._recordings(place) / str(number))
        before = [str(self.executable), "run", "--quiet", "--dir", folder, "--json", str(report), "--"]
        return run(place, before=before, limit_s=place.project.timeout_s + 60)

    def _analyze(self, folder: Path, report: Path) -> None:
        # The oldest: `gpuwatch try` puts its own runs beside it.
        recorded = sorted(folder.glob("*/run.json"))
        if recorded:
            words = [str(self.executable), "report", str(recorded[0].parent), "--json", str(report)]
            subprocess.run(words, capture_output=True, timeout=REPORT_LIMIT_S)

    def _recordings(self, place: Workplace) -> Path:
        return place.folder / self.label / "recordings"

    def _report(self, place: Workplace, number: int) -> Path:
        return place.folder / self.label / f"report.{number}.json"


def overhead(pairs: list[dict[str, Run]]) -> dict[str, Any] | None:
    """Return wrapped over bare of the training loops' seconds, less one; of pairs that others did not disturb."""
    calm = [pair for pair in pairs if not any(run.failed or run.others >= DISTURBING for run in pair.values())]
    loops = [(pair["wrapped"].pace, pair["bare"].pace) for pair in calm]
    shares = [wrapped.loop_s / bare.loop_s - 1 for wrapped, bare in loops if wrapped and bare]
    if not shares:
        return None
    median = statistics.median(shares)
    return {"median": round(median, 4), "low": round(min(shares), 4), "high": round(max(shares), 4), "n": len(shares)}


def compared(pairs: list[dict[str, Run]]) -> dict[str, Any]:
    """Return whether bare runs give the same results each time, and whether the wrapped ones do too."""
    bare = [pair["bare"].results for pair in pairs]
    wrapped = [pair["wrapped"].results for pair in pairs]
    if not all(bare) or len(bare) < 2:
        return {"deterministic": None, "identical": None, "lines": 0}
    deterministic = len(set(bare)) == 1
    identical = set(wrapped) == set(bare) if deterministic else None
    return {"deterministic": deterministic, "identical": identical, "lines": len(bare[0]), "last": bare[0][-1]}


def shortened(report: dict[str, Any], masked: Callable[[str], str]) -> dict[str, Any]:
    """Return of a report what a judgement can be understood from."""

    def where(place: dict[str, Any] | None) -> str | None:
        return f"{masked(place['file'])}:{place['line']} {place.get('function') or ''}".rstrip() if place else None

    verdict = report["verdict"]
    return {
        "bound": verdict["bound"],
        "confidence": verdict["confidence"],
        "headline": verdict["headline"],
        "input_wait_share": (verdict.get("input_wait_share") or {}).get("median"),
        "speedup_if_input_free": verdict.get("speedup_if_input_free"),
        "duration_s": report["run"]["duration_s"],
        "phases": {phase["name"]: round(phase["seconds"], 2) for phase in report["phases"]},
        "findings": [
            {
                "id": finding["id"],
                "severity": finding["severity"],
                "confidence": finding["confidence"],
                "where": where(finding.get("where")),
                "speedup": finding.get("speedup"),
                "summary": masked(finding["summary"]),
            }
            for finding in report["findings"]
        ],
        "hot_lines": [
            {
                "where": where(line),
                "share": round(line["share"], 3),
                "activity": line["activity"],
                "callee": line["callee"],
            }
            for line in report["hot_lines"][:LINES_KEPT]
        ],
    }


def newest(folder: Path) -> dict[str, Any] | None:
    """Return the newest experiment that was kept below a folder of runs."""
    files = sorted(folder.glob("*/experiment.json"), key=lambda file: file.stat().st_mtime)
    return json.loads(files[-1].read_text(encoding="utf-8")) if files else None


def outcome(experiment: dict[str, Any] | None) -> dict[str, Any]:
    """Return whether an experiment measured anything in two rounds or more, and what it says of what it could not."""
    if experiment is None:
        return {"works": False, "rounds": 0, "notes": []}
    ceilings = [(row["end_to_end"] or {}).get("n", 0) for row in experiment["ceilings"]]
    trials = [(row["ratio"] or {}).get("n", 0) for row in experiment["trials"]]
    rounds = max([*ceilings, *trials], default=0)
    told = [
        f"{row['remedy']}: {row['verdict']} {row['ratio']['median']:.2f}"
        if row["ratio"]
        else f"{row['remedy']}: {row['verdict']}"
        for row in experiment["trials"]
    ]
    return {"works": rounds >= 2, "rounds": rounds, "trials": told, "notes": list(experiment.get("notes") or ())}
