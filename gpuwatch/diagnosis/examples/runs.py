"""Runs made of these parts: consistent with themselves, and shared by the cases of several rules."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from gpuwatch.analyze.costs import measure_costs
from gpuwatch.diagnosis.examples.parts import (
    interval,
    make_fetch,
    make_hot_line,
    make_loader,
    make_machine,
    make_operation,
    make_profile,
    make_rank,
    make_sampler,
)
from gpuwatch.model.gpu_time import Counts, GpuGain, GpuShares, GpuTime
from gpuwatch.model.hot_lines import INPUT, Callee, HotLine, StackQuality
from gpuwatch.model.loader_profile import Feed, QueueProfile, SamplerProfile
from gpuwatch.model.machine_profile import MachineProfile, WorkerMemory
from gpuwatch.model.measures import Interval, Phase, Place
from gpuwatch.model.profile import LongSteps, Profile
from gpuwatch.model.threads import Line, OtherThreads, TrainerThreads
from gpuwatch.model.worker_profile import CpuMasks, Kept, WorkersProfile
from gpuwatch.words.gpu_trace import BUSY_CLASSES, CLASS_KEYS

MODULE_PY = "/v/lib/python3.11/site-packages/torch/nn/modules/module.py"
SAMPLED = StackQuality("py-spy", 500, "high", "")


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
        # The first one is part of the start-up.
        "batches": 1001,
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
    """Return a run of some passes; its workers are new in each, unless they persist."""
    return run_of(
        work_ms,
        workers=workers,
        loader={
            "iterators": passes,
            "first_batch_s": (first_s,) * passes,
            "startup_s": (first_s * 0.7,) * passes,
            "epoch_batches": float(batches),
            "batches": passes * batches,
            "worker_starts": 0 if not workers else 1 if loader.get("persistent") else passes,
        }
        | loader,
    )


def sampler_run(workers: int = 2, sampler: SamplerProfile | None = None, **changes: Any) -> Profile:
    """Return a loop of 10 ms steps that waits 20 ms for its sampler in each: what batches cost is hidden."""
    settings: dict[str, Any] = {"hot_lines": (SAMPLER_LINE,), "stacks": SAMPLED} | changes
    made = sampler or make_sampler()
    step = 10.0 + made.ms_per_batch + (0.0 if workers else 1.0)
    share = 1.0 - 10.0 / step
    loader: dict[str, Any] = {
        "sampler": made,
        "step_ms": interval(step),
        "wait_ms": interval(step - 10.0),
        "wait_share": Interval(share, 0.97 * share, min(1.03 * share, 1.0), 990),
        "seconds": 0.99 * step,
        "wait_seconds": 0.99 * (step - 10.0),
        "queue": QueueProfile(ready_share=1.0, mean_ready=2.0, late_share=0.0, unmade_share=0.0),
    }
    return run_of(1.0, 10.0, workers, loader=loader, fetch={"busy_share": 0.03, "index_wait_ms": 28.0}, **settings)


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


# Two cores that are used up, by this run.
BOTH = make_machine(
    cores=2, usable_cores=2.0, affinity_cores=2, spare_cores=0.05, busy_cores=1.95, run_cores=1.9, other_cores=0.05
)


def contended(delay: float = 0.3, **changes: Any) -> Profile:
    """Return a training on the CPU whose batches are there in time, but are made on the cores that it needs."""
    settings: dict[str, Any] = {
        "machine": BOTH,
        "ranks": (make_rank(device="cpu", run_queue_delay_share=delay),),
    } | changes
    profile = run_of(40.0, 50.0, 2, cores=2.0, loader={"compute_cpu_share": settings.pop("cpu", 0.95)}, **settings)
    assert profile.costs is not None
    queued = replace(profile.costs, queued_ms=50.0 * delay, load=0.8)
    return replace(profile, costs=queued)


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
EAGER_LINE = replace(
    WORK_LINE,
    activity="between loops",
    stack=(
        Place("/v/site-packages/torch/utils/data/dataloader.py", 703, "_BaseDataLoaderIter._reset"),
        Place("/home/me/project/data.py", 48, "Groups.__iter__"),
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
    """Return a loop that is not over a DataLoader, with these lines; its steps are detected by the optimizer."""
    no_wait = {"wait_ms": None, "wait_share": None, "wait_seconds": 0.0, "seconds": 9.9, "compute_cpu_share": 0.95}
    reported = {"own_loop": True, "fetch": None, "operations": (), "queue": None} | no_wait | changes.pop("loader", {})
    settings: dict[str, Any] = {"ranks": phases(backward=1.0, other_in_step=5.0), "stacks": SAMPLED} | changes
    return run_of(0.0, workers=0, loader=reported, hot_lines=lines, **settings)


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
# ... or the loop's own thread, which is met where its loop gets the next batch.
FEED_LINE = replace(WORK_LINE, activity=INPUT, share=0.3, source="words = [stem(word) for word in text.split()]")


def fed(share: float, *lines: HotLine, reach: float = 0.04, **changes: Any) -> Profile:
    """Return a loop whose own thread makes its batches for a share of each step of 20 ms."""
    known = Interval(share, share - reach, share + reach, 400)
    loader = {
        "feed": Feed(known),
        "wait_share": known,
        "step_ms": interval(20.0),
        "wait_ms": interval(20.0 * share),
        "compute_ms": interval(20.0 * (1 - share)),
        "seconds": 19.8,
        "wait_seconds": 19.8 * share,
    }
    return own_loop(MODEL_LINE, *lines, loader=loader | changes.pop("loader", {}), **changes)


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


def stream(
    workers: int, batches: tuple[float, ...] | None, work_ms: float = 30.0, device_ms: float = 10.0, **seen: Any
) -> Profile:
    """Return a training over an iterable dataset whose workers delivered these batches per epoch; None: unknown."""
    at_work = sum(batches) / max(batches) if batches else float(workers)
    known: dict[str, Any] = {"workers": workers, "processes": workers, "epochs": 3, "ended": 0, "samples": None}
    machine = seen.pop("machine", None)
    known |= {"at_work": at_work, "batches": batches} | seen
    profile = WorkersProfile(**known) if batches else None
    step = max(device_ms, work_ms / at_work)
    wait = (step - device_ms) / step
    return run_of(
        work_ms,
        device_ms,
        workers,
        machine=machine,
        loader={
            "dataset_kind": "iterable",
            "workers_seen": profile,
            "step_ms": interval(step),
            "seconds": 0.99 * step,
            "wait_ms": interval(step - device_ms),
            "wait_seconds": 0.99 * (step - device_ms),
            "wait_share": Interval(wait, wait * 0.97, wait * 1.03, 990),
        },
    )


def keeping(kind: str, grown: float, cost_ratio: float = 1.02, processes: int = 10, **more: Any) -> Profile:
    """Return five epochs of 20 batches whose dataset keeps its samples, in workers that are new each time."""
    kept = Kept("Tiles.kept", kind, grown, more.pop("kept_epochs", 5), cost_ratio)
    seen = WorkersProfile(2, processes, 5, 0, (10.0, 10.0), None, 2.0, kept=kept, rss_growth_bytes=40e6)
    return epochs(5, 0.2, 20, workers_seen=seen, dataset_length=320, **more)


def masked(by: str | None, device_ms: float = 10.0, **masks: Any) -> Profile:
    """Return a training of two workers, 30 ms a batch, on one core that a mask has left them of eight."""
    known: dict[str, Any] = dict.fromkeys(("online", "allowed", "given", "started", "trainer", "workers"), 8)
    known |= {"idle_outside": 6.5, "used_inside": 1.0} | masks
    machine = make_machine(
        cores=8, usable_cores=1.0, spare_cores=0.0, other_cores=0.0, masks=CpuMasks(narrowed_by=by, **known)
    )
    return run_of(30.0, device_ms, 2, cores=1.0, machine=machine, loader={"compute_cpu_share": 0.0})


# Threads beside the training's own: one that plans in Python, a pool of eight, one that waits.
PLANNING = OtherThreads(
    "plan", 1, 0.95, 0.9, 1.0, "nothing", Line(Place("/home/me/project/plan.py", 12, "plan"), "cost = sum(costs)")
)
POOLED = replace(
    PLANNING, name="read", count=8, pooled=True, pool=Line(Place("/home/me/t.py", 9, "main"), "ThreadPoolExecutor(8)")
)


def beside(*others: OtherThreads, cpu: float = 0.1, **changes: Any) -> Profile:
    """Return a training whose batches are there, and whose thread is on a core for so much of the step beside other threads."""
    threads = (TrainerThreads(0, cpu, 0.0, others),)
    loader = {"compute_cpu_share": cpu} | changes.pop("loader", {})
    return run_of(8.0, loader=loader, threads=threads, **changes)


def traced_by(shares: dict[str, float], *gains: GpuGain, **changes: Any) -> Profile:
    """Return the profile of a GPU trace of five steps; what no class has of the device's time is compute."""
    whole = {"compute": 1.0 - sum(shares.values()), **shares}
    settings: dict[str, Any] = {
        "device": 0,
        "rank": 0,
        "span_ms": 500.0,
        "steps": 5,
        "idle_share": sum(part for name, part in shares.items() if name not in BUSY_CLASSES),
        "shares": GpuShares(**whole),
        "steps_by": "profiler steps",
        "step_ms": interval(100.0),
        "counts": Counts(activities=5000, launches=5000, kernel_us=8.0),
        "gains": gains,
        "in_largest_step": dict.fromkeys(CLASS_KEYS, 0.25),
    }
    return replace(no_loader(), ranks=(), gpu_time=(GpuTime(**(settings | changes)),), torch_seen=True)


# A trace of a device whose graphs replay unseen.
UNMEASURED = traced_by({"unknown": 0.9}, unmeasured="work not recorded")
