"""Profiles, and what the rule says of them."""

from __future__ import annotations

from dataclasses import replace

from gpuwatch.diagnosis.examples.cases import clear, fires, unknown
from gpuwatch.diagnosis.examples.parts import make_machine
from gpuwatch.diagnosis.examples.runs import GROWING, LONE, STARVED, run_of
from gpuwatch.model.machine_profile import WorkerMemory

CASES = (
    fires(
        run_of(machine=make_machine(worker_memory=GROWING)),
        "critical",
        "the memory of 4 workers grew by 1.86 GB, 1.12 GB per minute",
        confidence="medium",
        where="/home/me/project/data.py:12",
    ),
    fires(
        run_of(machine=make_machine(worker_memory=WorkerMemory(2, 40e6, 4e8, 9e8, 8e8, 2e8, 1e6))),
        "warning",
        "the memory of 2 workers grew by 381 MB, 2.24 GB per minute",
        confidence="low",
        where="/home/me/project/data.py:12",
    ),
    fires(
        run_of(machine=make_machine(worker_memory=replace(GROWING, resident_growth_bytes=GROWING.growth_bytes))),
        "critical",
        "the memory of 4 workers grew by 1.86 GB, 1.12 GB per minute",
        confidence="medium",
        where="/home/me/project/data.py:12",
    ),
    clear(run_of(machine=make_machine(worker_memory=WorkerMemory(4, 1e3, 1e5, 8e9, 2e9)))),
    clear(LONE),
    clear(run_of(machine=make_machine(worker_memory=replace(GROWING, late_growth_bytes=1e6)))),
    clear(run_of(machine=make_machine(worker_memory=WorkerMemory(2, 20e6, 1.2e8, 4e8, 8e8, 6e7, 1e6)))),
    clear(run_of(machine=make_machine(worker_memory=WorkerMemory(2, 13e6, 1e8, 4e8, 8e8, 5e7, 1.6e8)))),
    unknown(STARVED, "memory samples of the workers"),
)
