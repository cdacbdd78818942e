"""A training that was attached to: what its stack samples say of its loop, its workers and its lines."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gpuwatch.model.report import Report
from tests.spools import MS, SECOND, START, FakeLog, FakeRun, primary_of, report_of

SITE = "/env/lib/python3.11/site-packages"
FILE = "/home/me/train.py"
NEXT = ["_MultiProcessingDataLoaderIter._next_data", f"{SITE}/torch/utils/data/dataloader.py", 1480]
MAIN = [["<module>", FILE, 60], ["main", FILE, 50]]
TRAIN = [*MAIN, ["train", FILE, 10]]
WAITS = [*TRAIN, ["_BaseDataLoaderIter.__next__", f"{SITE}/torch/utils/data/dataloader.py", 700], NEXT]
FORWARD = [*MAIN, ["train", FILE, 11], ["Module._call_impl", f"{SITE}/torch/nn/modules/module.py", 1500]]
BACKWARD = [*MAIN, ["train", FILE, 12], ["Tensor.backward", f"{SITE}/torch/_tensor.py", 500]]
OPTIMIZER = [*MAIN, ["train", FILE, 13], ["SGD.step", f"{SITE}/torch/optim/sgd.py", 80]]
METRIC = [*MAIN, ["train", FILE, 14], ["confusion", FILE, 30]]
VALIDATES = [
    *MAIN,
    ["validate", FILE, 20],
    ["_BaseDataLoaderIter.__next__", f"{SITE}/torch/utils/data/dataloader.py", 700],
]
SCORES = [*MAIN, ["validate", FILE, 21], ["Module._call_impl", f"{SITE}/torch/nn/modules/module.py", 1500]]
LOOP = ["_worker_loop", f"{SITE}/torch/utils/data/_utils/worker.py", 350]
FETCH = ["_MapDatasetFetcher.fetch", f"{SITE}/torch/utils/data/_utils/fetch.py", 54]
DECODES = [LOOP, FETCH, ["Photos.__getitem__", FILE, 5]]
POLLS = ["_ConnectionBase.poll", "/usr/lib/python3.11/multiprocessing/connection.py", 257]
IDLE = [LOOP, ["Queue.get", "/usr/lib/python3.11/multiprocessing/queues.py", 113]]
HZ = 25
LENGTH_S = 20


class Look:
    """A look of 20 s at a trainer (100) and its workers (101, 102, ...); the machine has four cores."""

    def __init__(self, run: FakeRun, cores_of_a_worker: float = 1.0, workers: int = 1) -> None:
        self.run, self.pids = run, [101 + number for number in range(workers)]
        self.attached = FakeLog(run, 98, "attached")
        self.attached.add(
            "training", t=START, pid=100, ppid=1, start_ns=START - 900 * SECOND, command=["python", "train.py"],
            torch="2.9", python="3.11", devices=[], cpu_count=4,
        )  # fmt: skip
        self.stacks, self.sampler = run.stacks(), run.sampler()
        self.end = START + LENGTH_S * SECOND
        self.stacks.add(
            "burst", t0=START, t1=self.end + 50 * MS, hz=HZ, why="attached", ok=True, began=START, cpu_ns=MS
        )
        for second in range(LENGTH_S + 1):
            t = START + second * SECOND
            self.sampler.add("tick", t=t, cpu_ns=0)
            self.sampler.add("cpu", t=t, interval_ns=SECOND, busy=[0.3, 0.3, 0.3, 0.3])
            for pid in (100, *self.pids):
                used = 0.2 if pid == 100 else cores_of_a_worker
                self.sampler.add(
                    "process", t=t, pid=pid, ppid=1 if pid == 100 else 100, role="tree", name="python",
                    cpu_ns=int(second * used * SECOND), delay_ns=0, state="R",
                )  # fmt: skip
        self.stacks.now = self.sampler.now = self.end
        self.at = 0

    def main(self, frames: list[Any], count: int) -> Look:
        """Add samples of the trainer's main thread, in pieces that are spread over the look."""
        self.stacks.add(
            "stack", t0=START, t1=self.end, pid=100, tid="MainThread", frames=frames, weight=count,
            main_in_wait=0, runs=[[self.at, count]],
        )  # fmt: skip
        self.at += count
        return self

    def worker(self, frames: list[Any], count: int, in_wait: int = 0, pid: int = 101) -> Look:
        self.stacks.add(
            "stack", t0=START, t1=self.end, pid=pid, tid="MainThread", frames=frames, weight=count, main_in_wait=in_wait
        )
        return self

    def threads(self, cpu: float) -> Look:
        """Add what the main thread used of a core."""
        self.stacks.add(
            "thread", t0=START, t1=self.end + 50 * MS, pid=100, thread="MainThread",
            cpu_ns=int(cpu * LENGTH_S * SECOND), delay_ns=0,
        )  # fmt: skip
        return self

    def batches(self, first: int, last: int, seconds: float = 16.0) -> Look:
        """Add which batch the worker was told to make at two times."""
        for t, index in ((START + SECOND, first), (START + int((1 + seconds) * SECOND), last)):
            self.stacks.add(
                "loading", t=t, pid=101, worker=0, workers=len(self.pids), persistent=False, dataset="Photos",
                dataset_kind="map", batch_size=8, index=index,
            )  # fmt: skip
        return self

    def report(self) -> Report:
        return report_of(self.run, attached={"pids": [100], "seconds": 20.0, "age_s": 900.0}, exit_code=None)


def written(script: Path, text: str, *stacks: list[list[Any]]) -> list[list[list[Any]]]:
    """Write a script, and return the stacks as ones of it: where some of a run's files are there, all have to be."""
    script.write_text(text + "\n" * 60)
    return [[[f[0], str(script) if f[1] == FILE else f[1], f[2]] for f in stack] for stack in stacks]


def turns(look: Look, waits: int, forward: int, backward: int, optimizer: int, other: int = 0, times: int = 20) -> Look:
    for _ in range(times):
        for frames, count in (
            (WAITS, waits), (FORWARD, forward), (BACKWARD, backward), (OPTIMIZER, optimizer), (METRIC, other),
        ):  # fmt: skip
            if count:
                look.main(frames, count)
    return look


def starved(run: FakeRun) -> Look:
    """12 of 25 samples wait, the one worker is always at work on a core."""
    look = turns(Look(run), 12, 6, 5, 2).threads(cpu=0.5)
    return look.worker(DECODES, 490, in_wait=240).worker(IDLE, 10)


def test_the_share_of_samples_in_next_is_the_input_wait_with_its_interval(run: FakeRun) -> None:
    report = starved(run).report()
    share = report.verdict.input_wait_share
    assert share is not None and share.median == pytest.approx(0.48)
    assert 0.38 <= share.low < 0.48 < share.high <= 0.58 and share.n == 500
    assert (report.verdict.bound, report.verdict.confidence) == ("input", "medium")
    shares = {phase.name: phase.share for phase in report.phases}
    assert shares["input wait"] == pytest.approx(0.48)
    assert shares["forward"] == pytest.approx(0.24) and shares["backward"] == pytest.approx(0.2)
    assert sum(phase.seconds for phase in report.phases) == pytest.approx(report.ranks[0].seconds)


def test_the_cause_comes_first_at_no_more_than_medium_confidence(run: FakeRun) -> None:
    report = starved(run).report()
    assert [finding.id for finding in report.findings][0] == "too-few-workers"
    assert {finding.confidence for finding in report.findings} <= {"medium", "low"}
    loader = primary_of(report)
    assert loader is not None and loader.fetch is not None
    assert loader.workers == 1 and loader.fetch.busy_share == pytest.approx(0.98)


def test_how_long_a_step_takes_is_not_known_without_the_numbers_of_batches(run: FakeRun) -> None:
    report = starved(run).report()
    loader = primary_of(report)
    assert loader is not None and loader.relative
    assert (loader.steps, loader.step_ms, loader.steps_per_s) == (0, None, None)
    assert not any(evidence.unit.startswith("ms") for finding in report.findings for evidence in finding.evidence)


def test_the_numbers_of_batches_tell_the_steps_per_second(run: FakeRun) -> None:
    report = starved(run).batches(100, 260).report()
    loader = primary_of(report)
    assert loader is not None and not loader.relative
    assert loader.steps_per_s == pytest.approx(10.0) and loader.samples_per_s == pytest.approx(80.0)
    assert loader.step_ms is not None and loader.step_ms.median == pytest.approx(100.0)
    assert (loader.dataset, loader.batch_size) == ("Photos", 8)


def test_an_epoch_that_ends_between_two_readings_counts_no_batch_backwards(run: FakeRun) -> None:
    loader = primary_of(starved(run).batches(300, 20).report())
    assert loader is not None and loader.relative


def test_where_epochs_end_between_readings_only_those_close_together_count(run: FakeRun) -> None:
    look = starved(run)
    for t, index in ((1.0, 10), (2.0, 30), (5.0, 25), (6.0, 45), (9.0, 90), (10.0, 110)):
        look.stacks.add("loading", t=START + int(t * SECOND), pid=101, workers=1, batch_size=8, index=index)
    loader = primary_of(look.report())
    assert loader is not None and loader.steps_per_s == pytest.approx(20.0)


def test_batches_made_in_the_trainer_are_told_by_its_own_stacks(run: FakeRun) -> None:
    look = Look(run, workers=0)
    own = [
        *WAITS[:-1],
        ["_SingleProcessDataLoaderIter._next_data", NEXT[1], 760],
        FETCH,
        ["Photos.__getitem__", FILE, 5],
    ]
    for _ in range(20):
        look.main(own, 15).main(FORWARD, 5).main(BACKWARD, 5)
    report = look.threads(cpu=0.65).report()
    assert [finding.id for finding in report.findings][0] == "no-worker-processes"
    assert "each)" not in report.findings[0].summary


def test_a_loop_that_hardly_waits_is_not_advised_about_its_input(run: FakeRun) -> None:
    look = turns(Look(run, cores_of_a_worker=0.1), 0, 12, 11, 2).threads(cpu=0.3)
    look.main(WAITS, 4).worker(DECODES, 40).worker(IDLE, 460)
    report = look.report()
    assert report.verdict.bound == "compute"
    assert not [finding.id for finding in report.findings if finding.traits.about_input]


def test_a_line_of_the_step_that_is_none_of_the_models_is_named(run: FakeRun) -> None:
    look = turns(Look(run, cores_of_a_worker=0.1), 1, 4, 4, 1, other=15).threads(cpu=0.97)
    report = look.worker(DECODES, 40).worker(IDLE, 460).report()
    assert report.verdict.bound == "host"
    assert report.findings[0].id == "slow-step-code"
    assert report.findings[0].where is not None and report.findings[0].where.line == 30


def test_a_loop_that_trains_nothing_is_evaluation(run: FakeRun) -> None:
    look = turns(Look(run, cores_of_a_worker=0.1), 2, 10, 8, 2)
    report = look.main(VALIDATES, 60).main(SCORES, 40).worker(IDLE, 500).report()
    shares = {phase.name: phase.share for phase in report.phases}
    assert shares["evaluation"] == pytest.approx(100 / 540, abs=0.01)
    share = report.verdict.input_wait_share
    assert share is not None and share.median == pytest.approx(2 / 22, abs=0.01)


def test_a_line_that_was_read_while_it_changed_is_no_loop_of_its_own(run: FakeRun) -> None:
    look = starved(run)
    report = look.main([*MAIN, ["train", FILE, 14], *WAITS[-2:]], 1).report()
    assert report.loaders[0].iterated_where is not None and report.loaders[0].iterated_where.line == 10
    assert {phase.name: phase.share for phase in report.phases}["input wait"] > 0.47


def test_a_model_that_was_hardly_met_trains_all_the_same(run: FakeRun) -> None:
    look = Look(run).main(WAITS, 480).main(FORWARD, 10).main(METRIC, 10)
    report = look.worker(DECODES, 490, in_wait=470).worker(IDLE, 10).report()
    assert report.loaders[0].role == "training" and report.verdict.bound == "input"


def test_a_transform_is_named_by_its_class_and_the_line_that_makes_it(run: FakeRun, tmp_path: Path) -> None:
    inside = [
        LOOP, FETCH, ["Photos.__getitem__", FILE, 5],
        ["Compose.forward", f"{SITE}/torchvision/transforms/v2/_container.py", 53],
        ["ElasticTransform.make_params", f"{SITE}/torchvision/transforms/v2/_geometry.py", 900],
        ["gaussian_blur", f"{SITE}/torchvision/transforms/v2/functional/_misc.py", 100],
    ]  # fmt: skip
    text = "from torchvision.transforms import v2\n\nwarp = v2.ElasticTransform(alpha=50.0)\n"
    script = tmp_path / "train.py"
    waits, forward, backward, warps, decodes = written(script, text, WAITS, FORWARD, BACKWARD, inside, DECODES)
    look = Look(run)
    for _ in range(20):
        look.main(waits, 12).main(forward, 7).main(backward, 6)
    look.threads(cpu=0.5).worker(warps, 450, in_wait=200).worker(decodes, 50)
    loader = primary_of(look.batches(100, 260).report())
    assert loader is not None
    top = loader.operations[0]
    assert (top.kind, top.name, top.share) == ("transform", "ElasticTransform", pytest.approx(0.9))
    assert top.where is not None and (top.where.file, top.where.line) == (str(script), 3)


def test_batches_that_are_costly_to_hand_over_are_named(run: FakeRun) -> None:
    asks, queues = WAITS[:-1], "/usr/lib/python3.11/multiprocessing/queues.py"
    look = Look(run, cores_of_a_worker=0.7)
    for _ in range(20):
        look.main([*asks, NEXT, ["Queue.get", queues, 122]], 10).main(
            [*asks, NEXT, ["Queue.get", queues, 113], POLLS], 4
        )
        look.main(FORWARD, 6).main(BACKWARD, 5)
    look.threads(cpu=0.8).worker(DECODES, 50, in_wait=10).worker(IDLE, 450)
    feeder = [["Queue._feed", queues, 244], ["dumps", "/usr/lib/python3.11/multiprocessing/reduction.py", 51]]
    look.stacks.add("stack", t0=START, t1=look.end, pid=101, tid="QueueFeederThread", frames=feeder, weight=300)
    report = look.report()
    assert [finding.id for finding in report.findings][0] == "batch-transport"
    assert "receiving them 40% of the loop" in report.findings[0].summary


def test_rules_that_rest_on_events_say_what_would_tell_them(run: FakeRun) -> None:
    missing = {each.id: each.missing for each in starved(run).report().not_evaluated}
    for id in ("gc-pause", "periodic-pause", "epoch-end", "worker-restart", "slow-startup", "transform-order"):
        assert "gpuwatch run -- COMMAND" in missing[id]


def test_without_a_stack_the_reason_and_the_remedy_are_told(run: FakeRun) -> None:
    look = Look(run)
    look.stacks.rows.clear()
    look.attached.add("refused", t=START, pid=100, reason="process 100 belongs to another user", remedy="Run as root")
    report = look.report()
    assert report.verdict.bound == "unknown"
    assert "process 100 belongs to another user. Run as root" in report.problems
    assert report.machine.run_cores is not None


def test_ranks_are_each_looked_at_and_listed(run: FakeRun, tmp_path: Path) -> None:
    look = starved(run)
    look.attached.rows[0][4:7] = [0, 0, 2]
    look.attached.add(
        "training", t=START, pid=200, ppid=1, rank=1, local_rank=1, world_size=2, start_ns=START, command=["python"],
        devices=[],
    )  # fmt: skip
    for frames, at in ((FORWARD, 0), (BACKWARD, 200)):
        look.stacks.add(
            "stack", t0=START, t1=look.end, pid=200, tid="MainThread", frames=frames, weight=200, runs=[[at, 200]]
        )
    report = look.report()
    assert [rank.rank for rank in report.ranks] == [0, 1]
    assert report.ranks[1].wait_share is not None and report.ranks[1].wait_share.median == 0.0


def on_gpu(look: Look, busy: float, others: bool = False) -> Look:
    """Have the training compute on a GPU that is busy so much of the time."""
    look.attached.rows[0][look.attached.columns["training"].index("devices") + 1] = [0]
    look.sampler.add("device", t=START, device=0, uuid="GPU-1", name="H200", memory_total_bytes=1 << 37)
    look.sampler.add("gpu_process", t=START, device=0, pid=100)
    if others:
        look.sampler.add("gpu_process", t=START, device=0, pid=4000)
    for second in range(LENGTH_S + 1):
        look.sampler.add("gpu", t=START + second * SECOND, device=0, busy=100 * busy)
    return look


def test_a_gpu_that_is_busy_did_not_wait_for_what_the_host_waited_for(run: FakeRun) -> None:
    report = on_gpu(starved(run), busy=0.97).report()
    share = report.verdict.input_wait_share
    assert share is not None and share.median == pytest.approx(0.03)
    assert report.verdict.bound == "compute"
    assert any("it feels at most 3%" in problem for problem in report.problems)


def test_a_gpu_that_idles_as_long_as_the_host_waits_limits_nothing(run: FakeRun) -> None:
    report = on_gpu(starved(run), busy=0.4).report()
    assert report.verdict.bound == "input" and report.ranks[0].device == "H200"
    share = report.verdict.input_wait_share
    assert share is not None and share.median == pytest.approx(0.48)


def test_a_line_that_reads_from_the_gpu_is_no_code_of_the_host(run: FakeRun, tmp_path: Path) -> None:
    text = "for batch in loader:\n    loss = step(batch)\n    total += loss.item()\n"
    reads = [*MAIN[:1], ["main", FILE, 3]]
    forward, backward, reads = written(tmp_path / "train.py", text, FORWARD, BACKWARD, reads)
    look = on_gpu(Look(run, cores_of_a_worker=0.1), busy=0.8).threads(cpu=0.97)
    look.main(forward, 100).main(backward, 100).main(reads, 300).worker(IDLE, 500)
    shares = {phase.name: phase.share for phase in look.report().phases}
    assert shares.get("other in-step", 0.0) == 0.0
    assert shares["forward"] == pytest.approx(0.8) and shares["backward"] == pytest.approx(0.2)
