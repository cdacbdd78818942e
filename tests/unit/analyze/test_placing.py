"""Which line of a stack a person can act on, and the place below it where the time goes."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from gpuwatch.analyze.lines.statements import called_at, statement_line
from gpuwatch.model.hot_lines import Callee, HotLine
from tests.spools import SECOND, START, FakeRun, report_of

SITE = "/v/lib/python3.11/site-packages"
BIN = ["<module>", "/v/bin/yolo", 10]
MAIN = ["<module>", "/home/me/train.py", 30]
DATA = f"{SITE}/torch/utils/data"
LOOP = ["_worker_loop", f"{DATA}/_utils/worker.py", 350]
FETCH = ["_MapDatasetFetcher.fetch", f"{DATA}/_utils/fetch.py", 54]
NEXT = ["_BaseDataLoaderIter.__next__", f"{DATA}/dataloader.py", 730]
SUBSET = ["Subset.__getitem__", f"{DATA}/dataset.py", 400]
CONCAT = ["ConcatDataset.__getitem__", f"{DATA}/dataset.py", 345]
ENGINE = ["BaseTrainer._do_train", f"{SITE}/ultralytics/engine/trainer.py", 380]
ITEM = ["BaseDataset.__getitem__", f"{SITE}/ultralytics/data/base.py", 380]
LOAD = ["BaseDataset.load_image", f"{SITE}/ultralytics/data/base.py", 231]
READ = ["imread", f"{SITE}/ultralytics/utils/patches.py", 44]
DECODE = ["ImageFile.load", f"{SITE}/PIL/ImageFile.py", 300]
YOLO = ["python", "/v/bin/yolo", "detect", "train"]


def lines(
    run: FakeRun, *stacks: list[Any], made: tuple[str, int] | None = None, program: str | None = None, **attributes: Any
) -> list[HotLine]:
    """Return the hot lines of a run with these stacks of its trainer, or of its worker where they begin in one."""
    trainer = run.trainer(program=program)
    worker = run.worker(201)
    for index in range(50):
        worker.fetch(index, 40.0)
    trainer.loop(batches=50, wait_ms=30.0, workers=[[0, 201]] if stacks[0][0] is LOOP else (), **attributes)
    row = next(row for row in trainer.rows if row[0] == "iterator")
    if made:
        row[trainer.columns["iterator"].index("made_file") + 1] = made[0]
        row[trainer.columns["iterator"].index("made_line") + 1] = made[1]
    log = run.stacks()
    log.add("burst", t0=START, t1=START + 10 * SECOND, hz=10, why="steady", ok=True, began=START)
    for at, frames in enumerate(stacks):
        log.add(
            "stack", t0=START, t1=START + 10 * SECOND, pid=201 if frames[0] is LOOP else 100, tid="MainThread",
            frames=frames, weight=20, runs=[[20 * at, 20]],
        )  # fmt: skip
    return [line for line in report_of(run).hot_lines if line.activity != "importing"]


def short(line: HotLine) -> tuple[str, int, tuple[str, int] | None, str | None]:
    below = (line.below.file.removeprefix(SITE + "/"), line.below.line) if line.below else None
    called = str(line.below_callee) if line.below_callee else None
    return line.file.removeprefix(SITE + "/"), line.line, below, called


LIBRARY = {"dataset": "YOLODataset", "dataset_file": f"{SITE}/ultralytics/data/dataset.py", "dataset_line": 60}


@pytest.mark.parametrize("workers", [False, True])
def test_below_a_console_script_it_is_the_programs_dataset(run: FakeRun, workers: bool) -> None:
    outer = [LOOP] if workers else [BIN, ENGINE, NEXT]
    (line,) = lines(run, [*outer, FETCH, ITEM, LOAD, DECODE], program="ultralytics", **LIBRARY)
    assert short(line) == ("ultralytics/data/base.py", 231, ("PIL/ImageFile.py", 300), None)
    assert (line.function, str(line.callee), line.makes) == ("BaseDataset.load_image", "PIL decode", None)


def test_a_part_of_the_program_that_the_dataset_calls_is_below(run: FakeRun) -> None:
    (line,) = lines(run, [LOOP, FETCH, ITEM, LOAD, READ], program="ultralytics", **LIBRARY)
    assert short(line) == ("ultralytics/data/base.py", 231, ("ultralytics/utils/patches.py", 44), None)


def test_the_programs_own_loop_is_the_training_code(run: FakeRun) -> None:
    (line,) = lines(run, [BIN, ENGINE], program="ultralytics", **LIBRARY)
    assert (line.activity, *short(line)[:2]) == ("step", "ultralytics/engine/trainer.py", 380)


def test_the_program_of_an_older_recording_is_read_from_its_command(run: FakeRun) -> None:
    trainer = run.trainer(argv=["python", "-m", "open_clip_train.main"])
    trainer.loop(batches=1000)
    log = run.stacks()
    log.add("burst", t0=START, t1=START + 10 * SECOND, hz=10, why="steady", ok=True, began=START)
    frames = [["<module>", f"{SITE}/open_clip_train/main.py", 500], ["train", f"{SITE}/open_clip_train/train.py", 90]]
    log.add("stack", t0=START, t1=START + SECOND, pid=100, tid="MainThread", frames=frames, weight=50)
    assert [short(line)[:2] for line in report_of(run).hot_lines] == [("open_clip_train/train.py", 90)]


def test_below_a_script_of_the_users_it_is_where_the_loader_is_made(run: FakeRun) -> None:
    stack = [MAIN, ENGINE, NEXT, FETCH, ITEM, LOAD, DECODE]
    (line,) = lines(run, stack, made=("/home/me/train.py", 5), **LIBRARY)
    assert short(line) == ("/home/me/train.py", 5, ("ultralytics/data/base.py", 231), "PIL decode")
    assert line.makes == "YOLODataset"


def test_a_package_of_the_users_own_in_the_environment_is_below_his_line(run: FakeRun) -> None:
    item = ["Photos.__getitem__", "/home/me/data.py", 12]
    (line,) = lines(run, [LOOP, FETCH, item, ["load", f"{SITE}/mypkg/io.py", 50], DECODE])
    assert short(line) == ("/home/me/data.py", 12, ("mypkg/io.py", 50), "PIL decode")
    assert str(line.callee) == "mypkg load"


@pytest.mark.parametrize("workers", [False, True])
def test_torchs_wrappers_are_never_the_line(run: FakeRun, workers: bool) -> None:
    mnist = f"{SITE}/torchvision/datasets/mnist.py"
    outer = [LOOP, FETCH] if workers else [MAIN, NEXT, FETCH]
    stack = [*outer, SUBSET, CONCAT, ["MNIST.__getitem__", mnist, 143], ["fromarray", f"{SITE}/PIL/Image.py", 3308]]
    (line,) = lines(
        run, stack, made=("/home/me/datamodule.py", 141), dataset="Subset", dataset_inner="MNIST", dataset_file=mnist
    )
    assert line.makes == "MNIST"
    assert short(line) == ("/home/me/datamodule.py", 141, ("torchvision/datasets/mnist.py", 143), "PIL fromarray")


def test_with_and_without_workers_one_cost_has_one_name(tmp_path: Path) -> None:
    mnist = f"{SITE}/torchvision/datasets/mnist.py"
    inner = [FETCH, SUBSET, CONCAT, ["MNIST.__getitem__", mnist, 143]]
    told = {"dataset": "Subset", "dataset_file": mnist, "dataset_line": 130, "made": ("/home/me/datamodule.py", 141)}
    (alone,) = lines(FakeRun(tmp_path / "alone"), [MAIN, NEXT, *inner], **told)
    (worker,) = lines(FakeRun(tmp_path / "worker"), [LOOP, *inner], **told)
    assert short(alone) == short(worker)


def test_torchs_collate_is_the_loaders_line(run: FakeRun) -> None:
    stack = [LOOP, FETCH, ["default_collate", f"{DATA}/_utils/collate.py", 398]]
    (line,) = lines(run, stack, made=("/home/me/train.py", 9))
    assert (line.activity, *short(line)[:3]) == (
        "collate", "/home/me/train.py", 9, ("torch/utils/data/_utils/collate.py", 398),
    )  # fmt: skip


@pytest.mark.parametrize(
    "torn",
    [
        ["load", "family", 2153949776],
        ["load", "/home/me/train.py", 2153949776],
        ["<module>", "x", 3],
        ["load", "{here}/gone.py", 3],
        ["load", "{here}/train.py", 9],
    ],
)
def test_a_stack_that_changed_while_it_was_read_is_no_line(run: FakeRun, tmp_path: Path, torn: list[Any]) -> None:
    script = tmp_path / "train.py"
    script.write_text("import torch\nload()\n")

    os.utime(script, (1, 1))
    name, file, line = torn
    whole = [LOOP, FETCH, ["load", str(script), 2]]
    found = lines(run, whole, [*whole, [name, file.format(here=tmp_path), line]])
    assert [short(line)[:2] for line in found] == [(str(script), 2)]
    assert found[0].samples == 20


def test_a_stack_that_begins_in_the_middle_of_a_library_is_no_line(run: FakeRun) -> None:
    whole = [[MAIN, NEXT, FETCH, ["load", "/home/me/train.py", line]] for line in (2, 3)]
    cut = [["BatchSampler.__iter__", f"{DATA}/sampler.py", 343]]
    assert {short(line)[:2] for line in lines(run, *whole, cut)} == {("/home/me/train.py", 2), ("/home/me/train.py", 3)}


def test_of_another_machine_no_file_exists_and_all_lines_are_kept(run: FakeRun) -> None:
    stacks = [[LOOP, FETCH, ["load", f"/home/me/{name}.py", 3]] for name in ("a", "b")]
    assert {line.file for line in lines(run, *stacks)} == {"/home/me/a.py", "/home/me/b.py"}


SOURCE = """import cv2
import numpy as np
from PIL import Image
image = cv2.imread(
    path,
    flags,
)
both = [
    cv2.imread(path),
    other(np.zeros(3)),
]
done = (table
    .groupby("x")
    .apply(slow))
@decorated
def call(
    size=3,
    name="a",
):
    return size
"""


@pytest.fixture
def source(tmp_path: Path) -> str:
    file = tmp_path / "source.py"
    file.write_text(SOURCE)
    return str(file)


@pytest.mark.parametrize(
    ("line", "statement"),
    [(4, 4), (5, 4), (6, 4), (7, 4), (8, 8), (9, 9), (11, 8), (12, 12), (13, 13), (20, 20), (17, 17)],
)
def test_a_line_of_arguments_is_its_statements(source: str, line: int, statement: int) -> None:
    assert statement_line(source, line) == statement


@pytest.mark.parametrize(
    ("line", "called"),
    [
        (4, Callee("cv2", "imread", qualified=True)),
        (9, Callee("cv2", "imread", qualified=True)),
        (10, None),
        (13, None),
    ],
)
def test_a_compiled_function_is_named_by_the_only_call_of_its_line(source: str, line: int, called: object) -> None:
    assert called_at(source, line) == called


def test_a_call_of_a_compiled_function_is_below_the_users_line(run: FakeRun, source: str) -> None:
    (line,) = lines(run, [LOOP, FETCH, ["Photos.__getitem__", source, 4]])
    assert short(line) == (source, 4, None, "cv2.imread") and line.callee is None


@pytest.mark.parametrize(
    ("made", "where"), [(None, ("/home/me/data.py", 50)), (["/home/me/train.py", 12], ("/home/me/train.py", 12))]
)
def test_a_transform_whose_construction_is_not_known_is_at_its_datasets(run: FakeRun, made: Any, where: Any) -> None:
    trainer, worker = run.trainer(), run.worker(201)
    library = f"{SITE}/torchvision/transforms/transforms.py"
    worker.add("op", op=0, kind="transform", name="ToTensor", file=library, line=129, function="ToTensor", position=0)
    worker.add("op", op=1, kind="transform", name="Mine", file="/home/me/mine.py", line=3, function="Mine", position=1)
    for index in range(50):
        operations = [[number, 8, 15_000_000, None, None, None] for number in (0, 1)]
        worker.fetch(index, 40.0, operations=operations)
    trainer.loop(
        batches=50, wait_ms=30.0, workers=[[0, 201]], made_line=50, dataset="MNIST", dataset_line=143,
        dataset_file=f"{SITE}/torchvision/datasets/mnist.py", dataset_made=made,
    )  # fmt: skip
    (loader,) = report_of(run).loaders
    places = {operation.name: operation.where for operation in loader.operations}
    assert [(place.file, place.line) for name in ("ToTensor", "Mine") if (place := places[name])] == [
        where, ("/home/me/mine.py", 3),
    ]  # fmt: skip


def test_processes_of_a_programs_own_make_its_batches(run: FakeRun) -> None:
    trainer = run.trainer(program="nnunetv2")
    number = trainer.iterate(own_loop=True, dataset=None, batch_size=None)
    for index in range(60):
        trainer.do("other", 90.0).do("backward", 10.0)
        trainer.ask(number, index, 0.0, forward_ns=None)
    trainer.tail(number)
    sampler = run.sampler()
    for pid, parent in ((100, 1), (300, 100)):
        sampler.add("process", t=START + SECOND, pid=pid, ppid=parent, role="tree", cpu_ns=0, threads=1)
    log = run.stacks()
    log.add("burst", t0=START, t1=START + 10 * SECOND, hz=10, why="steady", ok=True, began=START)
    frames = [
        ["producer", f"{SITE}/batchgenerators/multi_threaded_augmenter.py", 40],
        ["generate", f"{SITE}/nnunetv2/training/dataloading/data_loader.py", 120],
        ["zoom", f"{SITE}/scipy/ndimage/_interpolation.py", 800],
    ]
    log.add("stack", t0=START, t1=START + SECOND, pid=300, tid="MainThread", frames=frames, weight=50, runs=[[0, 50]])
    (line,) = [one for one in report_of(run).hot_lines if one.activity == "fetch"]
    assert short(line)[:2] == ("nnunetv2/training/dataloading/data_loader.py", 120)
    assert str(line.callee) == "scipy zoom"
