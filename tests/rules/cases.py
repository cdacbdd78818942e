"""For each rule: profiles on which it fires, stays clear, and cannot know. Neighbouring causes are in `clear`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from gpuwatch.analyze.throughput import measure_costs
from gpuwatch.model.hot_lines import Callee, HotLine, StackQuality
from gpuwatch.model.loader_profile import LoaderProfile, QueueProfile
from gpuwatch.model.machine_profile import MachineProfile, WorkerMemory
from gpuwatch.model.measures import Interval, Phase, Place
from gpuwatch.model.profile import LongSteps, Profile, Unentered
from tests.builders import (
    interval,
    make_device,
    make_fetch,
    make_hot_line,
    make_loader,
    make_machine,
    make_operation,
    make_profile,
    make_rank,
)

MODULE_PY = "/v/lib/python3.11/site-packages/torch/nn/modules/module.py"
SAMPLED = StackQuality("py-spy", 500, "high", "")


@dataclass(frozen=True)
class Cases:
    """Profiles by expected outcome."""

    fires: tuple[Profile, ...]
    clear: tuple[Profile, ...]
    unknown: tuple[Profile, ...]


def run_of(
    work_ms: float = 30.0,
    device_ms: float = 10.0,
    workers: int = 2,
    cores: float = 8.0,
    machine: MachineProfile | None = None,
    fetch: dict[str, Any] | None = None,
    loader: dict[str, Any] | None = None,
    **profile: Any,
) -> Profile:
    """Return a profile that is consistent with itself: the step and the wait follow from work, device and cores."""
    machine = machine or make_machine(usable_cores=cores, spare_cores=max(cores - workers - 0.2, 0.0), cores=int(cores))
    made = work_ms if workers == 0 else max(work_ms / workers, work_ms / cores)
    step = device_ms + work_ms if workers == 0 else max(device_ms, made)
    wait = step - device_ms
    defaults = {
        "wall_ms": interval(work_ms),
        "mean_wall_ms": work_ms,
        "cpu_ms": work_ms,
        "process_cpu_ms": work_ms,
        "delay_ms": 0.0,
    }
    defaults |= {
        "p95_wall_ms": work_ms * 1.1,
        "max_wall_ms": work_ms * 1.2,
        "blocked_ms": 0.0,
        "collate_ms": 0.05 * work_ms,
        "serialise_ms": 0.0,
    }
    busy = None if workers == 0 else min(work_ms / workers / step, 1.0)
    share = wait / step
    settings: dict[str, Any] = {
        "workers": workers,
        "step_ms": interval(step),
        "wait_ms": interval(wait),
        "compute_ms": interval(device_ms),
        "wait_share": Interval(share, share * 0.97, min(share * 1.03, 1.0), 990),
        "seconds": 0.99 * step,
        "wait_seconds": 0.99 * wait,
        "fetch": make_fetch(**(defaults | {"busy_share": busy} | (fetch or {}))),
        "operations": (make_operation("ToTensor", share=0.2, kind="transform", position=3),),
    }
    made_loader = make_loader(**(settings | (loader or {})))
    profile.setdefault("costs", measure_costs(made_loader, machine, 0.0))
    return make_profile(made_loader, machine=machine, **profile)


def no_loader() -> Profile:
    """Return a profile in which no DataLoader was seen."""
    return replace(make_profile(), primary=None, loaders=(), costs=None)


def with_operations(*operations: Any, **changes: Any) -> Profile:
    return run_of(loader={"operations": operations}, cores=2.0, **changes)


def epochs(
    passes: int, first_s: float, batches: int, workers: int = 2, work_ms: float = 30.0, **loader: Any
) -> Profile:
    return run_of(
        work_ms,
        workers=workers,
        loader={
            "iterators": passes,
            "first_batch_s": (first_s,) * passes,
            "startup_s": (first_s * 0.7,) * passes,
            "epoch_batches": float(batches),
            "batches": passes * batches,
        }
        | loader,
    )


def long_steps(**changes: Any) -> LongSteps:
    settings: dict[str, Any] = {
        "count": 10,
        "excess_s": 4.0,
        "share": 0.25,
        "median_ms": 15.0,
        "period": 100.0,
        "regular": True,
        "where": Place("t.py", 9),
        "cause": "checkpoint",
    }
    return LongSteps(**(settings | changes))


def ranks(*own: tuple[float, float]) -> tuple[Any, ...]:
    """Return ranks from (step, backward) in ms."""
    return tuple(
        make_rank(rank=i, world_size=len(own), step_ms=interval(step, 0.02), backward_ms=backward)
        for i, (step, backward) in enumerate(own)
    )


def phases(**seconds: float) -> tuple[Any, ...]:
    named = {name.replace("_", " ").replace("in step", "in-step"): value for name, value in seconds.items()}
    whole = sum(named.values())
    return (make_rank(seconds=whole, phases=tuple(Phase(n, v, v / whole) for n, v in named.items())),)


STARVED = run_of()
HIDDEN = run_of(work_ms=8.0, workers=2)
LONE = run_of(workers=0)
FEW_STEPS = run_of(loader={"steps": 3})
BLOCKED = {"cpu_ms": 6.0, "process_cpu_ms": 6.0, "blocked_ms": 24.0}
SPREAD = {"work_spread": 4.0, "busy_share": 0.6}
DECODE = make_operation(
    "PIL.JpegImageFile.load", kind="decode", share=0.6, position=0, pixels_in=None, pixels_out=12_000_000.0
)
RESIZE = make_operation("Resize", share=0.1, position=1, pixels_in=12_000_000.0, pixels_out=50_176.0)
JITTER = make_operation("ColorJitter", share=0.5, position=0, pixels_in=3_000_000.0, pixels_out=3_000_000.0)
CROP = make_operation("RandomCrop", share=0.05, position=1, pixels_in=3_000_000.0, pixels_out=50_176.0)
DATASET = make_operation("Rows.__getitem__", kind="dataset", share=0.8, position=None, pixels_in=None, pixels_out=None)
COLLATE = make_operation("collate", kind="collate", share=0.7, position=None, pixels_in=None, pixels_out=None)
WORK_LINE = make_hot_line(
    process_role="trainer", activity="step", share=0.4, callee=None, source="histogram(w)", blocked_share=0.0
)
BACKWARD_LINE = make_hot_line(
    process_role="trainer", activity="step", share=0.8, callee=Callee("torch", "backward"), source="loss.backward()"
)
SYNC_LINE = make_hot_line(
    process_role="trainer",
    activity="step",
    share=0.5,
    callee=Callee("torch", "item"),
    source="loss.item()",
    blocked_share=0.9,
)
# Threads of the process make the batches; the loader waits for them.
ENGINE = run_of(
    workers=0,
    fetch=BLOCKED | {"rchar_per_batch": 3e6},
    loader={"operations": (DATASET,)},
    hot_lines=(
        make_hot_line(
            process_role="trainer", share=0.97, callee=Callee("threading", "wait"), source="self.ready[number].wait()"
        ),
    ),
    stacks=SAMPLED,
)
# Workers take turns at a lock.
LOCK_LINE = make_hot_line(
    share=0.7,
    callee=Callee("multiprocessing", "SemLock"),
    source="with self.lock:",
    stack=(
        Place("/home/me/t.py", 5, "__getitem__"),
        Place("/usr/lib/python3.11/multiprocessing/synchronize.py", 95, "SemLock.__enter__"),
    ),
)
TAKE_TURNS = with_operations(DATASET, fetch=BLOCKED | {"rchar_per_batch": 3e6}, hot_lines=(LOCK_LINE,), stacks=SAMPLED)
# The user's own sampler, which the loader runs in the trainer: the phases call it input wait.
SAMPLER_LINE = replace(
    WORK_LINE,
    share=0.7,
    stack=(
        Place("/v/site-packages/torch/utils/data/dataloader.py", 715, "_BaseDataLoaderIter._next_index"),
        Place("/home/me/t.py", 9, "Groups.__iter__"),
    ),
)
MODEL_LINE = replace(
    WORK_LINE, share=0.5, callee=Callee("torch", "Linear"), stack=(Place(MODULE_PY, 9, "Module._call_impl"),)
)
HANDED_LINE = replace(
    WORK_LINE,
    callee=Callee("queue", "get"),
    source="batch = self.queue.get()",
    blocked_share=None,
    stack=(Place("/home/me/t.py", 5, "next"), Place("/usr/lib/python3.11/threading.py", 327, "wait")),
)


def own_loop(*lines: HotLine, **changes: Any) -> Profile:
    """Return a loop that is not over a DataLoader, with these lines; its steps are told by the optimizer."""
    no_wait = {"wait_ms": None, "wait_share": None, "wait_seconds": 0.0, "seconds": 9.9, "compute_cpu_share": 0.95}
    told = {"own_loop": True, "fetch": None, "operations": (), "queue": None} | no_wait | changes.pop("loader", {})
    settings: dict[str, Any] = {"ranks": phases(backward=1.0, other_in_step=5.0), "stacks": SAMPLED} | changes
    return run_of(0.0, workers=0, loader=told, hot_lines=lines, **settings)


# A thread makes the batches of such a loop.
FED = own_loop(
    MODEL_LINE, HANDED_LINE, make_hot_line(process_role="trainer", activity="fetch", source="tokenise(text)")
)
# ... and keeps the interpreter lock from it.
LOCKED = own_loop(
    replace(MODEL_LINE, samples=200),
    make_hot_line(process_role="trainer", activity="fetch", source="tokenise(text)", samples=150),
    loader={"compute_cpu_share": 0.4},
)
# ... or a process.
FED_BY_PROCESS = own_loop(MODEL_LINE, HANDED_LINE, make_hot_line(source="tokenise(text)", samples=90))
# It sleeps, as if for a device; or it reads a pipe, and no module is ever seen at work.
SLEEPING = own_loop(
    replace(MODEL_LINE, share=0.1),
    replace(WORK_LINE, source="time.sleep(0.1)", sleeps=True, share=0.9, blocked_share=None),
    loader={"compute_cpu_share": 0.1},
)
READING = own_loop(
    replace(WORK_LINE, source="frame = decoder.stdout.read(n)", callee=None, blocked_share=None, share=0.9),
    loader={"compute_cpu_share": 0.2},
    ranks=phases(backward=1.0, other_in_step=9.0),
)
GROWING = WorkerMemory(4, 20e6, 2e9, 8e9, 2e9)

CASES: dict[str, Cases] = {
    "not-instrumented": Cases(
        (make_profile(unentered=(Unentered(7, "python -I x.py", "started with -I", "drop -I"),)),), (STARVED,), ()
    ),
    "no-worker-processes": Cases(
        (LONE,), (STARVED, HIDDEN, run_of(0.5, 10.0, workers=0), ENGINE), (no_loader(), FEW_STEPS)
    ),
    "too-few-workers": Cases((STARVED,), (HIDDEN, LONE, run_of(cores=2.0), TAKE_TURNS), (no_loader(), FEW_STEPS)),
    "cpu-saturated": Cases(
        (run_of(cores=2.0, machine=make_machine(usable_cores=2.0, spare_cores=0.1, cores=2)),),
        (STARVED, HIDDEN, run_of(fetch=BLOCKED)),
        (no_loader(), run_of(machine=make_machine(spare_cores=None))),
    ),
    "cpu-quota": Cases(
        (run_of(machine=make_machine(quota_cores=2.0, usable_cores=2.0, throttled_share=0.3)),),
        (STARVED, run_of(machine=make_machine(quota_cores=2.0, usable_cores=2.0, throttled_share=0.0)), HIDDEN),
        (run_of(machine=make_machine(quota_cores=2.0, throttled_share=None)),),
    ),
    "thread-oversubscription": Cases(
        (run_of(machine=make_machine(usable_cores=4.0, library_threads=8), fetch={"process_cpu_ms": 90.0}),),
        (STARVED, HIDDEN, run_of(machine=make_machine(library_threads=8, usable_cores=4.0))),
        (run_of(fetch={"process_cpu_ms": None}),),
    ),
    "too-many-workers": Cases(
        (run_of(5.0, 10.0, 8, loader={"first_batch_s": (2.0, 2.0), "startup_s": (1.5, 1.5), "batches": 900}),),
        (STARVED, run_of(5.0, 10.0, 8), run_of(5.0, 10.0, 1)),
        (no_loader(), FEW_STEPS),
    ),
    "worker-restart": Cases(
        (
            epochs(5, 1.0, 20),
            epochs(5, 1.0, 20, persistent=True, attributes={"remade": True}),
            epochs(50, 0.1, 1),
        ),
        (epochs(5, 1.0, 20, persistent=True), epochs(2, 0.1, 5000), epochs(5, 1.0, 20, workers=0), STARVED),
        (no_loader(),),
    ),
    "slow-sample": Cases(
        (run_of(fetch=SPREAD, loader={"queue": QueueProfile(0.3, 2.0, 0.7)}),),
        (
            STARVED,
            HIDDEN,
            LONE,
            run_of(fetch=SPREAD, loader={"queue": QueueProfile(0.3, 0.1, 0.05)}),
            run_of(fetch=SPREAD | {"busy_share": 0.98}, loader={"queue": QueueProfile(0.3, 2.0, 0.7)}),
            run_of(fetch=SPREAD, loader={"queue": QueueProfile(0.3, 2.0, 0.7), "in_order": False}),
        ),
        (run_of(loader={"queue": None}), no_loader()),
    ),
    "coarse-batches": Cases(
        (epochs(10, 0.7, 5, workers=4, work_ms=600.0, seconds=8.0),),
        (STARVED, LONE, epochs(5, 1.0, 20, workers=2)),
        (no_loader(),),
    ),
    "storage-wait": Cases(
        (run_of(fetch=BLOCKED | {"rchar_per_batch": 3e6}),),
        (
            STARVED,
            HIDDEN,
            ENGINE,
            TAKE_TURNS,
            run_of(fetch=BLOCKED | {"rchar_per_batch": 10.0, "read_bytes_per_batch": 0.0}),
        ),
        (run_of(fetch={"blocked_ms": None}), no_loader()),
    ),
    "expensive-decode": Cases(
        (with_operations(DECODE),), (HIDDEN, with_operations(JITTER)), (run_of(loader={"operations": ()}), no_loader())
    ),
    "oversized-decode": Cases(
        (with_operations(DECODE, RESIZE),),
        (
            HIDDEN,
            with_operations(DECODE),
            with_operations(
                make_operation("decode", kind="decode", share=0.6, position=0, pixels_out=90_000.0), RESIZE
            ),
        ),
        (run_of(loader={"operations": ()}), no_loader()),
    ),
    "expensive-transform": Cases(
        (with_operations(JITTER),), (HIDDEN, with_operations(DECODE)), (run_of(loader={"operations": ()}), no_loader())
    ),
    "transform-order": Cases(
        (with_operations(JITTER, CROP),),
        (
            HIDDEN,
            with_operations(CROP),
            with_operations(
                make_operation("Resize", share=0.1, position=0, pixels_in=3e6, pixels_out=50_176.0),
                make_operation("ColorJitter", share=0.5, position=1, pixels_in=50_176.0, pixels_out=50_176.0),
            ),
        ),
        (run_of(loader={"operations": ()}), no_loader()),
    ),
    "slow-dataset-code": Cases(
        (
            with_operations(DATASET),
            with_operations(DATASET, hot_lines=(make_hot_line(),), stacks=SAMPLED),
            FED,
            LOCKED,
            FED_BY_PROCESS,
            TAKE_TURNS,
        ),
        (
            HIDDEN,
            ENGINE,
            with_operations(JITTER),
            own_loop(MODEL_LINE, WORK_LINE),
            # What stands still may be a device.
            replace(LOCKED, devices=(make_device(),)),
            own_loop(
                replace(MODEL_LINE, samples=200, source="time.sleep(0.1)", sleeps=True),
                *LOCKED.hot_lines[1:],
                loader={"compute_cpu_share": 0.4},
            ),
        ),
        (run_of(loader={"operations": ()}), no_loader(), own_loop(MODEL_LINE, HANDED_LINE)),
    ),
    "per-item-access": Cases(
        (run_of(1.0, 0.2, 0, loader={"dataset_kind": "tensor"}),),
        (STARVED, HIDDEN, run_of(1.0, 0.2, 0, loader={"dataset_kind": "tensor"}, fetch={"batched": True})),
        (no_loader(), run_of(fetch={"samples_per_batch": None})),
    ),
    "expensive-collate": Cases(
        (with_operations(COLLATE),), (HIDDEN, with_operations(JITTER)), (run_of(loader={"operations": ()}), no_loader())
    ),
    "batch-transport": Cases(
        (
            run_of(fetch={"serialise_ms": 40.0, "tensors_per_batch": 112.0}),
            run_of(fetch={"serialise_ms": 10.0, "bytes_per_batch": 4e7}, loader={"operations": (COLLATE,)}),
        ),
        (STARVED, HIDDEN, LONE, run_of(fetch={"tensors_per_batch": 112.0})),
        (run_of(fetch={"serialise_ms": None}), no_loader()),
    ),
    "unpinned-transfer": Cases(
        (run_of(devices=(make_device(),), loader={"gpu_wait_ms": interval(1.0)}, fetch={"bytes_per_batch": 4e7}),),
        (
            run_of(devices=(make_device(),), loader={"gpu_wait_ms": interval(1.0), "pin_memory": True}),
            run_of(devices=(make_device(),), loader={"gpu_wait_ms": interval(1.0)}, fetch={"bytes_per_batch": 1e5}),
        ),
        (STARVED, no_loader()),
    ),
    "shared-memory-low": Cases(
        (
            run_of(machine=make_machine(shm_total_bytes=64 << 20, shm_peak_bytes=60 << 20)),
            run_of(machine=make_machine(shm_total_bytes=16_000_000)),
        ),
        (STARVED, LONE),
        (run_of(machine=make_machine(shm_total_bytes=None)),),
    ),
    "worker-memory-growth": Cases(
        (
            run_of(machine=make_machine(worker_memory=GROWING)),
            run_of(machine=make_machine(worker_memory=WorkerMemory(2, 40e6, 4e8, 9e8, 8e8, 2e8, 1e6))),
            # Taken anew, for long enough.
            run_of(machine=make_machine(worker_memory=replace(GROWING, resident_growth_bytes=GROWING.growth_bytes))),
        ),
        (
            run_of(machine=make_machine(worker_memory=WorkerMemory(4, 1e3, 1e5, 8e9, 2e9))),
            LONE,
            # Warm-up: all of it in the first half.
            run_of(machine=make_machine(worker_memory=replace(GROWING, late_growth_bytes=1e6))),
            # Pages of the interpreter's own, copied as the workers start.
            run_of(machine=make_machine(worker_memory=WorkerMemory(2, 20e6, 1.2e8, 4e8, 8e8, 6e7, 1e6))),
            # Buffers of the allocator in a run of some seconds.
            run_of(machine=make_machine(worker_memory=WorkerMemory(2, 13e6, 1e8, 4e8, 8e8, 5e7, 1.6e8))),
        ),
        (STARVED,),
    ),
    "slow-step-code": Cases(
        (
            run_of(
                ranks=phases(input_wait=1.0, forward=2.0, other_in_step=3.0), hot_lines=(WORK_LINE,), stacks=SAMPLED
            ),
            # Something of torch that is neither model nor optimizer.
            run_of(
                ranks=phases(input_wait=1.0, forward=2.0, other_in_step=3.0),
                hot_lines=(
                    replace(
                        WORK_LINE,
                        callee=Callee("torch", "state_dict"),
                        stack=(Place(MODULE_PY, 9, "Module.state_dict"),),
                    ),
                ),
                stacks=SAMPLED,
            ),
            # A sampler that goes over the data as each epoch begins.
            run_of(
                ranks=phases(loader_startup=3.0, input_wait=1.0, forward=2.0),
                hot_lines=(replace(WORK_LINE, activity="between loops", seconds=2.5),),
                stacks=SAMPLED,
            ),
            own_loop(MODEL_LINE, WORK_LINE),
            READING,
            run_of(ranks=phases(input_wait=7.0, forward=3.0), hot_lines=(SAMPLER_LINE,), stacks=SAMPLED),
        ),
        (
            SLEEPING,
            run_of(
                ranks=phases(input_wait=1.0, forward=2.0, other_in_step=3.0),
                hot_lines=(
                    replace(
                        WORK_LINE, callee=Callee("torch", "Linear"), stack=(Place(MODULE_PY, 9, "Module._call_impl"),)
                    ),
                ),
                stacks=SAMPLED,
            ),
            # Workers are started there.
            run_of(
                ranks=phases(loader_startup=3.0, input_wait=1.0, forward=2.0),
                hot_lines=(
                    replace(
                        WORK_LINE, activity="between loops", seconds=2.5, callee=Callee("multiprocessing", "_launch")
                    ),
                ),
                stacks=SAMPLED,
            ),
            run_of(
                ranks=phases(input_wait=1.0, forward=5.0, other_in_step=0.1), hot_lines=(WORK_LINE,), stacks=SAMPLED
            ),
            run_of(
                ranks=phases(input_wait=1.0, forward=2.0, other_in_step=3.0),
                hot_lines=(
                    make_hot_line(
                        process_role="trainer", activity="step", source="time.sleep(x)", sleeps=True, blocked_share=0.95
                    ),
                ),
                stacks=SAMPLED,
            ),
            FED,
            # A loss is the model's where no phase tells the forward.
            own_loop(
                MODEL_LINE, replace(MODEL_LINE, line=9, stack=(Place("/v/torch/nn/functional.py", 3, "cross_entropy"),))
            ),
        ),
        (
            no_loader(),
            run_of(ranks=phases(input_wait=1.0, other_in_step=3.0)),
            own_loop(WORK_LINE, BACKWARD_LINE),
            replace(READING, devices=(make_device(),)),
        ),
    ),
    "step-sync": Cases(
        (
            run_of(8.0, hot_lines=(SYNC_LINE,), stacks=SAMPLED),
            run_of(8.0, hot_lines=(replace(SYNC_LINE, blocked_share=None),), stacks=SAMPLED),
        ),
        (
            run_of(8.0, hot_lines=(WORK_LINE,), stacks=SAMPLED),
            run_of(60.0, hot_lines=(SYNC_LINE,), stacks=SAMPLED),
            own_loop(MODEL_LINE, replace(HANDED_LINE, callee=Callee("threading", "wait"), blocked_share=0.9)),
        ),
        (no_loader(), STARVED),
    ),
    "periodic-pause": Cases(
        (run_of(8.0, ranks=(make_rank(long_steps=long_steps()),)),),
        (
            HIDDEN,
            run_of(8.0, ranks=(make_rank(long_steps=long_steps(share=0.02)),)),
            run_of(8.0, ranks=(make_rank(long_steps=long_steps(regular=False)),)),
            run_of(8.0, ranks=(make_rank(long_steps=long_steps(cause="evaluation")),)),
        ),
        (no_loader(), FEW_STEPS),
    ),
    "evaluation-share": Cases(
        (run_of(8.0, ranks=phases(startup=3.0, input_wait=1.0, forward=3.0, evaluation=6.0)),),
        (run_of(8.0, ranks=phases(startup=3.0, input_wait=1.0, forward=9.0, evaluation=1.0)),),
        (no_loader(), run_of(loader={"role": "inference"})),
    ),
    "gc-pause": Cases(
        (run_of(8.0, ranks=(make_rank(gc_seconds=3.0, gc_collections=40),)), run_of(fetch={"gc_ms": 10.0})),
        (STARVED, HIDDEN),
        (no_loader(), FEW_STEPS),
    ),
    "slow-startup": Cases(
        (
            run_of(8.0, ranks=(make_rank(first_batch_s=12.0),)),
            run_of(
                8.0,
                ranks=(make_rank(first_batch_s=12.0),),
                hot_lines=(replace(WORK_LINE, activity="startup", share=0.4, seconds=4.8),),
                stacks=SAMPLED,
            ),
        ),
        (
            HIDDEN,
            # Libraries were imported, and little else.
            run_of(
                8.0,
                ranks=(make_rank(first_batch_s=12.0),),
                hot_lines=(
                    replace(WORK_LINE, activity="importing", share=0.8, seconds=9.6),
                    replace(WORK_LINE, activity="startup", share=0.05, seconds=0.6),
                ),
                stacks=SAMPLED,
            ),
            run_of(8.0, ranks=(make_rank(first_batch_s=3.0, seconds=5.0),)),
        ),
        (run_of(8.0, ranks=(make_rank(first_batch_s=None),)),),
    ),
    "launch-bound": Cases(
        (run_of(8.0, devices=(make_device(),), loader={"compute_cpu_share": 0.97}),),
        (
            run_of(8.0, devices=(make_device(busy=0.95),), loader={"compute_cpu_share": 0.97}),
            run_of(30.0, devices=(make_device(),), loader={"compute_cpu_share": 0.97}),
        ),
        (HIDDEN, no_loader()),
    ),
    "gpu-throttled": Cases(
        (
            run_of(devices=(make_device(throttle={"hw thermal": 0.6}),)),
            run_of(devices=(make_device(throttle={"power cap": 0.9}, sm_mhz=1500.0),)),
        ),
        (
            run_of(devices=(make_device(throttle={"idle": 0.5}),)),
            run_of(devices=(make_device(throttle={"power cap": 0.9}),)),
        ),
        (STARVED, run_of(devices=(make_device(unsupported=("throttle",)),))),
    ),
    "gpu-shared": Cases(
        (run_of(devices=(make_device(other_pids=(999,), foreign_memory_bytes=9 << 30),)),),
        (run_of(devices=(make_device(),)),),
        (STARVED,),
    ),
    "gpu-memory-near-limit": Cases(
        (run_of(devices=(make_device(memory_peak_bytes=79 << 30),)),),
        (run_of(devices=(make_device(),)),),
        (STARVED, run_of(devices=(make_device(memory_peak_bytes=None),))),
    ),
    "low-sm-activity": Cases(
        (run_of(8.0, devices=(make_device(busy=0.97, sm_active=0.1),)),),
        (
            run_of(8.0, devices=(make_device(busy=0.97, sm_active=0.8),)),
            run_of(devices=(make_device(busy=0.97, sm_active=0.1),)),
        ),
        (STARVED, run_of(devices=(make_device(sm_active=None),))),
    ),
    "straggler-rank": Cases(
        (run_of(ranks=ranks((20.0, 14.0), (20.0, 5.0), (20.0, 14.0))),),
        (run_of(ranks=ranks((20.0, 14.0), (20.0, 13.5))),),
        (STARVED,),
    ),
    "communication-bound": Cases(
        (
            run_of(ranks=ranks((20.0, 14.0), (20.0, 13.5)), stacks=SAMPLED, hot_lines=(BACKWARD_LINE,)),
            run_of(
                ranks=ranks((20.0, 14.0), (20.0, 13.5)),
                stacks=SAMPLED,
                hot_lines=(
                    make_hot_line(
                        process_role="trainer",
                        activity="step",
                        source="dist.all_reduce(g)",
                        callee=Callee("torch", "wait"),
                        share=0.5,
                    ),
                ),
            ),
        ),
        (
            run_of(ranks=ranks((20.0, 14.0), (20.0, 13.5)), stacks=SAMPLED, hot_lines=(WORK_LINE,)),
            run_of(
                ranks=ranks((20.0, 14.0), (20.0, 13.5)),
                stacks=SAMPLED,
                hot_lines=(BACKWARD_LINE,),
                loader={"compute_cpu_share": 0.98},
            ),
        ),
        (STARVED, run_of(ranks=ranks((20.0, 14.0), (20.0, 13.5)))),
    ),
}

MODEL_LOADER: LoaderProfile = STARVED.loaders[0]
