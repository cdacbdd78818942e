"""What words/patch_points.py names is what a hooked process really has replaced, neither less nor more."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from gpuwatch.words.patch_points import (
    CUDA,
    EXACT,
    EXPERIMENT,
    GPU_TRACE,
    INPUT,
    PATCH_POINTS,
    WORKER,
    placed_on_import,
)
from gpuwatch.words.pipelines import PIPELINES
from tests.unit.hook import hooked

PROGRAM = Path(__file__).parent / "programs" / "patched.py"
HOOK = Path(__file__).parents[3] / "gpuwatch" / "hook"
# The finder, which stays as long as a library that it waits for is not imported (or not installed).
WAITING = {"sys:meta_path"}
# A replacement may be in another file than the module that is called on import.
CALLED = {"trainer.importlib_bootstrap": "trainer.loader", "experiment.driver": "experiment.experiment_mode"}
CALLED |= {f"gpu_trace.{part}": "gpu_trace.gpu_trace_mode" for part in ("importlib_bootstrap", "boundaries", "owners")}


def is_here(module: str) -> bool:
    """Say whether a module is installed, without importing any: `nvidia` may be there for CUDA alone."""
    package, *inner = module.split(".")
    spec = importlib.util.find_spec(package)
    folders = [Path(folder) for folder in (spec and spec.submodule_search_locations) or ()]
    for part in inner:
        found = [path for folder in folders for path in (folder / part, *folder.glob(f"{part}.*")) if path.exists()]
        if not found:
            return False
        folders = [path for path in found if path.is_dir()]
    return spec is not None


def of_derived(places: Iterable[str]) -> set[str]:
    """Return the places in classes that derive from a named one, and define the same method: which they are, the library
    says."""
    bases = [(one.on.partition(".")[0] + ".", one.place.rpartition(".")[2]) for one in PIPELINES if one.subclasses]
    return {
        place
        for place in places
        for package, method in bases
        if place.replace(":", ".").startswith(package) and place.endswith(f".{method}")
    } - {f"{one.on}:{one.place}" for one in PIPELINES if not one.subclasses}


def replaced(found: dict[str, Any], process: str, *modes: str | None) -> set[str]:
    """Return the places that were found in a process: those of derived classes by the name of their base, and without names
    that a library has imported from one of them."""
    wanted = named(*modes)
    places = set(found[process]) - {place for place in found["imported"] if place not in wanted}
    derived = of_derived(places)
    packages = {place.partition(":")[0].partition(".")[0] for place in derived}
    return (places - derived) | {
        base for base in of_derived(wanted) if base.partition(":")[0].partition(".")[0] in packages
    }


def patched(tmp_path: Path, *arguments: str, **environment: str) -> dict[str, Any]:
    """Return what of which module is the hook's, with everything imported that it waits for and is there."""
    pytest.importorskip("torch")
    modules = [name for name in placed_on_import() if is_here(name)]
    run = hooked.run(PROGRAM, tmp_path / "run", "torch", *modules, *arguments, **environment)
    found: dict[str, Any] = json.loads(run.done.stdout)
    return found


def named(*modes: str | None) -> set[str]:
    """Return the places that are replaced or added to in some modes, of the modules that are there."""
    here = (point for point in PATCH_POINTS if point.only in modes)
    places = {place for point in here for place in point.replaces + point.adds_to}
    return {place for place in places if is_here(place.partition(":")[0])}


def test_a_trainer_and_its_worker_have_what_is_named_and_no_more(tmp_path: Path) -> None:
    found = patched(tmp_path)
    assert set(found["start"]) == {"sys:meta_path"}
    assert set(found["start"]) | replaced(found, "trainer", None) == named(None)
    # Readers, decoders and transforms have tables of their own.
    own_tables = {place for place, by in found["worker"].items() if by[0].startswith("operations.")} - named(WORKER)
    assert replaced(found, "worker", None, WORKER) - own_tables - WAITING == named(None, WORKER) - WAITING


def test_each_mode_replaces_what_is_named_for_it_in_the_order_that_is_named(tmp_path: Path) -> None:
    environment = {"GPUWATCH_EXPERIMENT": str(tmp_path), "GPUWATCH_HOOK": "exact"}
    functions = [{"function": "train", "file": "train.py", "line": 1, "during": "step"}]
    plan = json.dumps({"sample": 1, "functions": functions})
    found = patched(tmp_path, "--no-loader", GPUWATCH_EXACT=plan, RANK="0", **environment)
    assert replaced(found, "trainer", None, EXPERIMENT, EXACT) - WAITING == named(None, EXPERIMENT, EXACT) - WAITING
    for point in PATCH_POINTS:
        for place in point.replaces if point.around and point.only != GPU_TRACE else ():
            order = [CALLED.get(by, by) for by in found["trainer"][place]]  # outermost first
            inner = [order.index(by) for by in point.around if by in order]
            assert all(order.index(point.by) < at for at in inner), (place, order)


def test_gpu_trace_mode_replaces_what_is_named_for_it_outside_of_the_loaders_own_wrapper(tmp_path: Path) -> None:
    found = patched(tmp_path, "--no-loader", GPUWATCH_GPU_TRACE="auto")
    assert replaced(found, "trainer", None, GPU_TRACE) - WAITING == named(None, GPU_TRACE) - WAITING
    (place,) = (place for point in PATCH_POINTS if point.only == GPU_TRACE and point.around for place in point.replaces)
    assert [CALLED.get(by, by) for by in found["trainer"][place]] == ["gpu_trace.gpu_trace_mode", "trainer.loader"]


def test_every_point_belongs_to_a_module_of_the_hook() -> None:
    for point in PATCH_POINTS:
        assert (HOOK / (point.by.replace(".", "/") + ".py")).is_file(), point.by
        assert point.why
        assert point.only in (None, EXPERIMENT, EXACT, GPU_TRACE, INPUT, WORKER, CUDA)


def test_what_wraps_another_is_placed_after_it() -> None:
    for on, order in placed_on_import().items():
        for point in PATCH_POINTS:
            if point.on == on:
                assert all(order.index(inner) < order.index(point.by) for inner in point.around)


def test_every_module_that_is_called_on_import_is_named() -> None:
    called = {
        ".".join(path.relative_to(HOOK).with_suffix("").parts)
        for path in HOOK.rglob("*.py")
        if "\ndef on_import(" in path.read_text()
    }
    assert called == {by for order in placed_on_import().values() for by in order}
