"""The parts of a profile, each with defaults that fit the others: a healthy input-bound run on eight cores.

Two workers, 30 ms of work a batch, 10 ms of device. Every field can be changed by name.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from gpuwatch.model.hot_lines import Callee, HotLine, StackQuality
from gpuwatch.model.loader_profile import (
    FetchProfile,
    LoaderProfile,
    OperationProfile,
    QueueProfile,
    SamplerProfile,
    WorkerStops,
)
from gpuwatch.model.machine_profile import DeviceProfile, MachineProfile
from gpuwatch.model.measures import Interval, Phase, Place
from gpuwatch.model.process_state import ProcessState, Updated
from gpuwatch.model.profile import Costs, Overhead, Profile, RankProfile
from gpuwatch.model.recording import RunInfo
from gpuwatch.model.trend import PartTrend, Trend

SECOND = 1_000_000_000


def interval(median: float, spread: float = 0.05, n: int = 100) -> Interval:
    """Return an interval of ± spread (a share of the median)."""
    return Interval(median, median * (1 - spread), median * (1 + spread), n)


def make_run(**changes: Any) -> RunInfo:
    """Return a finished run of `python train.py`."""
    run = RunInfo(
        id="20261120-120000",
        name=None,
        command=("python", "train.py"),
        cwd="/home/me/project",
        host="node1",
        started_wall_ns=1_795_000_000 * SECOND,
        started_ns=1000 * SECOND,
        ended_ns=1060 * SECOND,
        exit_code=0,
        gpuwatch="0.1.0",
    )
    return replace(run, **changes)


def make_fetch(**changes: Any) -> FetchProfile:
    """Return a fetch of 30 ms, all of it CPU, in a worker that is always busy."""
    fetch = FetchProfile(
        n=200,
        wall_ms=interval(30.0),
        mean_wall_ms=30.0,
        p95_wall_ms=33.0,
        max_wall_ms=40.0,
        cpu_ms=29.5,
        process_cpu_ms=29.5,
        delay_ms=0.2,
        blocked_ms=0.3,
        index_wait_ms=0.4,
        busy_share=0.98,
        collate_ms=1.0,
        serialise_ms=0.5,
        bytes_per_batch=4_000_000.0,
        tensors_per_batch=2.0,
        float_bytes_share=1.0,
        samples_per_batch=32.0,
        read_bytes_per_batch=0.0,
        rchar_per_batch=3_000_000.0,
        slow_share=0.0,
    )
    return replace(fetch, **changes)


def make_operation(name: str = "RandomRotation", **changes: Any) -> OperationProfile:
    """Return a transform that takes half of the fetch."""
    operation = OperationProfile(
        name=name,
        kind="transform",
        share=0.5,
        ms_per_sample=0.47,
        where=Place("/home/me/project/train.py", 20, None),
        position=1,
        pixels_in=3_000_000.0,
        pixels_out=3_000_000.0,
    )
    return replace(operation, **changes)


def make_loader(**changes: Any) -> LoaderProfile:
    """Return the training loader: 2 workers, 15 ms steps of which 5 ms are waited."""
    loader = LoaderProfile(
        id="r0.l0",
        rank=0,
        role="training",
        dataset="Photos",
        dataset_where=Place("/home/me/project/data.py", 12, "Photos"),
        created_where=Place("/home/me/project/train.py", 40, "main"),
        workers=2,
        batch_size=32,
        prefetch=2,
        persistent=False,
        pin_memory=False,
        in_order=True,
        start_method="fork",
        dataset_length=32_000,
        iterators=1,
        batches=1000,
        steps=990,
        seconds=15.0,
        steps_per_s=66.7,
        samples_per_s=2133.0,
        step_ms=interval(15.0),
        wait_ms=interval(5.0),
        compute_ms=interval(10.0),
        gpu_wait_ms=None,
        wait_share=Interval(0.33, 0.31, 0.35, 990),
        wait_clock="host",
        wait_seconds=5.0,
        compute_cpu_share=0.1,
        epoch_batches=1000.0,
        startup_s=(0.15,),
        first_batch_s=(0.2,),
        queue=QueueProfile(ready_share=0.05, mean_ready=0.1, late_share=0.0, awaited_skew=0.5),
        fetch=make_fetch(),
        operations=(make_operation(),),
        worker_pids=(101, 102),
    )
    return replace(loader, **changes)


def make_sampler(**changes: Any) -> SamplerProfile:
    """Return a batch sampler of the user's own that takes 20 ms for each batch, two thirds of the loop."""
    sampler = SamplerProfile(
        seconds=20.0,
        ms_per_batch=20.0,
        start_seconds=(0.1,),
        share=0.66,
        name="Groups",
        where=Place("/home/me/project/data.py", 30, "Groups.__iter__"),
    )
    return replace(sampler, **changes)


def make_stops(**changes: Any) -> WorkerStops:
    """Return four stops of workers that take 5 s each, because a thread still runs in them."""
    stops = WorkerStops(
        count=4,
        seconds=20.0,
        at_exit_s=0.0,
        left_behind="Thread-1 (watch)",
        left_where=Place("/home/me/project/data.py", 8, "start"),
        left_in=8,
        drops=0,
        drop_where=None,
        drop_by=None,
    )
    return replace(stops, **changes)


def make_machine(**changes: Any) -> MachineProfile:
    """Return a quiet machine of eight cores."""
    machine = MachineProfile(
        cores=8,
        affinity_cores=8,
        quota_cores=None,
        usable_cores=8.0,
        busy_cores=2.4,
        run_cores=2.3,
        other_cores=0.1,
        spare_cores=5.6,
        cpu_pressure=0.01,
        io_pressure=0.0,
        memory_pressure=0.0,
        throttled_share=None,
        threads_per_worker=1.0,
        library_threads=1,
        shm_total_bytes=16 << 30,
        shm_peak_bytes=100 << 20,
        memory_total_bytes=64 << 30,
        memory_low_bytes=40 << 30,
        worker_memory=None,
        worker_delay_share=0.01,
    )
    return replace(machine, **changes)


def make_rank(**changes: Any) -> RankProfile:
    """Return rank 0 with phases that sum to 20 s."""
    seconds = {
        "startup": 3.0,
        "loader startup": 0.2,
        "input wait": 5.0,
        "forward": 3.0,
        "backward": 5.0,
        "optimizer": 2.0,
    }
    seconds |= {"other in-step": 0.5, "between loops": 0.5, "shutdown": 0.5, "unexplained": 0.3}
    rank = RankProfile(
        rank=0,
        local_rank=0,
        world_size=1,
        host="node1",
        pid=100,
        python="3.11.7",
        torch="2.15.0",
        device=None,
        seconds=20.0,
        phases=tuple(Phase(name, value, value / 20.0) for name, value in seconds.items()),
        steps=990,
        warmup_steps=6,
        step_ms=interval(15.0),
        wait_share=Interval(0.33, 0.31, 0.35, 990),
        backward_ms=5.0,
        long_steps=None,
        gc_seconds=0.0,
        gc_collections=0,
        hook_us_per_step=8.0,
        first_batch_s=3.2,
    )
    return replace(rank, **changes)


def make_device(**changes: Any) -> DeviceProfile:
    """Return an H100 that is 41 % busy."""
    device = DeviceProfile(
        index=0,
        uuid="GPU-00000000-0000-0000-0000-000000000000",
        name="NVIDIA H100",
        busy=0.41,
        sm_active=0.22,
        occupancy=0.15,
        tensor_active=0.05,
        dram_active=0.12,
        memory_used_bytes=30 << 30,
        memory_total_bytes=80 << 30,
        memory_peak_bytes=31 << 30,
        power_w=230.0,
        power_limit_w=700.0,
        energy_j=4600.0,
        temperature_c=48.0,
        sm_mhz=1980.0,
        sm_mhz_max=1980.0,
        ranks=(0,),
    )
    return replace(device, **changes)


def make_costs(**changes: Any) -> Costs:
    """Return the step model's parameters of the default loader."""
    costs = Costs(
        device_ms=10.0,
        work_ms=30.0,
        work_cpu_ms=29.5,
        workers=2,
        cores=7.6,
        spare_cores=5.6,
        batches=1000.0,
        iterators=1.0,
        startup_s=0.2,
        step_ms=15.0,
        seconds=15.2,
    )
    return replace(costs, **changes)


def make_hot_line(**changes: Any) -> HotLine:
    """Return the line that opens an image in a worker."""
    line = HotLine(
        file="/home/me/project/data.py",
        line=48,
        function="__getitem__",
        process_role="worker",
        share=0.41,
        seconds=12.0,
        waited_share=0.45,
        activity="fetch",
        callee=Callee("PIL", "decode"),
        source='image = Image.open(path).convert("RGB")',
        samples=400,
        speedup_if_free=1.5,
    )
    return replace(line, **changes)


def make_profile(loader: LoaderProfile | None = None, **changes: Any) -> Profile:
    """Return a whole profile; `loader` becomes the primary one, `loader=None` keeps the default."""
    primary = loader or make_loader()
    profile = Profile(
        run=make_run(),
        seconds=20.0,
        ranks=(make_rank(),),
        loaders=(primary,),
        primary=primary,
        machine=make_machine(),
        devices=(),
        hot_lines=(),
        stacks=StackQuality("none", 0, "none", "no samples"),
        unentered=(),
        costs=make_costs(),
        overhead=Overhead(8.0, 0.004, 200_000),
        seen_pythons=1,
        torch_seen=True,
    )
    return replace(profile, **changes)


def make_state(**changes: Any) -> ProcessState:
    """Return the state of a training process in which nothing is on that should not be: read six times."""
    state = ProcessState(
        readings=6,
        updated=Updated("SGD", "cpu", 62, 11_000_000),
        torch_threads=4,
        hooks_per_step=0.0,
        switch_interval_s=0.005,
        flushes_denormals=False,
        deterministic=False,
        cudnn_benchmark=False,
    )
    return replace(state, **changes)


def make_trend(part: str = "backward", first: float = 10.0, last: float = 10.0, **changes: Any) -> Trend:
    """Return the trend of 990 steps of which one part goes from `first` to `last` ms, beside 5 ms that stay the same."""
    growth = last - first
    slope = interval(growth / 9.9, 0.1, 990)
    trend = Trend(
        shape="steady" if growth == 0 else "growing",
        steps=990,
        whole=PartTrend("step", slope, first + 5.0, last + 5.0),
        parts=(PartTrend("forward", interval(0.0, 0.1, 990), 5.0, 5.0), PartTrend(part, slope, first, last)),
        mean_ms=(first + last) / 2 + 5.0,
        batches_ratio=1.0,
        memory_slope=0.0,
        cpu_growth_ms=growth,
    )
    return replace(trend, **changes)
