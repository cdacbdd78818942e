"""The same training bare and under the hook: same numbers, same errors, same objects, same lifetimes."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from .hooked import Run, bare_environment, run

SCRIPT = """
import copy, gc, inspect, io, json, os, pickle, sys, time, traceback, warnings, weakref
import torch, torch.distributed as dist
import torch.multiprocessing as mp
from torch.utils.data import DataLoader, Dataset, TensorDataset

warnings.simplefilter("ignore")
torch.set_num_threads(1)

class Noise(Dataset):
    def __len__(self): return 32
    def __getitem__(self, index): return torch.randn(8) + index, index % 2

class Broken(Dataset):
    def __len__(self): return 4
    def __getitem__(self, index): return [1][index]

class Halting(Dataset):
    def __len__(self): return 4
    def __getitem__(self, index): raise StopIteration("mine")

def losses(workers, wrap=lambda model: model):
    torch.manual_seed(7)
    model = wrap(torch.nn.Sequential(torch.nn.Linear(8, 16), torch.nn.Dropout(), torch.nn.Linear(16, 2)))
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.05)
    told = []
    for _ in range(2):
        for x, y in DataLoader(Noise(), batch_size=4, shuffle=True, num_workers=workers):
            optimizer.zero_grad()
            loss = torch.nn.functional.cross_entropy(model(x), y)
            loss.backward()
            optimizer.step()
            told.append(loss.item().hex())
    return told

def error(dataset, workers=0):
    try:
        list(DataLoader(dataset, num_workers=workers))
    except Exception as problem:
        frames = traceback.extract_tb(problem.__traceback__)
        return [type(problem).__name__, frames[-1].name, frames[0].name, "IndexError" in str(problem) or str(problem)]

def halting():
    return len(list(DataLoader(Halting())))

def graphs():
    import torch._dynamo
    from torch._dynamo.testing import CompileCounter
    counter = CompileCounter()
    model = torch.nn.Sequential(torch.nn.Linear(8, 8), torch.nn.ReLU(), torch.nn.Linear(8, 2))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    compiled = torch.compile(model, backend=counter)
    @torch.compile(backend=counter)
    def step(x):
        loss = model(x).sum()
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        return loss
    for x in DataLoader(torch.ones(8, 8), batch_size=4):
        compiled(x).sum().backward()
        step(x)
    explained = torch._dynamo.explain(model)(torch.ones(4, 8))
    frames = dict(torch._dynamo.utils.counters["frames"])
    return [frames, counter.frame_count, counter.op_count, explained.graph_count, explained.graph_break_count]

def objects():
    loader = DataLoader(TensorDataset(torch.ones(4, 8)), batch_size=2)
    batches = iter(loader)
    next(batches)
    try:
        pickle.dumps(batches)
        refused = None
    except NotImplementedError as problem:
        refused = str(problem)[:10]
    again = pickle.loads(pickle.dumps(loader))
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=0.1)
    state = copy.deepcopy(optimizer).state_dict()["param_groups"][0]["lr"]
    out = io.BytesIO()
    torch.save({"a": torch.ones(2)}, out)
    out.seek(0)
    scripted = torch.jit.script(torch.nn.Linear(2, 2))(torch.ones(1, 2)).shape[0]
    sources = [inspect.getsource(f).splitlines()[0].strip()[:20] for f in (torch.save, torch.autograd.backward, type(batches).__next__, torch.Tensor.backward)]
    same = pickle.loads(pickle.dumps(torch.save)) is torch.save
    return [refused, len(list(again)), sorted(vars(loader)) == sorted(vars(again)), state, torch.load(out)["a"].sum().item(), scripted, sources, same]

def lifetimes():
    loader = DataLoader(Noise(), batch_size=4, num_workers=2)
    gc.disable()
    batches = iter(loader)
    next(batches)
    workers = list(batches._workers)
    gone = weakref.ref(batches)
    del batches
    gc.enable()
    return [gone() is None, [worker.is_alive() for worker in workers]]

def threads():
    import concurrent.futures as futures
    def count(_):
        return sum(len(x) for x, _ in DataLoader(Noise(), batch_size=4))
    with futures.ThreadPoolExecutor(4) as pool:
        return list(pool.map(count, range(4)))

def distributed():
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT="0")
    store = dist.TCPStore("127.0.0.1", 0, 1, True)
    dist.init_process_group("gloo", store=store, rank=0, world_size=1)
    told = losses(0, torch.nn.parallel.DistributedDataParallel)
    dist.destroy_process_group()
    return told

def child(rank, path):
    with open("%s-%d" % (path, rank), "w") as file:
        json.dump(losses(0), file)

def forked():
    mp.start_processes(child, args=("forked",), nprocs=2, start_method="fork")
    return [json.load(open("forked-%d" % rank)) for rank in range(2)]

if __name__ == "__main__":
    told = {"forked": forked(), "losses": [losses(0), losses(2)]}
    told["errors"] = [error(Broken()), error(Broken(), 1)]
    for story in (halting, objects, lifetimes, threads, distributed, graphs):
        told[story.__name__] = story()
    torch.save(told["losses"], "losses.pt")
    json.dump(told, sys.stdout)
    sys.exit(0)
"""


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], dict[str, Any], Run]:
    """Return what the script tells bare, what it tells hooked, and the hooked run."""
    folder = tmp_path_factory.mktemp("untouched")
    (folder / "bare.py").write_text(SCRIPT)
    bare = subprocess.Popen(
        [sys.executable, "bare.py"],
        env=bare_environment(),
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    (folder / "hooked").mkdir()
    hooked = run(SCRIPT, folder / "hooked/run")
    output, errors = bare.communicate(timeout=300)
    assert bare.returncode == 0, errors
    assert re.sub(r"\d", "", hooked.done.stderr) == re.sub(r"\d", "", errors)  # times and process numbers differ
    return json.loads(output), json.loads(hooked.done.stdout), hooked


@pytest.mark.parametrize("story", ["losses", "forked", "distributed", "halting", "objects", "lifetimes", "threads"])
def test_the_training_tells_the_same(told: tuple[dict[str, Any], dict[str, Any], Run], story: str) -> None:
    bare, hooked, _ = told
    assert hooked[story] == bare[story]
    assert bare[story] is not None


def test_compiled_graphs_are_the_same_and_nothing_of_ours_is_compiled(
    told: tuple[dict[str, Any], dict[str, Any], Run],
) -> None:
    (bare, *graphs), (hooked, *hooked_graphs) = told[0]["graphs"], told[1]["graphs"]
    assert hooked_graphs == graphs and graphs[0] > 0
    assert hooked["total"] <= bare["total"] and hooked["ok"] == hooked["total"]


def test_an_error_is_the_same_from_the_users_line_to_the_users_line(
    told: tuple[dict[str, Any], dict[str, Any], Run],
) -> None:
    bare, hooked, _ = told
    assert hooked["errors"] == bare["errors"]
    assert bare["errors"][0][:2] == ["IndexError", "__getitem__"]


def test_an_iterator_goes_and_takes_its_workers_with_it(told: tuple[dict[str, Any], dict[str, Any], Run]) -> None:
    assert told[1]["lifetimes"] == [True, [False, False]]


def test_forked_trainers_have_a_file_of_their_own_that_says_how_they_ended(
    told: tuple[dict[str, Any], dict[str, Any], Run],
) -> None:
    run = told[2]
    main = max(run.logs, key=lambda log: len(log.of("iterator")))
    children = [log for log in run.logs if log.of("iterator") and log is not main]
    assert len(children) == 2
    for log in children:
        assert log.header["ppid"] == main.header["pid"]
        assert log.facts()["exit"] == "atexit" and log.facts()["torch"] == main.facts()["torch"]
        assert len([row for row in log.of("batch") if row["end"] == 0]) == 16


def test_each_thread_keeps_its_own_account(told: tuple[dict[str, Any], dict[str, Any], Run]) -> None:
    run = told[2]
    main = max(run.logs, key=lambda log: len(log.of("iterator")))
    assert not any("hook_error" in log.facts() for log in run.logs)
    by_iterator: dict[int, list[dict[str, Any]]] = {}
    for row in main.of("batch"):
        by_iterator.setdefault(row["iterator"], []).append(row)
    for rows in by_iterator.values():
        # Steps that were only timed come together, after those measured in full.
        rows.sort(key=lambda row: row["t0"])
        assert [row["index"] for row in rows] == list(range(len(rows)))


def test_the_process_group_is_told_once_it_is_there(told: tuple[dict[str, Any], dict[str, Any], Run]) -> None:
    main = max(told[2].logs, key=lambda log: len(log.of("iterator")))
    assert main.facts()["ranks"] == [0, None, 1]


FRAMEWORKS = """
import json, logging, sys, tempfile, warnings
import torch
from torch.utils.data import DataLoader, TensorDataset
warnings.simplefilter("ignore")
torch.set_num_threads(1)
data = TensorDataset(torch.randn(32, 8), torch.randint(0, 2, (32,)))
kind = sys.argv[1]

def lightning():
    import lightning
    logging.getLogger("lightning").setLevel(logging.ERROR)
    class Module(lightning.LightningModule):
        def __init__(self):
            super().__init__()
            self.layer = torch.nn.Linear(8, 2)
        def training_step(self, batch, _):
            return torch.nn.functional.cross_entropy(self.layer(batch[0]), batch[1])
        def validation_step(self, batch, _):
            self.layer(batch[0])
        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), lr=0.1)
    trainer = lightning.Trainer(max_epochs=2, logger=False, default_root_dir=".", enable_progress_bar=False, enable_model_summary=False, accelerator="cpu")
    trainer.fit(Module(), DataLoader(data, 8), DataLoader(data, 16))

def accelerate():
    from accelerate import Accelerator
    accelerator = Accelerator(cpu=True)
    model = torch.nn.Linear(8, 2)
    model, optimizer, loader = accelerator.prepare(model, torch.optim.SGD(model.parameters(), lr=0.1), DataLoader(data, 8))
    for _ in range(2):
        for x, y in loader:
            optimizer.zero_grad()
            accelerator.backward(torch.nn.functional.cross_entropy(model(x), y))
            optimizer.step()

def transformers():
    import transformers
    class Model(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = torch.nn.Linear(8, 2)
        def forward(self, x, labels):
            logits = self.layer(x)
            return {"loss": torch.nn.functional.cross_entropy(logits, labels), "logits": logits}
    rows = [{"x": x, "labels": y} for x, y in data]
    arguments = transformers.TrainingArguments("out", per_device_train_batch_size=4, num_train_epochs=2, gradient_accumulation_steps=2, report_to=[], use_cpu=True, disable_tqdm=True, save_strategy="no")
    transformers.Trainer(Model(), arguments, train_dataset=rows).train()

def stateful():
    from torchdata.stateful_dataloader import StatefulDataLoader
    model = torch.nn.Linear(8, 2)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for workers in (0, 1):
        for x, y in StatefulDataLoader(data, 8, num_workers=workers):
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(model(x), y).backward()
            optimizer.step()

globals()[kind]()
"""
# library, backwards and optimizer steps of the training loader, its batches
CASES = [("lightning", 8, 8, 8), ("accelerate", 8, 8, 8), ("transformers", 16, 8, 16), ("stateful", 8, 8, 8)]


@pytest.mark.slow
@pytest.mark.parametrize(("library", "backwards", "steps", "batches"), CASES, ids=lambda value: str(value))
def test_frameworks_are_seen_through(library: str, backwards: int, steps: int, batches: int, tmp_path: Path) -> None:
    pytest.importorskip({"stateful": "torchdata"}.get(library, library))
    hooked = run(FRAMEWORKS, tmp_path / "run", library)
    log = hooked.trainer
    assert "hook_error" not in log.facts()
    # What a wrapper round the loader leaves are the times of its requests alone.
    done = [row for row in log.of("batch") + log.of("tail") if not row.get("timed")]
    assert (sum(row["backward_n"] for row in done), sum(row["optimizer_n"] for row in done)) == (backwards, steps)
    loaders: dict[int, int] = {}
    of_iterator = {row["iterator"]: row["loader"] for row in log.of("iterator")}
    for row in log.of("batch"):
        loaders[of_iterator[row["iterator"]]] = loaders.get(of_iterator[row["iterator"]], 0) + (row["end"] == 0)
    assert batches in loaders.values() or sum(loaders.values()) == batches
    assert all(row["file"] == str(tmp_path / "run_script.py") for row in log.of("iterator"))
