"""Find out without gpuwatch what bounds a project: the same training with its input, its loader or a part of it changed.

All variants take turns (A B C A B C …); what each is worth is the ratio of as-is over variant within one turn.
"""

from __future__ import annotations

import hashlib
import json
import os
import statistics
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from scripts.benchmarks.machine import cpu_model, progress
from scripts.benchmarks.wild import catalogue
from scripts.benchmarks.wild.bystanders import DISTURBING
from scripts.benchmarks.wild.preparation import versions
from scripts.benchmarks.wild.project import Variant
from scripts.benchmarks.wild.running import AS_IS, Ablation, Run, run, words
from scripts.benchmarks.wild.workplace import Workplace

TRUTHS = Path(__file__).parent / "truth"
CACHED = "cached"
LOADER = "loader"


@dataclass(frozen=True, slots=True)
class Part:
    """One column of the ablation: a variant of the command, a way to change the input, or both."""

    name: str
    what: str
    variant: Variant = AS_IS
    mode: str = ""


@dataclass(slots=True)
class Truth:
    """The numbers of one project's ablations, as they are kept: no path of this machine is in them."""

    name: str
    about: dict[str, Any] = field(default_factory=dict)
    command: list[str] = field(default_factory=list)
    what: dict[str, str] = field(default_factory=dict)
    runs: list[dict[str, Any]] = field(default_factory=list)
    gains: dict[str, dict[str, Any]] = field(default_factory=dict)

    def of(self, part: str, repeat: int) -> dict[str, Any] | None:
        """Return what is kept of one run."""
        return next((each for each in self.runs if each["variant"] == part and each["repeat"] == repeat), None)


def parts(place: Workplace) -> list[Part]:
    """Return what is run in each turn: as it is first."""
    project = place.project
    input_parts = [
        Part(CACHED, "the same batches again and again: the device's ceiling", mode="cached"),
        Part(LOADER, "the loader alone: its ceiling", mode="loader"),
        *(
            Part(f"workers={number}", f"{number} worker processes", mode=f"workers={number}")
            for number in project.workers
        ),
    ]
    declared = [Part(variant.name, variant.what, variant) for variant in project.variants]
    return [Part("as is", AS_IS.what), *(input_parts if project.pace == "batches" else []), *declared]


def measure(place: Workplace, repeats: int, file: Path, keep: Callable[[Truth], None]) -> Truth:
    """Run all parts in turns and return what they showed; of what `file` keeps, the undisturbed runs count."""
    wanted = parts(place)
    truth = _begun(place, wanted, file)
    for repeat in range(repeats):
        for part in wanted:
            known = truth.of(part.name, repeat)
            if known is not None and known.get("others", 0.0) < DISTURBING and not known["failed"]:
                continue
            truth.runs = [each for each in truth.runs if each is not known]
            truth.runs.append(_measured(place, part, repeat, truth))
            truth.gains = {other.name: _gain(truth, other.name, repeats) for other in wanted[1:]}
            keep(truth)
    return truth


def load(file: Path) -> Truth | None:
    """Return a kept truth; None where there is none."""
    return Truth(**json.loads(file.read_text(encoding="utf-8"))) if file.exists() else None


def save(truth: Truth, file: Path) -> None:
    """Keep a truth."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(asdict(truth), indent=1) + "\n", encoding="utf-8")


def _begun(place: Workplace, wanted: list[Part], file: Path) -> Truth:
    about = {
        "date": datetime.now(timezone.utc).strftime("%Y-%m-%d"),
        "cpu": cpu_model(),
        "cores": len(os.sched_getaffinity(0)),
        "python": place.project.python,
        "versions": versions(place),
    }
    kept = load(file)
    same = kept is not None and kept.about.get("versions") == about["versions"]
    runs = kept.runs if kept is not None and same else []
    marks = {part.name: _mark(place, part) for part in wanted}
    return Truth(
        place.project.name,
        about,
        list(place.project.command),
        {part.name: part.what for part in wanted},
        [each for each in runs if marks.get(each["variant"]) == each["mark"]],
    )


def _mark(place: Workplace, part: Part) -> str:
    """Return a mark that changes with all that a run depends on."""
    project, variant = place.project, part.variant
    patch = catalogue.patch_file(project, variant)
    told = [words(place, variant), project.environment, variant.environment, project.data, part.mode, project.pace]
    told.append(patch.read_text(encoding="utf-8") if patch else "")
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()[:12]


def _measured(place: Workplace, part: Part, repeat: int, truth: Truth) -> dict[str, Any]:
    done = run(place, part.variant, _ablation(part, truth))
    told = told_of(done) | {"variant": part.name, "repeat": repeat, "mark": _mark(place, part)}
    progress(f"{place.project.name}: {part.name} {repeat + 1}: {sentence(done)}")
    return told


def _ablation(part: Part, truth: Truth) -> Ablation:
    """Return how the input is changed, with what a run as it is told of the training's iterators."""
    if part.mode not in ("cached", "loader"):
        return Ablation(part.mode)
    known = next((each for each in truth.runs if each["variant"] == "as is" and each.get("training")), None)
    if known is None:
        return Ablation(part.mode)
    batches = known["batches"] if part.mode == "cached" else max(known["batches"], known["steps"])
    return Ablation(part.mode, tuple(known["training"]), batches)


def told_of(done: Run) -> dict[str, Any]:
    """Return what is kept of a run."""
    told: dict[str, Any] = {"wall_s": round(done.wall_s, 2), "failed": done.failed, "others": round(done.others, 2)}
    pace = done.pace
    if pace is None:
        return told
    return told | {
        "loop_s": round(pace.loop_s, 3),
        "start_s": _rounded(pace.start_s, 2),
        "steps": pace.steps,
        "step_ms": _rounded(pace.step_s and pace.step_s * 1e3, 3),
        "wait_share": _rounded(pace.wait_share, 3),
        "epoch_s": [round(seconds, 3) for seconds in pace.epoch_s],
        "batches": pace.batches,
        "training": list(pace.training),
        "workers": pace.workers,
    }


def sentence(done: Run) -> str:
    """Return what a run showed, for a progress line."""
    pace = done.pace
    failed = f" ({done.failed})" if done.failed else ""
    others = f", others used {done.others:.1f} cores" if done.others >= DISTURBING else ""
    if pace is None:
        return f"{done.wall_s:.1f} s, no steps seen{others}{failed}"
    step = f"{pace.step_s * 1e3:.1f} ms a step" if pace.step_s else "too few steps to tell their time"
    wait = f", {pace.wait_share:.0%} of it waiting" if pace.wait_share is not None else ""
    return f"{done.wall_s:.1f} s, loop {pace.loop_s:.1f} s, {pace.steps} steps, {step}{wait}{others}{failed}"


def _gain(truth: Truth, part: str, repeats: int) -> dict[str, Any]:
    """Return as-is over variant, of the loop and of a step, from the turns in which both succeeded undisturbed, if any."""
    pairs = [(truth.of("as is", repeat), truth.of(part, repeat)) for repeat in range(repeats)]
    both = [(a, b) for a, b in pairs if a and b and not a["failed"] and not b["failed"]]
    calm = [pair for pair in both if all(each.get("others", 0.0) < DISTURBING for each in pair)]
    disturbed, both = not calm, calm or both
    told: dict[str, Any] = {
        "disturbed": disturbed,
        "step": ratio([(a.get("step_ms"), b.get("step_ms")) for a, b in both]),
    }
    if part != LOADER:
        told["loop"] = ratio([(a.get("loop_s"), b.get("loop_s")) for a, b in both])
    return told


def ratio(pairs: list[tuple[float | None, float | None]]) -> dict[str, Any] | None:
    """Return the median of first/second with its spread; None of nothing."""
    ratios = [a / b for a, b in pairs if a and b]
    if not ratios:
        return None
    median = statistics.median(ratios)
    return {"median": round(median, 3), "low": round(min(ratios), 3), "high": round(max(ratios), 3), "n": len(ratios)}


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)
