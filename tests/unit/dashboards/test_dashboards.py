"""Dashboards and alerts only use metrics that are in the catalogue, with labels that they have."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gpuwatch.commands.serve import OWN
from gpuwatch.diagnosis.examples.parts import make_device
from gpuwatch.model.metrics import CATALOGUE
from gpuwatch.views.prometheus import INFO, render
from tests.builders import make_report

FOLDER = Path(__file__).parents[3] / "dashboards"
NAME = re.compile(r"\bgpuwatch_[a-z0-9_]+")
KNOWN = {metric.prometheus_name for metric in CATALOGUE if metric.exported} | {name for name, _ in OWN} | {INFO[0]}
DASHBOARD = json.loads((FOLDER / "grafana" / "gpuwatch.json").read_text())


def expressions() -> Iterator[tuple[str, str]]:
    for panel in DASHBOARD["panels"]:
        for target in panel["targets"]:
            yield panel["title"], target["expr"]
    yaml = pytest.importorskip("yaml")
    for group in yaml.safe_load((FOLDER / "prometheus" / "rules.yml").read_text())["groups"]:
        for rule in group["rules"]:
            yield rule.get("alert") or rule["record"], rule["expr"]


@pytest.mark.parametrize(("where", "expression"), list(expressions()))
def test_every_metric_used_exists(where: str, expression: str) -> None:
    used = set(NAME.findall(expression))
    assert used and used <= KNOWN, f"{where}: {used - KNOWN}"


@pytest.mark.parametrize("panel", DASHBOARD["panels"], ids=lambda panel: panel["title"])
def test_a_legend_names_labels_that_the_metric_has(panel: dict[str, Any]) -> None:
    text = render(make_report(devices=(make_device(),)))
    for target in panel["targets"]:
        metric = NAME.findall(target["expr"])[0]
        sample = next((line for line in text.splitlines() if line.startswith(metric + "{")), None)
        assert sample is not None, f"{metric} is not in a full report"
        labels = set(re.findall(r'(\w+)="', sample))
        assert set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"])) <= labels


def test_panels_do_not_overlap() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert at["x"] + at["w"] <= 24 and not cells & taken, panel["title"]
        taken |= cells


def test_ids_are_unique_and_every_panel_says_what_it_shows() -> None:
    panels = DASHBOARD["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    assert all(panel["description"].endswith(".") for panel in panels)
