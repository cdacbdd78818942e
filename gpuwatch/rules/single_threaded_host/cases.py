"""Profiles, and what the rule says of them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from gpuwatch.diagnosis.examples.cases import clear, fires, unknown
from gpuwatch.diagnosis.examples.parts import make_device, make_machine, make_state
from gpuwatch.diagnosis.examples.runs import BACKWARD_LINE, HIDDEN, SAMPLED, no_loader, phases, run_of
from gpuwatch.model.measures import Place
from gpuwatch.model.process_state import Updated
from gpuwatch.model.profile import Profile

_ADAM = Updated("Adam", "cpu", 3, 9_600_000)
_SET = Place("/home/me/project/train.py", 8)


def _alone(threads: int = 1, spare: float = 3.0, cpu: float = 0.98, **changes: Any) -> Profile:
    """Return a training on the CPU whose optimizer takes half of its step."""
    ranks = phases(forward=2.0, backward=3.0, optimizer=5.0, other_in_step=0.2)
    settings: dict[str, Any] = {
        "ranks": (replace(ranks[0], device="cpu"),),
        "machine": make_machine(spare_cores=spare),
        "state": make_state(torch_threads=threads, updated=_ADAM, threads_where=_SET),
        "loader": {"compute_cpu_share": cpu},
    }
    return run_of(0.5, 30.0, 0, **(settings | changes))


_GPU = _alone(
    ranks=(replace(phases(forward=2.0, backward=3.0, optimizer=5.0)[0], device="NVIDIA H100"),),
    devices=(make_device(),),
)

CASES = (
    fires(
        _alone(),
        "warning",
        "torch computes with one thread while 3 cores are idle: the model with its optimizer is 98% of the step",
        confidence="medium",
        where="/home/me/project/train.py:8",
        speedup=1.948,
    ),
    # A GPU computes the model, and the optimizer is left to the host.
    fires(
        _GPU,
        "warning",
        "torch computes with one thread while 3 cores are idle: the optimizer is 50% of the step",
        confidence="medium",
        where="/home/me/project/train.py:8",
        speedup=1.304,
    ),
    # Several threads, no idle core, a host that waits, small operations, a process that uses several cores already.
    clear(_alone(4)),
    clear(_alone(spare=0.4)),
    clear(_alone(cpu=0.3)),
    clear(_alone(state=make_state(torch_threads=1, updated=Updated("Adam", "cpu", 242, 70_000)))),
    clear(_alone(ranks=(replace(phases(forward=1.0, other_in_step=9.0)[0], device="cpu"),))),
    clear(replace(_alone(), costs=replace(_alone().costs, trainer_cores=2.2))),  # type: ignore[type-var]
    # What is at work is a compiler.
    clear(_alone(hot_lines=(replace(BACKWARD_LINE, samples=400, tools=(("compiler", 0.9),)),), stacks=SAMPLED)),
    # A GPU does the work, the optimizer's included.
    clear(replace(_GPU, state=make_state(torch_threads=1, updated=Updated("Adam", "cuda", 3, 9_600_000)))),
    unknown(HIDDEN, "the state of the training process"),
    unknown(_alone(machine=make_machine(spare_cores=None)), "the machine's idle cores"),
    unknown(no_loader(), "a measured loop over a DataLoader"),
)
