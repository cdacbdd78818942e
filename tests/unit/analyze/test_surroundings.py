"""Machine, GPUs, hot lines, lanes, gaps and own cost, against recordings whose numbers are known."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gpuwatch.analyze.lines.blocked import share_of_line
from gpuwatch.analyze.lines.callees import callee as callee_of
from gpuwatch.analyze.lines.frames import activity_of, own_line, read_frames
from gpuwatch.build_report import build
from gpuwatch.store.reader import read
from tests.spools import MS, SECOND, START, FakeLog, FakeRun, primary_of, report_of

SITE = "/venv/lib/python3.11/site-packages"
LOOP = ["_worker_loop", f"{SITE}/torch/utils/data/_utils/worker.py", 300]
FETCH = ["_MapDatasetFetcher.fetch", f"{SITE}/torch/utils/data/_utils/fetch.py", 54]
ITEM = ["Photos.__getitem__", "/home/me/data.py", 12]
NEXT = ["_BaseDataLoaderIter.__next__", f"{SITE}/torch/utils/data/dataloader.py", 700]
BOOT = ["Thread._bootstrap", "/usr/lib/python3.11/threading.py", 1002]
FEED = ["Queue._feed", "/usr/lib/python3.11/multiprocessing/queues.py", 250]
MAIN = ["<module>", "/home/me/train.py", 30]


def training(run: FakeRun, seconds: int = 10, **header: object) -> None:
    """A training with one worker: steps of 100 ms that wait for 20."""
    trainer = run.trainer(**header)
    trainer.add("meta", t=trainer.now, key="affinity", value=8)
    worker = run.worker(201, 0, at=trainer.now + MS)
    trainer.loop(batches=10 * seconds, wait_ms=20, compute_ms=80, workers=[(0, 201)], make_ms=2)
    for index in range(10 * seconds):
        worker.fetch(index, 90, idle_ms=10, delay_ns=9 * MS)


def ticks(run: FakeRun, seconds: int = 10) -> FakeLog:
    """Sampled every second: 16 cores of which 4.5 are busy; the trainer uses 1, its worker 0.5, gpuwatch 0.01."""
    sampler = run.sampler()
    for second in range(seconds + 1):
        t = START + second * SECOND
        sampler.now = t
        sampler.add("cpu", t=t, interval_ns=SECOND, busy=[1.0, 1.0, 1.0, 1.0, 0.5] + [0.0] * 11)
        sampler.add("tick", t=t, late_ns=0, cpu_ns=second * 4 * MS, rss_bytes=1)
        sampler.add(
            "memory", t=t, total_bytes=100, available_bytes=50 - second, shm_total_bytes=20, shm_used_bytes=second
        )
        sampler.add("pressure", t=t, cpu_some_us=second * 250_000, io_some_us=0)
        sampler.add("cgroup", t=t, version=2, quota_cores=6.0, periods=second * 10, throttled_periods=second * 2)
        for pid, role, cores, rss in (
            (100, "tree", 1.0, 5000),
            (201, "tree", 0.5, 1000 + 10 * second),
            (99, "gpuwatch", 0.01, 7),
        ):
            cpu = int(cores * second * SECOND)
            sampler.add("process", t=t, pid=pid, role=role, cpu_ns=cpu, delay_ns=0, rss_bytes=rss, threads=3)
    return sampler


def test_cores_are_the_runs_the_others_and_spare(run: FakeRun) -> None:
    training(run)
    ticks(run)
    machine = report_of(run).machine
    assert (machine.cores, machine.affinity_cores, machine.quota_cores, machine.usable_cores) == (16, 8, 6.0, 6.0)
    assert machine.busy_cores == pytest.approx(4.5)
    assert machine.run_cores == pytest.approx(1.5)
    assert machine.other_cores == pytest.approx(2.99)  # without what gpuwatch itself used
    assert machine.spare_cores == pytest.approx(4.5)
    assert machine.cpu_pressure == pytest.approx(0.25)
    assert machine.io_pressure == 0.0
    assert machine.memory_pressure is None
    assert machine.throttled_share == pytest.approx(0.2)
    assert machine.threads_per_worker == 3
    assert machine.worker_delay_share == pytest.approx(0.1)
    assert (machine.memory_low_bytes, machine.shm_peak_bytes) == (40, 10)
    assert machine.worker_memory is not None
    assert machine.worker_memory.growth_bytes_per_s == pytest.approx(10)
    assert machine.worker_memory.trainer_rss_bytes == 5000


def test_without_a_sampler_nothing_of_the_machine_is_zero(run: FakeRun) -> None:
    training(run)
    report = report_of(run)
    machine = report.machine
    unknown = (machine.busy_cores, machine.run_cores, machine.spare_cores, machine.quota_cores, machine.cpu_pressure)
    assert unknown == (None,) * 5
    assert machine.throttled_share is None and machine.memory_low_bytes is None and machine.worker_memory is None
    assert machine.usable_cores == 8
    assert report.overhead.sampler_cpu_share is None
    assert report.gaps[0].source == "sampler"
    assert report.devices == ()


def test_own_cost(run: FakeRun) -> None:
    training(run)
    ticks(run)
    overhead = report_of(run).overhead
    assert overhead.hook_us_per_step == 8
    assert overhead.sampler_cpu_share == pytest.approx(0.004)
    assert overhead.dropped_events == 0
    assert overhead.spool_bytes > 10_000


def test_what_the_machine_lacks_is_told_but_is_no_missing_data(run: FakeRun) -> None:
    training(run, seconds=20)
    sampler = ticks(run, seconds=20)
    sampler.add("meta", t=START, key="source", value={"name": "nvml", "unavailable": "no driver"})
    sampler.add("gap", t0=START + SECOND, t1=START + 2 * SECOND, source="processes", reason="denied")
    report = build(read(run.write()))
    assert {gap.source: gap.reason for gap in report.gaps} == {"nvml": "no driver", "processes": "denied"}
    assert report.timeline is not None
    (lost,) = [lane for lane in report.timeline.lanes if lane.name == "missing data"]
    assert [span[2] for span in lost.spans] == ["processes: denied"]


def test_a_sampler_that_died_leaves_a_gap(run: FakeRun) -> None:
    training(run, seconds=20)
    sampler = ticks(run, seconds=10)
    sampler.add("gap", t0=START + SECOND, t1=START + 2 * SECOND, source="nvml", reason="GPU is lost")
    sampler.add("unentered", t=START, pid=777, command="python -I x.py", reason="-I", remedy="drop -I")
    sampler.add("unentered", t=START, pid=100, command="python train.py", reason="?", remedy="")
    report = report_of(run)
    assert [(gap.source, gap.end_ns - gap.start_ns) for gap in report.gaps] == [
        ("nvml", SECOND),
        ("sampler", 10 * SECOND + 2 * MS),
    ]
    assert [unentered.pid for unentered in report.unentered] == [777]


def gpu(run: FakeRun, sampler: FakeLog, **values: object) -> None:
    sampler.add(
        "device", t=START, device=1, uuid="GPU-abc", name="H200", memory_total_bytes=1000, power_limit_mw=700_000, sm_mhz_max=1980,
        unsupported=["pcie"],
    )  # fmt: skip
    for second in range(11):
        told = {
            "busy": 50,
            "memory_used_bytes": 100 + second,
            "energy_mj": 400_000 * second,
            "reasons": 4 if second > 5 else 1,
        }
        sampler.add("gpu", t=START + second * SECOND, device=1, **(told | values))


def test_a_gpu_and_whose_it_is(run: FakeRun) -> None:
    training(run)
    run.logs[0].add("meta", t=START, key="cuda_devices", value=[[0, "abc", "NVIDIA H200"]]).add(
        "meta", t=START, key="cuda_device", value=0
    )
    sampler = ticks(run)
    gpu(run, sampler, sm_active=30.0, power_mw=1)
    sampler.add("gpu_process", t=START, device=1, pid=100, memory_bytes=70).add(
        "gpu_process", t=START, device=1, pid=5555, memory_bytes=30
    )
    device = report_of(run).devices[0]
    assert (device.index, device.name, device.ranks, device.unsupported) == (1, "H200", (0,), ("pcie",))
    assert (device.busy, device.sm_active, device.tensor_active) == (0.5, pytest.approx(0.3), None)
    assert (device.power_w, device.power_limit_w, device.energy_j) == (pytest.approx(400), 700, 4000)
    assert device.memory_peak_bytes == 110
    assert device.throttle == {"power cap": pytest.approx(0.45, abs=0.06)}
    assert (device.other_pids, device.foreign_memory_bytes) == ((5555,), 30)
    assert report_of(run).ranks[0].device == "NVIDIA H200"


def test_pids_of_another_namespace_are_not_called_foreign(run: FakeRun) -> None:
    training(run)
    sampler = ticks(run)
    gpu(run, sampler)
    sampler.add("gpu_process", t=START, device=1, pid=90_001, memory_bytes=70)
    assert report_of(run).devices[0].other_pids == ()
    assert report_of(run).devices[0].foreign_memory_bytes is None


def test_driver_samples_beat_the_plain_busy_share(run: FakeRun) -> None:
    training(run)
    sampler = ticks(run)
    gpu(run, sampler)
    sampler.add("gpu_busy", t=START + 5 * SECOND, device=1, interval_ns=SECOND, busy=[100, 80, 60])
    report = build(read(run.write()))
    assert report.devices[0].busy == pytest.approx(0.8)
    assert report.timeline is not None
    lane = next(lane for lane in report.timeline.lanes if lane.name == "GPU busy")
    assert lane.t_s == pytest.approx((5 - 2 / 3, 5 - 1 / 3, 5))
    throttling = next(lane for lane in report.timeline.lanes if lane.name == "throttling")
    assert throttling.spans == ((5.0, 10.0, "power cap"),)


def test_lanes_say_when_what_happened(run: FakeRun) -> None:
    training(run)
    ticks(run)
    report = build(read(run.write()))
    assert report.timeline is not None
    lanes = {lane.name: lane for lane in report.timeline.lanes}
    assert {"input wait", "step time", "worker 0", "epochs", "CPU busy", "CPU pressure", "memory used"} <= lanes.keys()
    assert lanes["step time"].values[5] == pytest.approx(100)
    assert lanes["input wait"].t_s[0] == pytest.approx(0.122)
    assert lanes["CPU busy"].values[0] == pytest.approx(4.5)
    start, end, label = lanes["worker 0"].spans[1]
    assert (start, end, label) == (pytest.approx(0.011), pytest.approx(0.101), "fetching")
    assert build(read(run.write()), with_timeline=False).timeline is None


def stack(
    log: FakeLog,
    pid: int,
    frames: list[list[object]],
    weight: int,
    awaited: int | None = None,
    thread: str = "MainThread",
    second: int = 5,
) -> None:
    log.add(
        "stack",
        t0=START + second * SECOND,
        t1=START + (second + 1) * SECOND,
        pid=pid,
        tid=thread,
        frames=frames,
        weight=weight,
        main_in_wait=awaited,
    )


def test_samples_fold_to_the_users_lines(run: FakeRun) -> None:
    training(run)
    log = run.stacks()
    log.now = START
    decode = ["ImageFile.load", f"{SITE}/PIL/ImageFile.py", 300]
    stack(log, 201, [LOOP, FETCH, ITEM, ["Image.convert", f"{SITE}/PIL/Image.py", 900], decode], 60, 30)
    stack(log, 201, [LOOP, FETCH, ["Photos.__getitem__", "/home/me/data.py", 20]], 5, 2)
    stack(log, 201, [LOOP, FETCH, ["Photos.__getitem__.<locals>.<genexpr>", "/home/me/data.py", 20]], 15, 3)
    stack(log, 201, [LOOP, FETCH, ["pad", "/home/me/data.py", 40]], 20, 5)
    stack(log, 201, [LOOP, ["Queue.get", "/usr/lib/python3.11/multiprocessing/queues.py", 113]], 500)
    stack(log, 201, [["helper", "/home/me/data.py", 99]], 700, thread="Thread-9")
    stack(log, 100, [MAIN, ["train", "/home/me/train.py", 44]], 30)
    stack(log, 100, [MAIN, NEXT], 70)
    stack(log, 4711, [ITEM], 1000)
    report = report_of(run)
    found = [(h.process_role, h.activity, h.line, h.share, h.waited_share, h.samples) for h in report.hot_lines]
    assert found == [
        ("trainer", "step", 44, 1.0, None, 30),
        ("worker", "fetch", 12, 0.6, 0.75, 60),
        ("worker", "fetch", 20, 0.2, pytest.approx(5 / 40), 20),
        ("worker", "collate", 40, 0.2, pytest.approx(5 / 40), 20),
    ]
    first = next(line for line in report.hot_lines if line.process_role == "worker")
    assert (str(first.callee), first.file, first.function) == ("PIL decode", "/home/me/data.py", "Photos.__getitem__")
    assert report.hot_lines[1].function == "Photos.__getitem__"
    assert first.seconds == pytest.approx(0.6 * 9.1, rel=0.01)
    assert first.speedup_if_free is not None and first.speedup_if_free > 1.1
    assert len(first.stack) == 5
    assert report.stacks.sampler == "py-spy"


def test_the_timer_speaks_when_nobody_else_does(run: FakeRun) -> None:
    training(run)
    worker = run.logs[1]
    told = {"t": START, "worker": 0, "file": "/home/me/data.py", "function": "f"}
    worker.add(
        "line", line=12, activity="fetch", ticks=30, starved=20, awaited=20, blocked=3, callee="PIL.Image.open", **told
    )
    worker.add("line", line=14, activity="fetch", ticks=10, starved=0, awaited=0, blocked=0, **told)
    worker.add("line", line=90, activity="idle", ticks=500, starved=0, awaited=0, blocked=500, **told)
    report = report_of(run)
    assert [(h.line, h.share, h.waited_share, h.blocked_share) for h in report.hot_lines] == [
        (12, 0.75, 1.0, 0.1),
        (14, 0.25, 0.0, 0.0),
    ]
    called = report.hot_lines[0].callee
    assert called and (str(called), called.library, called.function) == ("PIL.Image.open", "PIL", "open")
    assert (report.stacks.sampler, report.stacks.trust) == ("timer", "low")


def test_a_line_blocks_as_far_as_its_share_tells() -> None:
    assert share_of_line(1.0, 0.7) == pytest.approx(0.7)
    assert share_of_line(0.9, 0.95) == pytest.approx((0.85 / 0.9 + 1) / 2)
    assert share_of_line(0.5, 0.02) == pytest.approx(0.02)
    assert share_of_line(0.5, 0.5) is None


def test_the_cpu_time_of_fetches_tells_whether_their_only_line_blocks(run: FakeRun) -> None:
    training(run)
    for row in run.logs[1].rows:
        if row[0] == "fetch":
            row[6], row[8] = row[6] // 10, 0
    log = run.stacks()
    log.add("burst", t0=START + SECOND, t1=START + 2 * SECOND, hz=100, why="starved", ok=True)
    stack(log, 201, [LOOP, FETCH, ITEM], 100)
    stack(log, 100, [MAIN, ["train", "/home/me/train.py", 44]], 100)
    trainer, worker = report_of(run).hot_lines
    assert worker.blocked_share == pytest.approx(0.9, abs=0.02)
    assert trainer.blocked_share is None  # the trainer told no CPU time


@pytest.mark.parametrize(
    ("frames", "activity", "line", "callee"),
    [
        ([LOOP, FETCH, ITEM], "fetch", 12, None),
        ([LOOP, FETCH, ITEM, ["Compose.__call__", f"{SITE}/torchvision/transforms/transforms.py", 95]], "fetch", 12, "torchvision Compose"),
        ([LOOP, FETCH, ["default_collate", f"{SITE}/torch/utils/data/_utils/collate.py", 398], ["stack", "<__array_function__>", 1]],
         "collate", 398, None),
        ([LOOP, FETCH, ["ImageFolder.__getitem__", f"{SITE}/torchvision/datasets/folder.py", 245],
          ["pil_loader", f"{SITE}/torchvision/datasets/folder.py", 262], ["convert", f"{SITE}/PIL/Image.py", 900]],
         "fetch", 262, "PIL convert"),
        ([LOOP], "idle", None, None),
        ([MAIN, NEXT, FETCH, ITEM], "fetch", 12, None),
        ([MAIN, NEXT], "wait", 30, "torch BaseDataLoaderIter"),
        ([MAIN, ["DataLoader.__iter__", f"{SITE}/torch/utils/data/dataloader.py", 480]], "startup", 30, "torch DataLoader"),
        ([["finalize._exitfunc", "/usr/lib/python3.11/weakref.py", 666]], "shutdown", 666, None),
        ([BOOT, FEED, ["ForkingPickler.dumps", "/usr/lib/python3.11/multiprocessing/reduction.py", 51]],
         "serialise", 250, "multiprocessing pickling"),
        ([BOOT, FEED, ["Condition.wait", "/usr/lib/python3.11/threading.py", 320]], "idle", 250, "threading wait"),
        ([BOOT, FEED], "idle", 250, None),
        ([MAIN, ["_MultiProcessingDataLoaderIter._shutdown_workers", f"{SITE}/torch/utils/data/dataloader.py", 1600]],
         "shutdown", 30, "torch _shutdown_workers"),
    ],
)  # fmt: skip
def test_where_a_stack_stands(frames: list[list[object]], activity: str, line: int | None, callee: str | None) -> None:
    read = read_frames([["measured", "/run/boot/_gpuwatch/fetch.py", 1], *frames])
    assert activity_of(read) == activity
    found = own_line(read)
    called = callee_of(found[1]) if found else None
    assert (found and found[0].line, called and str(called)) == (line, callee)


def test_a_fetch_collates_where_its_own_line_says_so() -> None:
    """A generator that makes samples, and a function that collates them, may have any name."""
    fetcher = Path(importlib.util.find_spec("torch").origin).parent / "utils/data/_utils/fetch.py"  # type: ignore[union-attr, arg-type]
    lines = fetcher.read_text().splitlines()
    makes, gathers = (
        next(i for i, text in enumerate(lines, 1) if call in text) for call in ("next(self.", "collate_fn(data)")
    )
    for at, name, activity in ((makes, "shuffled", "fetch"), (gathers, "__iter__", "collate")):
        fetch = ["_IterableDatasetFetcher.fetch", str(fetcher), at]
        assert activity_of(read_frames([LOOP, fetch, [name, "/home/me/data.py", 3]])) == activity


def test_what_no_source_has_is_left_out_of_a_stack() -> None:
    for torn in ("/me/tr\0in.py", "/me/\ufffd\ufffd.py", "\x7fELF"):
        assert read_frames([MAIN, ["f", torn, 3]]) == ()
    assert read_frames([["<module>", "/me/tables.py", 0]])[0].line == 1, "a file has no line 0"
    assert len(read_frames([MAIN, ["größe", "/home/möwe/日本/train.py", 3]])) == 2


@pytest.mark.parametrize("missing", ["trainer", "workers", "sampler", "iterators", "batches", "everything", "rows"])
def test_any_part_may_be_missing(run: FakeRun, missing: str) -> None:
    training(run)
    ticks(run)
    trainer, worker, sampler = run.logs
    gone = {"trainer": [trainer], "workers": [worker], "sampler": [sampler], "everything": [trainer, worker, sampler]}
    for log in gone.get(missing, []):
        run.logs.remove(log)
    for kind in {"iterators": ["iterator"], "batches": ["batch"]}.get(missing, []):
        trainer.rows = [row for row in trainer.rows if row[0] != kind]
    if missing == "rows":
        for log in run.logs:
            log.rows.clear()
    report = build(read(run.write(ended=missing != "everything", ended_ns=START + 10 * SECOND)))
    assert report.seconds == 10
    for rank in report.ranks:
        assert sum(phase.seconds for phase in rank.phases) == pytest.approx(rank.seconds)


def test_rows_of_an_older_version_lack_columns(run: FakeRun) -> None:
    training(run)
    trainer = run.logs[0]
    trainer.header["columns"]["batch"] = trainer.header["columns"]["batch"][:6]
    trainer.rows = [row[:7] if row[0] == "batch" else row for row in trainer.rows]
    primary = primary_of(report_of(run))
    assert primary is not None
    assert (primary.role, primary.queue and primary.queue.mean_ready) == ("inference", None)
    assert primary.wait_share is not None


PLAUSIBLE = (None, -1, 0, 1.5, 10**18)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    changes=st.lists(
        st.tuples(st.integers(0, 2), st.integers(0, 10**6), st.integers(0, 30), st.sampled_from(PLAUSIBLE)), max_size=6
    )
)
def test_no_single_value_breaks_a_report(run: FakeRun, changes: list[tuple[int, int, int, object]]) -> None:
    run.logs.clear()
    training(run, seconds=1)
    gpu(run, ticks(run, seconds=2))
    for log, row, column, value in changes:
        cells = run.logs[log].rows[row % len(run.logs[log].rows)]
        cells[1 + column % (len(cells) - 1)] = value
    report = build(read(run.write()))
    for rank in report.ranks:
        assert sum(phase.seconds for phase in rank.phases) == pytest.approx(rank.seconds)


def test_imports_and_the_scripts_own_start_are_told_apart(run: FakeRun) -> None:
    training(run)
    log = run.stacks()
    loading = ["_find_and_load", "<frozen importlib._bootstrap>", 1176]
    stack(log, 100, [MAIN, loading, ["<module>", f"{SITE}/torch/__init__.py", 40]], 60, second=-1)
    stack(log, 100, [MAIN, loading, ["<module>", "/home/me/index.py", 7]], 30, second=-1)
    stack(log, 100, [["<module>", "/home/me/train.py", 33]], 10, second=-1)
    lines = [h for h in report_of(run).hot_lines if h.activity in ("startup", "importing")]
    assert [(h.activity, h.file, h.line, h.share) for h in lines] == [
        ("importing", "/home/me/train.py", 30, 0.6),
        ("startup", "/home/me/index.py", 7, 0.3),
        ("startup", "/home/me/train.py", 33, 0.1),
    ]
