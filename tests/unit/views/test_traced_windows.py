"""Where a window of torch.profiler would say more, the card says which call has one."""

from __future__ import annotations

from dataclasses import replace

from gpuwatch.diagnosis.examples.parts import make_device
from gpuwatch.diagnosis.examples.runs import run_of
from gpuwatch.judged_report import report_of
from gpuwatch.model.report import Report
from gpuwatch.model.traced_windows import TracedWindows
from gpuwatch.views.card import prepare
from gpuwatch.views.traced_windows import hint


def run(work_ms: float, busy: float | None, ranks: tuple[int, ...] = (0,)) -> Report:
    return report_of(run_of(work_ms, devices=(replace(make_device(), busy=busy, ranks=ranks),)))


def test_an_idle_gpu_whose_loop_does_not_wait_leaves_a_question() -> None:
    asked = run(8.0, 0.41)
    said = "the GPU was busy 41% of a loop that hardly waits for data: `gpuwatch run --gpu-trace -- python train.py` says why"
    assert hint(asked) == said and said in prepare(asked).notes
    assert not hint(run(30.0, 0.41))  # the input explains it
    assert not hint(run(8.0, 0.93)) and not hint(run(8.0, None)) and not hint(run(8.0, 0.41, ()))
    assert not hint(replace(asked, traced=TracedWindows("auto", (), 0.0)))
