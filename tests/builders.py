"""Build whole profiles and reports in one line; every field can be overridden by name.

The default is a healthy input-bound run on four cores: two workers, 30 ms of work a batch, 10 ms of device.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from gpuwatch.diagnosis.examples.parts import (
    make_hot_line,
    make_profile,
)
from gpuwatch.model.findings import Evidence, Finding, NotEvaluated, Speedup, Traits, Verdict
from gpuwatch.model.measures import Place
from gpuwatch.model.profile import Profile
from gpuwatch.model.reasons import LoaderSteps
from gpuwatch.model.report import Report
from gpuwatch.model.timeline import Lane, Timeline
from gpuwatch.rules import RULES


def make_finding(id: str = "too-few-workers", **changes: Any) -> Finding:
    """Return a finding with evidence, advice and a predicted speed-up."""
    finding = Finding(
        id=id,
        severity="critical",
        confidence="high",
        summary="2 workers are busy 98 % of the time and 5.6 cores are idle",
        evidence=(Evidence("worker busy", 0.98, "share", 0.85, 200), Evidence("spare cores", 5.6, "cores", 1.0)),
        advice="Set num_workers=3.",
        where=Place("/home/me/project/train.py", 40, "main"),
        speedup=Speedup(1.5, 1.4, 1.6, "throughput model"),
        verify="gpuwatch try --loader -- python train.py",
        edit="DataLoader(..., num_workers=3)",
        traits=next((rule.traits for rule in RULES if rule.id == id), Traits()),
    )
    return replace(finding, **changes)


def make_timeline(seconds: float = 20.0, points: int = 200) -> Timeline:
    """Return a timeline with one lane of each kind."""
    times = tuple(seconds * i / points for i in range(points))
    saw = tuple(float(i % 20) for i in range(points))
    lanes = (
        Lane("step time", "rank 0", "line", "ms", times, saw),
        Lane("input wait", "rank 0", "line", "ms", times, tuple(v / 3 for v in saw)),
        Lane("worker 0", "rank 0", "spans", "", spans=((3.0, 8.0, "fetching"), (8.0, 8.5, "waiting"))),
        Lane("epochs", "rank 0", "marks", "", spans=((3.2, 3.2, "epoch 1"),)),
        Lane("CPU busy", "machine", "line", "cores", times, tuple(2.0 + v / 20 for v in saw)),
    )
    return Timeline(seconds, lanes)


def make_report(profile: Profile | None = None, **changes: Any) -> Report:
    """Return a report on the default profile: input-bound, one finding, one rule not evaluated."""
    profile = profile or make_profile(hot_lines=(make_hot_line(),))
    rank = profile.ranks[0] if profile.ranks else None
    report = Report(
        run=profile.run,
        seconds=profile.seconds,
        hosts=(profile.run.host,),
        ranks=profile.ranks,
        verdict=Verdict(
            bound="input",
            confidence="high",
            input_wait_share=profile.primary.wait_share if profile.primary else None,
            clock="host",
            speedup_if_input_free=Speedup(1.5, 1.45, 1.55, "throughput model"),
            reason=LoaderSteps("training", 0.10, 5.0, 10.0),
        ),
        phases=rank.phases if rank else (),
        loaders=profile.loaders,
        primary=profile.primary.id if profile.primary else None,
        hot_lines=profile.hot_lines,
        stacks=profile.stacks,
        findings=(make_finding(),),
        suppressed=(),
        not_evaluated=(NotEvaluated("gpu-throttled", "NVML: no driver"),),
        clear=("cpu-saturated",),
        devices=profile.devices,
        machine=profile.machine,
        costs=profile.costs,
        overhead=profile.overhead,
        gaps=profile.gaps,
        problems=profile.problems,
        unentered=profile.unentered,
        timeline=make_timeline(profile.seconds),
    )
    return replace(report, **changes)
