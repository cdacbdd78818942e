"""The public contract: the schema describes all that is printed, and everything printed is JSON."""

from __future__ import annotations

import ast
import dataclasses
import json
import runpy
from collections import defaultdict
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import Any

import jsonschema
import pytest

from gpuwatch import model
from gpuwatch.diagnosis.examples.parts import interval, make_device, make_loader, make_operation, make_run
from gpuwatch.diagnosis.examples.runs import traced_by
from gpuwatch.model.experiment import Ceiling, Experiment, LoaderTrial, Trial
from gpuwatch.model.job import Job, JobNode
from gpuwatch.model.measures import Interval
from gpuwatch.model.profile import Unentered
from gpuwatch.model.recording import Gap
from gpuwatch.model.report import Report
from gpuwatch.model.traced_windows import TracedWindows
from gpuwatch.views.json import dumps, public_fields, schema, to_dict
from tests.builders import make_finding, make_report

ROOT = Path(__file__).resolve().parents[3]


def full_report() -> Any:
    trial = Trial(
        "t1",
        "persistent workers",
        "worker-restart",
        interval(10),
        interval(8),
        "ms",
        interval(1.25),
        "helps",
        "same",
        None,
    )
    ceiling = Ceiling(2, interval(60), interval(100), interval(66), "loader")
    sweep = LoaderTrial(3, 2, None, 90.0, interval(95), 0.3, 1e8, True)
    return make_report(
        devices=(make_device(throttle={"power cap": 0.1}),),
        trials=(trial,),
        gaps=(Gap(1, 2, "nvml", "driver gone"),),
        unentered=(Unentered(7, "python -I x.py", "-I", "Start it without -I"),),
        suppressed=(make_finding("expensive-decode", speedup=None, where=None),),
        problems=("torn",),
        gpu_time=traced_by({"input": 0.4}).gpu_time,
        traced=TracedWindows("auto", (), 0.5, "profiler"),
        job=Job("run-7", "elastic", 2, (JobNode("node0", ("a",), (0,), "finished", "0.1.0", "own", 0.0, 0.0),), (1,)),
        experiments=(
            Experiment("e1", ("python", "train.py"), 1, 9.0, (trial,), (ceiling,), (sweep,), 3.5, "num_workers=3"),
        ),
    )


@pytest.mark.parametrize(
    "report",
    [
        make_report(),
        full_report(),
        make_report(ranks=(), loaders=(), primary=None, hot_lines=(), findings=(), costs=None, phases=()),
        make_report(run=make_run(exit_code=None, signal=9, state="lost", ended_ns=None)),
    ],
    ids=["default", "full", "empty", "lost"],
)
def test_every_report_fits_the_published_schema(report: Any) -> None:
    jsonschema.Draft202012Validator(schema()).validate(json.loads(dumps(to_dict(report))))


def test_the_schema_is_a_schema_and_not_a_blanket() -> None:
    jsonschema.Draft202012Validator.check_schema(schema())
    data = to_dict(make_report())
    data["findings"][0]["severity"] = "catastrophic"
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(data, schema())
    del data["verdict"]
    with pytest.raises(jsonschema.ValidationError, match="verdict"):
        jsonschema.validate({**data, "findings": []}, schema())


def test_the_published_schema_is_the_one_of_the_model() -> None:
    made = runpy.run_path(str(ROOT / "scripts" / "schema"))["schema"]()
    assert schema() == json.loads(json.dumps(made)), "a field changed: run scripts/schema"


def test_every_key_of_the_report_is_described() -> None:
    data = to_dict(full_report())
    described = schema()["properties"]
    assert set(data) == set(described)
    assert set(data["run"]) == set(described["run"]["properties"])


def test_nan_and_infinity_become_null() -> None:
    loader = make_loader(wait_share=Interval(float("nan"), 0.0, float("inf"), 3), samples_per_s=float("-inf"))
    text = dumps(to_dict(make_report(loaders=(loader,))))
    assert "NaN" not in text and "Infinity" not in text
    assert json.loads(text)["loaders"][0]["wait_share"] == {"median": None, "low": 0.0, "high": None, "n": 3}


def test_bytes_that_are_no_text_still_give_utf8() -> None:
    report = make_report(run=make_run(command=("python", "tr\udcffain.py")))
    dumps(to_dict(report)).encode("utf-8")


def test_values_that_a_script_relies_on() -> None:
    data = to_dict(make_report(make_report_profile()))
    assert data["schema"] == "gpuwatch.report/1"
    assert data["run"]["status"] == {"exit_code": 0, "signal": None}
    assert data["run"]["command_line"] == "python train.py"
    assert data["verdict"]["input_wait_share"] == {"median": 0.33, "low": 0.31, "high": 0.35, "n": 990, "clock": "host"}
    assert data["loaders"][0]["operations"][0]["where"]["line"] == 20
    assert data["findings"][0]["evidence"][1] == {
        "metric": "worker busy",
        "value": 0.98,
        "unit": "share",
        "threshold": 0.75,
        "n": 200,
        "note": None,
    }


def make_report_profile() -> Any:
    from gpuwatch.diagnosis.examples.parts import make_profile

    return make_profile(make_loader(operations=(make_operation(),)))


def test_nothing_of_a_report_is_left_out_but_the_pictures_series() -> None:
    fields = {field.name for field in dataclasses.fields(Report)}
    # The first three: run.duration_s, run.hosts, primary_loader; the last is for the sentence of what was looked at.
    renamed = {"seconds", "hosts", "primary", "timeline", "clear_of_step"}
    assert fields - set(to_dict(full_report())) == renamed
    # Without a GPU trace, or nodes, there is nothing to say of them.
    assert fields - set(to_dict(make_report())) == renamed | {"gpu_time", "traced", "job"}


def _given() -> dict[tuple[str, str], list[ast.expr]]:
    """Return what the package passes for each field by name: (class or `replace`, field) -> the arguments."""
    found: dict[tuple[str, str], list[ast.expr]] = defaultdict(list)
    for path in (ROOT / "gpuwatch").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                name = getattr(node.func, "id", getattr(node.func, "attr", ""))
                for field, argument in zip(FIELDS.get(name, ()), node.args, strict=False):
                    found[name, field].append(argument)
                for keyword in node.keywords:
                    found[name, keyword.arg or "**"].append(keyword.value)
    return found


PUBLISHED = sorted(schema()["$defs"])
PARTS = [import_module(f"gpuwatch.model.{part.name}") for part in iter_modules(model.__path__)]
CLASSES = {name: vars(part)[name] for part in PARTS for name in PUBLISHED if name in vars(part)}
FIELDS = {name: [field.name for field in public_fields(CLASSES[name])] for name in PUBLISHED}


def test_every_published_figure_is_measured_somewhere() -> None:
    """A field that no code sets, or sets to a constant, says nothing."""
    given = _given()
    dead = []
    for name, fields in FIELDS.items():
        if (name, "**") in given:
            continue  # made from a dictionary: a stored experiment, or columns of samples
        for field in fields:
            arguments = given[name, field] + given["replace", field]
            if all(isinstance(argument, ast.Constant) for argument in arguments):
                dead.append(f"{name}.{field}")
    assert not dead
