"""Where the samples of a trainer fall in its time, and the lines that library objects are made at."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from gpuwatch.analyze.lines.moments import Moments, within
from gpuwatch.analyze.lines.run_costs import LoopWait, by_cost
from gpuwatch.diagnosis.examples.runs import SAMPLER_LINE
from gpuwatch.model.hot_lines import Callee, HotLine
from tests.spools import SECOND, START, FakeLog, FakeRun, report_of

SITE = "/env/lib/python3.11/site-packages"
MAIN = ["<module>", "/home/me/train.py", 30]
BATCH, OTHER = ["train", "/home/me/train.py", 44], ["save", "/home/me/train.py", 60]
LOOP = ["_worker_loop", f"{SITE}/torch/utils/data/_utils/worker.py", 350]
FETCH = ["_MapDatasetFetcher.fetch", f"{SITE}/torch/utils/data/_utils/fetch.py", 54]
HZ = 10


def stack(log: FakeLog, t0: int, frames: list[Any], runs: list[list[int]], pid: int = 100) -> None:
    log.add(
        "stack", t0=t0, t1=t0 + 10 * SECOND, pid=pid, tid="MainThread", frames=frames,
        weight=sum(count for _, count in runs), runs=runs,
    )  # fmt: skip


def burst(log: FakeLog, t0: int, seconds: float = 10.0, why: str = "steady") -> None:
    log.add("burst", t0=t0, t1=t0 + int((seconds + 0.05) * SECOND), hz=HZ, why=why, ok=True, began=t0)


def lines_of(run: FakeRun) -> dict[tuple[str, int], HotLine]:
    return {(line.activity, line.line): line for line in report_of(run).hot_lines}


def starting(run: FakeRun, seconds: float = 10.0) -> FakeLog:
    """A training whose first batch comes after so many seconds."""
    trainer = run.trainer()
    trainer.do("other", 1000 * seconds)
    trainer.loop(batches=20, wait_ms=5.0, compute_ms=10.0)
    log = run.stacks()
    log.now = START
    return log


def test_lines_of_a_start_up_have_their_share_of_all_of_it_seen_or_not(run: FakeRun) -> None:
    log = starting(run)
    burst(log, START + 2 * SECOND, 8.0, "startup")
    stack(log, START + 2 * SECOND, [MAIN, ["Index.__init__", "/home/me/data.py", 7]], [[0, 20]])
    loading = ["_find_and_load", "<frozen importlib._bootstrap>", 1176]
    stack(log, START + 2 * SECOND, [MAIN, loading, ["<module>", f"{SITE}/torch/__init__.py", 40]], [[20, 60]])
    found = lines_of(run)
    assert found["startup", 7].share == pytest.approx(0.2, abs=0.01)
    assert found["startup", 7].seconds == pytest.approx(2.0, abs=0.1)
    assert found["importing", 30].share == pytest.approx(0.6, abs=0.01)


def test_a_later_look_at_a_long_start_up_stands_for_the_time_since_the_last(run: FakeRun) -> None:
    log = starting(run, 40.0)
    for t0, seconds, line in ((START, 10.0, 7), (START + 35 * SECOND, 5.0, 8)):
        burst(log, t0, seconds, "startup")
        stack(log, t0, [MAIN, ["Index.__init__", "/home/me/data.py", line]], [[0, int(seconds * HZ)]])
    found = lines_of(run)
    assert found["startup", 7].seconds == pytest.approx(10.0, abs=0.1)
    assert found["startup", 8].seconds == pytest.approx(30.0, abs=0.1)


def test_one_burst_tells_start_up_steps_and_the_time_between_loops_apart(run: FakeRun) -> None:
    trainer = run.trainer()
    trainer.do("other", 2000)
    trainer.loop(batches=20, wait_ms=50.0, compute_ms=100.0)
    trainer.do("other", 2000)
    trainer.loop(batches=20, wait_ms=50.0, compute_ms=100.0)
    log = run.stacks()
    burst(log, START)
    stack(log, START, [MAIN, OTHER], [[0, 18], [53, 16]])
    stack(log, START, [MAIN, BATCH], [[18, 35], [69, 31]])
    found = lines_of(run)
    assert (found["startup", 60].samples, found["between loops", 60].samples) == (18, 16)
    assert found["step", 44].samples >= 60
    assert found["between loops", 60].seconds == pytest.approx(1.8, abs=0.3)


def test_the_line_of_long_steps_is_theirs_though_some_samples_miss_them(run: FakeRun) -> None:
    trainer = run.trainer()
    number = trainer.iterate()
    for index in range(60):
        trainer.ask(number, index, 10.0).step(1000.0 if index % 20 == 10 else 90.0)
    trainer.ask(number, 60, 0.0, end=1)
    log = run.stacks()
    burst(log, START)
    stack(log, START, [MAIN, OTHER], [[9, 12], [39, 9], [70, 8]])
    stack(log, START, [MAIN, BATCH], [[0, 9], [21, 18], [48, 22], [78, 22]])
    found = lines_of(run)
    assert {key for key in found if key[1] in (60, 44)} == {("long step", 60), ("step", 44)}


def test_evaluation_is_told_by_the_time_where_the_stack_does_not(run: FakeRun) -> None:
    trainer = run.trainer()
    trainer.loop(batches=50, wait_ms=10.0, compute_ms=90.0)
    trainer.loop(batches=50, wait_ms=10.0, compute_ms=90.0, train=False, loader=2, line=40)
    trainer.loop(batches=5, wait_ms=10.0, compute_ms=90.0)
    log = run.stacks()
    burst(log, START)
    stack(log, START, [MAIN, BATCH], [[0, 49]])
    stack(log, START, [MAIN, OTHER], [[49, 49]])
    found = lines_of(run)
    assert found["evaluation", 60].samples >= 48 and found["step", 44].samples >= 48


def side_by_side(run: FakeRun, wait_ms: float) -> list[HotLine]:
    """A loop of 100 steps of 100 ms beside a worker, sampled at one line each."""
    trainer, worker = run.trainer(), run.worker(201)
    for index in range(100):
        worker.fetch(index, 60.0)
    trainer.loop(batches=100, wait_ms=wait_ms, compute_ms=100.0 - wait_ms, workers=[[0, 201]])
    log = run.stacks()
    burst(log, START)
    stack(log, START, [LOOP, FETCH, ["Data.__getitem__", "/home/me/data.py", 7]], [[0, 60]], pid=201)
    stack(log, START, [MAIN, BATCH], [[0, 100]])
    return [line for line in report_of(run).hot_lines if line.activity in ("fetch", "step")]


@pytest.mark.parametrize(("wait_ms", "first", "made_s"), [(2.0, 44, 0.2), (70.0, 7, 7.0)])
def test_lines_are_ordered_by_what_they_cost_the_run(run: FakeRun, wait_ms: float, first: int, made_s: float) -> None:
    found = side_by_side(run, wait_ms)
    assert [line.line for line in found][0] == first
    costs = {line.line: line.cost_s for line in found}
    assert costs[7] == pytest.approx(made_s, rel=0.05) and costs[44] == pytest.approx(10.0 - made_s, rel=0.05)


def test_a_line_that_hardly_a_sample_met_comes_after_those_of_the_start_up() -> None:
    early = replace(SAMPLER_LINE, line=1, activity="startup", share=0.4)
    rare = replace(SAMPLER_LINE, line=2, share=0.004)
    assert [line.line for line in by_cost([rare, early], [LoopWait(False, 0, 10.0)], 0.1)] == [1, 2]


def imagefolder(run: FakeRun, **attributes: Any) -> dict[tuple[str, int], HotLine]:
    trainer = run.trainer()
    folder = f"{SITE}/torchvision/datasets/folder.py"
    told = {"dataset": "ImageFolder", "dataset_file": folder, "dataset_line": 240} | attributes
    worker = run.worker(201)
    for index in range(50):
        worker.fetch(index, 40.0)
    trainer.loop(batches=50, wait_ms=30.0, workers=[[0, 201]], made_line=50, **told)
    log = run.stacks()
    burst(log, START)
    item = [["DatasetFolder.__getitem__", folder, 245], ["pil_loader", folder, 262]]
    decode = [["Image.convert", f"{SITE}/PIL/Image.py", 900], ["ImageFile.load", f"{SITE}/PIL/ImageFile.py", 300]]
    stack(log, START, [LOOP, FETCH, *item, *decode], [[0, 90]], pid=201)
    stack(log, START, [LOOP, FETCH, *item], [[90, 10]], pid=201)
    return lines_of(run)


def test_a_librarys_dataset_costs_the_line_that_makes_it(run: FakeRun) -> None:
    found = imagefolder(run, dataset_made=["/home/me/train.py", 12])
    (line,) = found.values()
    assert (line.file, line.line, line.share, line.samples) == ("/home/me/train.py", 12, 1.0, 100)
    assert (line.makes, line.callee) == ("ImageFolder", Callee("PIL", "decode"))


def test_else_the_line_that_makes_its_loader(run: FakeRun) -> None:
    (line,) = imagefolder(run).values()
    assert (line.file, line.line, line.makes) == ("/home/me/data.py", 50, "ImageFolder")


@pytest.mark.parametrize("own_loop", [True, False])
def test_processes_that_a_loop_without_a_loader_starts_make_its_batches(run: FakeRun, own_loop: bool) -> None:
    trainer = run.trainer()
    number = trainer.iterate(own_loop=own_loop, dataset=None, batch_size=None)
    for index in range(60):
        trainer.do("other", 90.0).do("backward", 10.0)
        trainer.ask(number, index, 0.0, forward_ns=None)
    trainer.tail(number)
    sampler = run.sampler()
    for pid, parent in ((100, 1), (300, 100), (301, 300), (302, 300), (400, 1)):
        sampler.add("process", t=START + SECOND, pid=pid, ppid=parent, role="tree", cpu_ns=0, threads=1)
    # Of a training that records itself the sampler is a child.
    sampler.add("process", t=START + SECOND, pid=303, ppid=100, role="gpuwatch", cpu_ns=0, threads=1)
    log = run.stacks()
    burst(log, START)
    stack(log, START, [["tick", "/home/me/gpuwatch/sampler.py", 150]], [[0, 99]], pid=303)
    make, waiting = ["make", "/home/me/data.py", 7], ["Queue.put", "/usr/lib/python3.11/multiprocessing/queues.py", 89]
    stack(log, START, [MAIN, make], [[0, 30]], pid=300)
    stack(log, START, [MAIN, make, waiting], [[30, 70]], pid=300)
    stack(log, START, [["crop", "/home/me/data.py", 9]], [[0, 10]], pid=301)
    stack(log, START, [["main", f"{SITE}/torch/_inductor/compile_worker/__main__.py", 60]], [[0, 99]], pid=301)
    stack(log, START, [["other", "/home/me/other.py", 3]], [[0, 99]], pid=400)
    started = [["spawn_main", "/usr/lib/python3.11/multiprocessing/spawn.py", 122], ["<module>", "/home/me/data.py", 1]]
    importing = ["_find_and_load", "<frozen importlib._bootstrap>", 1176]
    stack(log, START, [*started, importing, ["<module>", f"{SITE}/torch/__init__.py", 9]], [[0, 99]], pid=302)
    lines = report_of(run).hot_lines
    found = [(line.process_role, line.activity, line.line, line.share) for line in lines]
    assert found == ([("worker", "fetch", 7, 0.75), ("worker", "fetch", 9, 0.25)] if own_loop else [])


def test_the_users_sampler_is_the_trainers_own_code(run: FakeRun) -> None:
    run.trainer().loop(batches=100, wait_ms=70.0, compute_ms=30.0)
    log = run.stacks()
    burst(log, START)
    data = f"{SITE}/torch/utils/data/dataloader.py"
    asking = [MAIN, ["_BaseDataLoaderIter.__next__", data, 730], ["_BaseDataLoaderIter._next_index", data, 715]]
    torchs = ["RandomSampler.__iter__", f"{SITE}/torch/utils/data/sampler.py", 200]
    stack(log, START, [*asking, ["Groups.__iter__", "/home/me/data.py", 71]], [[0, 60]])
    stack(log, START, [*asking, torchs], [[60, 20]])
    stack(log, START, [MAIN, BATCH], [[80, 20]])
    found = lines_of(run)
    assert (found["step", 71].process_role, found["step", 71].share) == ("trainer", pytest.approx(0.75, abs=0.01))
    assert {key for key in found if key[0] == "step"} == {("step", 71), ("step", 44)}


def test_moments() -> None:
    moments = Moments(0, 10, 100, [(10, 50), (60, 90)], [(30, 40)], [(20, 25)])
    at = {5: "startup", 15: "step", 22: "long step", 35: "evaluation", 55: "between loops", 70: "step", 95: "shutdown"}
    assert {time: moments.at(time) for time in at} == at
    assert moments.startup_s == 1e-8
    assert within([(0, 100), (10, 20), (30, 40)], 35) and not within([(0, 5), (30, 40)], 25)
