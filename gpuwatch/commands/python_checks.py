"""What `gpuwatch doctor` finds out about the Python that trains: the hook is put into it and a tiny loader run."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from gpuwatch.commands.machine_checks import Check
from gpuwatch.words.event_log import kind_of
from gpuwatch.words.patch_points import PATCH_POINTS
from gpuwatch.words.pipelines import PIPELINES

PATIENCE_S = 60.0
OLDEST = (3, 8)

# Runs in the other Python: prints what is there, then loads a few batches with one worker under the hook.
_PROBE = """
import importlib, json, sys
found = {"version": list(sys.version_info[:3]), "executable": sys.executable, "hook": "_gpuwatch" in sys.modules}
def lacks(place):
    module, _, name = place.partition(":")
    try:
        value = importlib.import_module(module)
    except Exception:
        return "module"
    try:
        for part in name.split("."):
            value = vars(value)[part] if isinstance(value, type) else getattr(value, part)
    except (AttributeError, KeyError):
        return "name"
try:
    import torch
    found["torch"], found["cuda"] = str(torch.__version__), bool(torch.cuda.is_available())
except Exception as error:
    found["error"] = "%s: %s" % (type(error).__name__, error)
if "torch" in found:
    found["lacks"] = {place: lack for place in PLACES for lack in [lacks(place)] if lack}
print(json.dumps(found), flush=True)
if "torch" in found:
    from torch.utils.data import DataLoader
    for batch in DataLoader(list(range(8)), batch_size=2, num_workers=1):
        pass
"""


def python_checks(python: str, environment: dict[str, str]) -> list[Check]:
    """Return the rows about that Python: that the hook enters, torch, its patch points, and one measured loader."""
    with tempfile.TemporaryDirectory(prefix="gpuwatch-doctor-") as folder:
        try:
            found, said = _probe(python, environment, Path(folder))
        except OSError as error:
            return [
                Check("python", "broken", f"{python}: {error.strerror}", "name the training's Python with --python")
            ]
        except subprocess.TimeoutExpired:
            return [
                Check("python", "broken", f"{python} did not finish in {PATIENCE_S:.0f} s", "try another with --python")
            ]
        if found is None:
            return [
                Check(
                    "python", "broken", f"{python}: {said or 'no answer'}", "name the training's Python with --python"
                )
            ]
        return [_python(python, found), *_torch(found, _kinds(Path(folder)), said)]


def _probe(python: str, environment: dict[str, str], run: Path) -> tuple[dict[str, Any] | None, str]:
    from gpuwatch.hook.entry import inject

    inject.install_boot(run)
    command = [python, "-c", _PROBE.replace("PLACES", repr(sorted(_places())))]
    env = inject.child_environment(environment, run)
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    lines = done.stderr.strip().splitlines()
    answer = next((line for line in done.stdout.splitlines() if line.startswith("{")), None)
    return json.loads(answer) if answer else None, lines[-1] if lines else ""


def _places() -> dict[str, bool]:
    """Return the places of torch and its company that the hook takes hold of, and whether a training may do without their
    module. Other pipelines are not imported for this: not all of them load beside torch, nor soon."""
    apart = {pipeline.on for pipeline in PIPELINES}
    return {place: point.optional for point in PATCH_POINTS if point.on not in apart for place in point.places}


def _kinds(run: Path) -> set[str]:
    """Return the event kinds that the hook wrote."""
    lines = (line for path in (run / "spool").glob("*.jsonl") for line in path.read_bytes().splitlines())
    return {kind_of(line) for line in lines} - {""}


def _python(python: str, found: dict[str, Any]) -> Check:
    version = ".".join(map(str, found["version"]))
    if tuple(found["version"][:2]) < OLDEST:
        return Check("python", "broken", f"{python} is {version}: the hook needs 3.8", "train with a newer Python")
    if not found["hook"]:
        remedy = (
            "unset PYTHONSAFEPATH-like options and other tools' sitecustomize; see `gpuwatch explain not-instrumented`"
        )
        return Check("python", "broken", f"{python} ({version}) did not load the hook", remedy)
    return Check("python", "works", f"{python} ({version}) loads the hook")


def _torch(found: dict[str, Any], kinds: set[str], said: str) -> list[Check]:
    if "torch" not in found:
        remedy = "name the training's Python: gpuwatch doctor --python PATH"
        return [Check("torch", "missing", found.get("error", "not importable"), remedy)]
    torch = Check("torch", "works", f"{found['torch']}, CUDA {'available' if found['cuda'] else 'not available'}")
    optional, lacks = _places(), found["lacks"]
    without = {place for place, lack in lacks.items() if lack == "module" and optional[place]}
    missing, unseen = sorted(lacks.keys() - without), sorted({"iterator", "batch", "fetch"} - kinds)
    if missing or unseen:
        detail = ", ".join(
            [*(f"no {place.replace(':', '.')}" for place in missing), *(f"no {kind} event came" for kind in unseen)]
        )
        remedy = "tell the project: this torch is not known yet"
        return [torch, Check("torch patch points", "limited", f"{detail} {said}".strip(), remedy)]
    there = len(optional) - len(without)
    absent = sorted({str(point.on) for point in PATCH_POINTS if without.intersection(point.places)})
    detail = f"{there} of {there}; a loader with one worker was measured"
    return [torch, Check("torch patch points", "works", "; ".join([detail, *(f"no {name} here" for name in absent)]))]


def training_python(environment: dict[str, str]) -> str:
    """Return the Python that a bare `python` (else `python3`) would start."""
    from shutil import which

    path = environment.get("PATH", os.defpath)
    return which("python", path=path) or which("python3", path=path) or "python"
