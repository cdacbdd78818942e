"""Profiles, and what the rule says of them."""

from __future__ import annotations

from dataclasses import replace

from gpuwatch.diagnosis.examples.cases import clear, fires, unknown
from gpuwatch.diagnosis.examples.parts import make_costs, make_hot_line, make_trend
from gpuwatch.diagnosis.examples.runs import (
    ENGINE,
    FEW_STEPS,
    HIDDEN,
    LONE,
    STARVED,
    UNMEASURED,
    no_loader,
    run_of,
    traced_by,
)
from gpuwatch.diagnosis.gpu_trace import NOT_MEASURABLE
from gpuwatch.model.gpu_time import GpuGain, TracedLoader
from gpuwatch.model.hot_lines import Callee
from gpuwatch.model.measures import Interval

# A small network that two threads train on two cores, in 14 of a step's 54 ms.
ON_BOTH_CORES = make_costs(
    device_ms=14.4,
    work_ms=40.0,
    work_cpu_ms=40.0,
    workers=0,
    cores=2.0,
    startup_s=0.0,
    step_ms=54.4,
    seconds=54.4,
    shared_cores=2.0,
    trainer_cores=2.3,
    trainer_threads=2,
)
# Batches of 30 ms made by both threads of the trainer.
WITH_THREADS = make_costs(
    device_ms=10.0,
    work_ms=30.0,
    work_cpu_ms=30.0,
    workers=0,
    cores=2.0,
    startup_s=0.0,
    step_ms=40.0,
    seconds=40.0,
    shared_cores=2.0,
    trainer_cores=0.1,
    threads_ms=30.0,
)
TORCH_LINE = make_hot_line(process_role="trainer", share=0.9, callee=Callee("torch", "avg_pool2d"))
# ultralytics makes the loader; on the CPU it takes no workers.
MADE_BY = ("ultralytics.data.build", "/env/lib/python3.11/site-packages/ultralytics/data/build.py", 404)
REFUSED = run_of(40.0, 14.4, workers=0, loader={"attributes": {"made_by": MADE_BY}}, devices=())

TRACED = TracedLoader("in process", 5, 0.225, 45.0, 45.0, 50.0)
# A loop on the threshold: it waits for 15 % in the beginning and for 3 % in the end, as where a cache is filled.
ON_THE_THRESHOLD = run_of(10.0, workers=0, loader={"wait_share": Interval(0.08, 0.04, 0.12, 200)})
CASES = (
    clear(replace(ON_THE_THRESHOLD, trend=make_trend(wait_before=0.15, wait_after=0.03))),
    fires(
        LONE,
        "critical",
        "batches are made in the training process (30 ms each) while the device waits",
        where="/home/me/project/train.py:40",
        speedup=3.829,
    ),
    fires(
        run_of(40.0, 14.4, workers=0, cores=2.0, costs=ON_BOTH_CORES),
        "info",
        "batches are made in the training process (40 ms each), which computes with 2 threads on the same 2 cores:"
        " workers may win nothing",
        confidence="low",
        where="/home/me/project/train.py:40",
        speedup=1.08,
    ),
    fires(
        REFUSED,
        "info",
        "batches are made in the training process (40 ms each): ultralytics uses no workers on the CPU",
        where="/home/me/project/train.py:40",
    ),
    # One worker of an iterable dataset is safe; more need a dataset that splits its data.
    fires(
        run_of(10.0, 12.0, workers=0, loader={"dataset_kind": "iterable"}),
        "critical",
        "batches are made in the training process (10 ms each) while the device waits",
        where="/home/me/project/train.py:40",
        speedup=1.805,
    ),
    # Two threads make a batch in 30 ms: one worker would need 60, so that two are as fast as the trainer, beside its step.
    fires(
        run_of(
            device_ms=10.0, workers=0, cores=2.0, costs=WITH_THREADS, hot_lines=(TORCH_LINE,), loader={"batches": 1001}
        ),
        "critical",
        "batches are made in the training process (30 ms each) while the device waits",
        where="/home/me/project/train.py:40",
        speedup=1.303,
    ),
    # The training thread waits for threads that no line shows, such as a tokenizer's.
    fires(
        run_of(
            device_ms=10.0,
            workers=0,
            cores=2.0,
            costs=WITH_THREADS,
            fetch={"cpu_ms": 6.0, "mean_wall_ms": 30.0, "delay_ms": 0.0},
            loader={"batches": 1001},
        ),
        "critical",
        "batches are made in the training process (30 ms each) while the device waits",
        where="/home/me/project/train.py:40",
        speedup=1.303,
    ),
    # Threads that only spin after the step make no batch.
    fires(
        run_of(device_ms=10.0, workers=0, cores=2.0, costs=WITH_THREADS),
        "critical",
        "batches are made in the training process (30 ms each) while the device waits",
        where="/home/me/project/train.py:40",
        speedup=2.548,
    ),
    clear(STARVED),
    clear(HIDDEN),
    clear(run_of(0.5, 10.0, workers=0)),
    clear(ENGINE),
    unknown(no_loader(), "no DataLoader was seen in use"),
    unknown(FEW_STEPS, "only 3 steps after the warm-up (8 needed)"),
    fires(
        traced_by({"input": 0.4}, GpuGain("input", 1.4, 1.2, 1.6), loader=TRACED),
        "critical",
        "batches are made in the training process (45 ms each): the GPU idles 40% of its time meanwhile",
        speedup=1.4,
    ),
    clear(traced_by({"input": 0.02}, GpuGain("input", 1.4, 1.2, 1.6), loader=TRACED)),
    clear(traced_by({"input": 0.4}, GpuGain("input", 1.01, 1.0, 1.02), loader=TRACED)),
    # Its workers are late: why is not in a trace.
    clear(traced_by({"input": 0.4}, GpuGain("input", 1.4, 1.2, 1.6), loader=replace(TRACED, kind="workers"))),
    unknown(UNMEASURED, NOT_MEASURABLE),
)
