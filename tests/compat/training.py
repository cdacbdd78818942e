"""One small training, in every way in which torch and its frameworks run one; Python 3.8, torch 2.4 and later.

    python training.py CASE --out DIR

Each process that trained writes DIR/<rank>.json: the losses bit by bit, how many batches it took, and what its own
clock saw of the input: `clock` says whether that is the whole wait or only the dataset's part of it.
"""

import argparse
import json
import os
import random
import sys
import time
import warnings

import torch
from torch.utils.data import DataLoader, Dataset, IterableDataset, get_worker_info

warnings.simplefilter("ignore")
SAMPLES, BATCH, EPOCHS = 96, 4, 2
READ_S, STEP_S = 0.004, 0.008
now = time.perf_counter


def sample(index):
    """Return sample `index`; reading it takes a while, augmenting it draws from all three generators."""
    begun = now()
    time.sleep(READ_S)
    noise = torch.randn(8) * 0.01 + random.random() * 0.01
    SPENT.append(now() - begun)
    return noise + index % 7, index % 2


SPENT = []


class Rows(Dataset):
    """The samples by their index."""

    def __len__(self):
        return SAMPLES

    def __getitem__(self, index):
        return sample(index)


class Stream(IterableDataset):
    """The samples in order, shared out among the workers."""

    def __iter__(self):
        worker = get_worker_info()
        first, step = (worker.id, worker.num_workers) if worker else (0, 1)
        for index in range(first, SAMPLES, step):
            yield sample(index)


class Truth:
    """What the training itself knows of one process's run."""

    def __init__(self):
        self.losses, self.batches, self.wait_s = [], 0, 0.0
        self.clock = "wait"

    def over(self, loader):
        """Iterate over the loader; the wait is the time in `iter` and `next`, without the end of the workers."""
        begun = now()
        batches = iter(loader)
        while True:
            try:
                batch = next(batches)
            except StopIteration:
                return
            self.wait_s += now() - begun
            self.batches += 1
            yield batch
            begun = now()

    def write(self, folder, seconds):
        """Write it down as the file of this process's rank."""
        facts = dict(vars(self), seconds=seconds, torch=torch.__version__, python=sys.version.split()[0])
        with open(os.path.join(folder, os.environ.get("RANK", "0") + ".json"), "w") as file:
            json.dump(facts, file)


def network():
    """Return the model and its optimizer."""
    model = torch.nn.Sequential(torch.nn.Linear(8, 16), torch.nn.ReLU(), torch.nn.Dropout(0.2), torch.nn.Linear(16, 2))
    return model, torch.optim.AdamW(model.parameters(), lr=0.01)


def fit(truth, loader, model=None, optimizer=None, backward=lambda loss: loss.backward()):
    """Train over the loader as a plain loop does."""
    if model is None:
        model, optimizer = network()
    for _ in range(EPOCHS):
        for x, y in truth.over(loader):
            optimizer.zero_grad()
            loss = torch.nn.functional.cross_entropy(model(x), y)
            backward(loss)
            optimizer.step()
            time.sleep(STEP_S)
            truth.losses.append(loss.item().hex())


def rows(workers, **settings):
    """Return a shuffling loader over the rows."""
    return DataLoader(Rows(), batch_size=BATCH, shuffle=True, num_workers=workers, **settings)


def plain_0(truth):
    fit(truth, rows(0))


def fork_2(truth):
    fit(truth, rows(2, multiprocessing_context="fork"))


def spawn_2(truth):
    fit(truth, rows(2, multiprocessing_context="spawn"))


def forkserver_2(truth):
    fit(truth, rows(2, multiprocessing_context="forkserver"))


def persistent_2(truth):
    fit(truth, rows(2, persistent_workers=True, prefetch_factor=3))


def pinned_2(truth):
    fit(truth, rows(2, pin_memory=True))


def stream_0(truth):
    fit(truth, DataLoader(Stream(), batch_size=BATCH))


def stream_2(truth):
    fit(truth, DataLoader(Stream(), batch_size=BATCH, num_workers=2))


def compiled_2(truth):
    model, optimizer = network()
    fit(truth, rows(2), torch.compile(model, backend="aot_eager"), optimizer)


def stateful(truth, workers):
    from torchdata.stateful_dataloader import StatefulDataLoader

    fit(truth, StatefulDataLoader(Rows(), batch_size=BATCH, shuffle=True, num_workers=workers))


def stateful_0(truth):
    stateful(truth, 0)


def stateful_2(truth):
    stateful(truth, 2)


def accelerated_2(truth):
    from accelerate import Accelerator

    accelerator = Accelerator(cpu=True)
    model, optimizer, loader = accelerator.prepare(*network(), rows(2))
    fit(truth, loader, model, optimizer, accelerator.backward)


def ranks_2(truth):
    import torch.distributed as dist
    from torch.utils.data.distributed import DistributedSampler

    dist.init_process_group("gloo")
    model, _ = network()
    model = torch.nn.parallel.DistributedDataParallel(model)
    data = Rows()
    loader = DataLoader(data, batch_size=BATCH, sampler=DistributedSampler(data, seed=3), num_workers=1)
    fit(truth, loader, model, torch.optim.SGD(model.parameters(), lr=0.05))
    dist.destroy_process_group()


def lightning_0(truth):
    try:
        import lightning
    except ImportError:
        import pytorch_lightning as lightning

    class Module(lightning.LightningModule):
        def __init__(self):
            super().__init__()
            self.model, self.mine = network()

        def training_step(self, batch, number):
            x, y = batch
            loss = torch.nn.functional.cross_entropy(self.model(x), y)
            time.sleep(STEP_S)
            truth.losses.append(loss.item().hex())
            truth.batches += 1
            return loss

        def configure_optimizers(self):
            return self.mine

    trainer = lightning.Trainer(
        max_epochs=EPOCHS, accelerator="cpu", logger=False, enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False,
    )  # fmt: skip
    trainer.fit(Module(), rows(0))
    by_dataset(truth)


def trainer_0(truth):
    import transformers

    class Model(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.model, _ = network()

        def forward(self, x, labels=None):
            logits = self.model(x)
            loss = torch.nn.functional.cross_entropy(logits, labels)
            time.sleep(STEP_S)
            truth.losses.append(loss.item().hex())
            truth.batches += 1
            return {"loss": loss, "logits": logits}

    class Named(Rows):
        def __getitem__(self, index):
            x, y = sample(index)
            return {"x": x, "labels": y}

    arguments = transformers.TrainingArguments(
        "trainer", per_device_train_batch_size=BATCH, num_train_epochs=EPOCHS, report_to=[], use_cpu=True,
        save_strategy="no", disable_tqdm=True, seed=5, logging_strategy="no",
    )  # fmt: skip
    transformers.Trainer(Model(), arguments, train_dataset=Named()).train()
    by_dataset(truth)


class Scaled:
    """An iterator round a loader, which works on each batch in the training process."""

    def __init__(self, loader):
        self.batches = iter(loader)

    def __iter__(self):
        return self

    def __next__(self):
        x, y = next(self.batches)
        time.sleep(READ_S)
        return x * 2, y


class Wrapped:
    """A loader with `Scaled` round each of its passes."""

    def __init__(self, loader):
        self.loader = loader

    def __iter__(self):
        return Scaled(self.loader)


def wrapped_2(truth):
    fit(truth, Wrapped(rows(2)))


def marked_0(truth):
    import gpuwatch

    fit(truth, gpuwatch.input(Batches()))


class Batches:
    """Batches made where they are asked for, by a generator."""

    def __iter__(self):
        for first in range(0, SAMPLES, BATCH):
            yield collated([sample(index) for index in range(first, first + BATCH)])


def collated(samples):
    return torch.stack([x for x, _ in samples]), torch.tensor([y for _, y in samples])


def arrays(index):
    """Return a sample as libraries without torch hold it."""
    x, y = sample(index)
    return {"x": x.numpy(), "y": y}


def tensors(batch):
    import numpy

    return torch.as_tensor(numpy.stack([numpy.asarray(x, numpy.float32) for x in batch["x"]])), torch.as_tensor(
        numpy.asarray(batch["y"])
    )


class Mapped:
    """A library's pipeline whose batches become tensors in the loop's body, as in most trainings with it."""

    def __init__(self, make, convert=tensors):
        self.make, self.convert = make, convert

    def fit(self, truth):
        model, optimizer = network()
        for _ in range(EPOCHS):
            for batch in truth.over(self.make()):
                x, y = self.convert(batch)
                optimizer.zero_grad()
                loss = torch.nn.functional.cross_entropy(model(x), y)
                loss.backward()
                optimizer.step()
                time.sleep(STEP_S)
                truth.losses.append(loss.item().hex())


def datasets_0(truth):
    import datasets

    rows = datasets.Dataset.from_dict({"i": list(range(SAMPLES))}).to_iterable_dataset()
    rows = rows.map(lambda row: {"x": sample(row["i"])[0].tolist(), "y": row["i"] % 2})
    Mapped(lambda: rows.iter(batch_size=BATCH)).fit(truth)


def nodes_0(truth):
    from torchdata.nodes import Batcher, IterableWrapper, Loader, Mapper

    loader = Loader(Mapper(Batcher(Mapper(IterableWrapper(range(SAMPLES)), sample), BATCH), collated))
    fit(truth, loader)


def grain_0(truth):
    import grain.python as grain

    rows = grain.MapDataset.source(range(SAMPLES)).map(arrays).batch(BATCH)
    options = grain.ReadOptions(num_threads=0, prefetch_buffer_size=0)
    Mapped(lambda: rows.to_iter_dataset(options)).fit(truth)


def spdl_1(truth):
    from spdl.pipeline import PipelineBuilder

    def batches():
        builder = PipelineBuilder().add_source(range(SAMPLES)).pipe(sample).aggregate(BATCH).add_sink(2)
        pipeline = builder.build(num_threads=1)
        with pipeline.auto_stop():
            yield from pipeline

    Mapped(batches, collated).fit(truth)


def torchrl_0(truth):
    from torchrl.data import ListStorage, ReplayBuffer

    buffer = ReplayBuffer(
        storage=ListStorage(SAMPLES), batch_size=BATCH, collate_fn=lambda rows: collated([sample(row) for row in rows])
    )
    buffer.extend(list(range(SAMPLES)))
    Mapped(lambda: (buffer.sample() for _ in range(SAMPLES // BATCH)), lambda batch: batch).fit(truth)


def webdataset_2(truth):
    import webdataset

    def worked(batch):
        time.sleep(READ_S)
        return batch

    fit(truth, webdataset.WebLoader(Rows(), batch_size=BATCH, num_workers=2).map(worked))


def fastai_0(truth):
    from fastai.data.load import DataLoader as Loader

    def worked(batch):
        time.sleep(READ_S)
        return batch

    fit(truth, Loader(Rows(), bs=BATCH, shuffle=True, num_workers=0, after_batch=worked))


def pyg_2(truth):
    from torch_geometric.loader.base import DataLoaderIterator

    def gather(batch):
        time.sleep(READ_S)
        return batch

    class Loader:
        def __iter__(self):
            return DataLoaderIterator(iter(rows(2)), gather)

    fit(truth, Loader())


def dali_1(truth):
    from nvidia.dali import fn, pipeline_def, types
    from nvidia.dali.plugin.pytorch import DALIGenericIterator

    def read(info):
        return sample(info.idx_in_epoch % SAMPLES)[0].numpy()

    @pipeline_def(batch_size=BATCH, num_threads=1, device_id=None, prefetch_queue_depth=1)
    def pipeline():
        return fn.external_source(source=read, batch=False, dtype=types.FLOAT)

    batches = DALIGenericIterator([pipeline()], ["x"], size=SAMPLES, auto_reset=True)
    Mapped(lambda: batches, lambda batch: (batch[0]["x"], torch.zeros(len(batch[0]["x"]), dtype=torch.long))).fit(truth)


def tfdata_1(truth):
    import tensorflow  # before torch loads an LLVM of its own

    def read(index):
        return tensorflow.py_function(lambda i: sample(int(i))[0].numpy(), [index], tensorflow.float32)

    rows = tensorflow.data.Dataset.range(SAMPLES).map(read).batch(BATCH)
    Mapped(lambda: rows, lambda x: (torch.as_tensor(x.numpy()), torch.zeros(len(x), dtype=torch.long))).fit(truth)


def ray_1(truth):
    import ray

    ray.init(num_cpus=1, include_dashboard=False, log_to_driver=False, logging_level="error")
    rows = ray.data.range(SAMPLES).map(lambda row: arrays(int(row["id"])))
    Mapped(lambda: rows.iter_batches(batch_size=BATCH)).fit(truth)
    ray.shutdown()


def by_dataset(truth):
    """Take the dataset's own time for the wait, where the loop is not ours to clock."""
    truth.clock, truth.wait_s = "dataset", sum(SPENT)


CASES = {
    case.__name__: case
    for case in (
        plain_0, fork_2, spawn_2, forkserver_2, persistent_2, pinned_2, stream_0, stream_2, compiled_2, stateful_0,
        stateful_2, accelerated_2, ranks_2, lightning_0, trainer_0, wrapped_2, marked_0, datasets_0, nodes_0, grain_0,
        spdl_1, torchrl_0, webdataset_2, fastai_0, pyg_2, dali_1, tfdata_1, ray_1,
    )
}  # fmt: skip


def main():
    """Train as told."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("case", choices=sorted(CASES))
    arguments.add_argument("--out", required=True)
    options = arguments.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(11)
    random.seed(11)
    truth = Truth()
    begun = now()
    CASES[options.case](truth)
    truth.write(options.out, now() - begun)


if __name__ == "__main__":
    main()
