"""Build whole profiles and reports in one line; every field can be overridden by name.

The default is a healthy input-bound run on four cores: two workers, 30 ms of work a batch, 10 ms of device.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from gpuwatch.diagnosis.examples.parts import make_hot_line, make_profile
from gpuwatch.judged_report import report_of
from gpuwatch.model.findings import Finding, Traits
from gpuwatch.model.profile import Profile
from gpuwatch.model.report import Report
from gpuwatch.model.timeline import Lane, Timeline
from gpuwatch.rules import RULES
from gpuwatch.rules.too_few_workers.rule import RULE
from gpuwatch.words.lanes import CPU_BUSY, EPOCHS, INPUT_WAIT, STEP, WORKER


def make_finding(id: str = "too-few-workers", **changes: Any) -> Finding:
    """Return what `too-few-workers` says of the default profile: evidence, advice, edit, a predicted speed-up.

    Under another id it has that rule's traits."""
    finding = RULE.evaluate(make_profile())
    assert isinstance(finding, Finding)
    traits = next((rule.traits for rule in RULES if rule.id == id), Traits())
    return replace(finding, **{"id": id, "traits": traits} | changes)


def make_timeline(seconds: float = 20.0, points: int = 200) -> Timeline:
    """Return a timeline with one lane of each kind."""
    times = tuple(seconds * i / points for i in range(points))
    saw = tuple(float(i % 20) for i in range(points))
    lanes = (
        Lane(STEP, times, saw, rank=0),
        Lane(INPUT_WAIT, times, tuple(v / 3 for v in saw), rank=0),
        Lane(WORKER, spans=((3.0, 8.0, "fetching"), (8.0, 8.5, "waiting")), rank=0, worker=0),
        Lane(EPOCHS, spans=((3.2, 3.2, "epoch 1"),), rank=0),
        Lane(CPU_BUSY, times, tuple(2.0 + v / 20 for v in saw)),
    )
    return Timeline(seconds, lanes)


def make_report(profile: Profile | None = None, **changes: Any) -> Report:
    """Return what the product says of a profile; of the default one: input-bound, one finding, a timeline."""
    profile = profile or make_profile(hot_lines=(make_hot_line(),))
    return replace(report_of(profile, make_timeline(profile.seconds)), **changes)
