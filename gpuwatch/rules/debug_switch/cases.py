"""Profiles, and what the rule says of them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from gpuwatch.diagnosis.examples.cases import clear, fires, unknown
from gpuwatch.diagnosis.examples.parts import make_device, make_rank, make_state
from gpuwatch.diagnosis.examples.runs import BACKWARD_LINE, HIDDEN, SAMPLED, no_loader, run_of
from gpuwatch.model.measures import Place
from gpuwatch.model.process_state import Switch
from gpuwatch.model.profile import Profile

_ANOMALY = Switch("anomaly", None, Place("/home/me/project/setup.py", 7), 6, 6, True)
_BUSY = {"compute_cpu_share": 0.95}
_CPU = (make_rank(device="cpu"),)
_FORMATS = replace(BACKWARD_LINE, samples=400, tools=(("anomaly", 0.5),))


def _on(*switches: Switch, **changes: Any) -> Profile:
    settings: dict[str, Any] = {"loader": _BUSY, "ranks": _CPU, "state": make_state(switches=switches)} | changes
    return run_of(8.0, **settings)


CASES = (
    # Half of a line that takes 80 % of the step formats stacks.
    fires(
        _on(_ANOMALY, hot_lines=(_FORMATS,), stacks=SAMPLED),
        "critical",
        "autograd's anomaly mode is on, at 6 of 6 readings",
        where="/home/me/project/setup.py:7",
        speedup=1.667,
    ),
    # The same on a host that waits for its device: it costs next to nothing there.
    fires(
        _on(_ANOMALY, loader={"compute_cpu_share": 0.05}),
        "info",
        "autograd's anomaly mode is on, at 6 of 6 readings",
        where="/home/me/project/setup.py:7",
    ),
    fires(
        _on(Switch("tracer", "pydevd.trace_dispatch", None, 5, 6, True), replace(_ANOMALY, where=None)),
        "critical",
        "a tracer of Python is on (pydevd.trace_dispatch), at 5 of 6 readings; also: autograd's anomaly mode is on",
    ),
    fires(
        _on(
            Switch("launch-blocking", "CUDA_LAUNCH_BLOCKING", None, 6, 6, True),
            loader={"compute_cpu_share": 0.1},
            devices=(make_device(),),
            ranks=(make_rank(device="NVIDIA H100"),),
        ),
        "critical",
        "CUDA_LAUNCH_BLOCKING makes the host wait for each kernel, at 6 of 6 readings",
    ),
    # A device that has work all the time is what bounds the run.
    fires(
        _on(_ANOMALY, devices=(make_device(busy=0.97),), ranks=(make_rank(device="NVIDIA H100"),)),
        "warning",
        "autograd's anomaly mode is on, at 6 of 6 readings",
        where="/home/me/project/setup.py:7",
    ),
    # A profiler with a schedule, one that was left after the first steps, and deterministic algorithms alone.
    clear(_on(Switch("profiler", "torch.profiler", None, 2, 6, True))),
    clear(_on(Switch("profiler", "torch.profiler", None, 4, 6, False))),
    clear(_on(state=make_state(deterministic=True))),
    unknown(HIDDEN, "the state of the training process"),
    unknown(no_loader(), "a measured loop over a DataLoader"),
)
