"""Loads from many small datasets, one after the other; prints as JSON what each of them knows to be true."""

import hashlib
import io
import json
import os
import pickle
import sys
import time

import numpy as np
import torch
from PIL import Image
from torch.utils.data import ConcatDataset, DataLoader, Dataset, IterableDataset, Subset
from torchvision import transforms as v1

TRUTH = os.environ.get("TRUTH_DIR")
SIZE = (480, 320)


def tell(name, **facts):
    """Append what happened to the truth of this dataset: one line per call, from any process."""
    with open(os.path.join(TRUTH, name), "a") as file:
        file.write(json.dumps(dict(facts, pid=os.getpid())) + "\n")


def burn(seconds):
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass


class Timed(Dataset):
    """Half of each sample's time asleep, half on the CPU; says how long it really took."""

    def __len__(self):
        return 12

    def __getitem__(self, index):
        t0, c0 = time.monotonic(), time.thread_time()
        burn(0.006 * (3 if index == 5 else 1))
        time.sleep(0.006)
        tell("Timed", index=index, t0=t0, wall=time.monotonic() - t0, cpu=time.thread_time() - c0)
        return torch.full((3,), float(index))


class Images(Dataset):
    """JPEGs that stay lazy until the first transform."""

    def __init__(self):
        noise = np.random.default_rng(0).integers(0, 255, (SIZE[1], SIZE[0], 3), dtype=np.uint8)
        file = io.BytesIO()
        Image.fromarray(noise).save(file, "JPEG")
        self.encoded = file.getvalue()
        self.transform = v1.Compose(
            [v1.Resize((60, 80)), v1.RandomApply([v1.ColorJitter(0.2)], p=0.5), v1.ToTensor(), brighten, Scale(3)]
        )

    def __len__(self):
        return 16

    def __getitem__(self, index):
        image = Image.open(io.BytesIO(self.encoded))
        return self.transform(image), index


class Scale:
    def __init__(self, factor):
        self.factor = factor

    def __call__(self, image):
        return image * self.factor


def brighten(image):
    return image + 1


class Batched(Dataset):
    def __len__(self):
        return 8

    def __getitem__(self, index):
        return torch.tensor(index)

    def __getitems__(self, indices):
        assert type(indices) is list
        return [torch.tensor(index) for index in indices]


class Stream(IterableDataset):
    def __iter__(self):
        yield from (torch.tensor(number) for number in range(7))


class Failing(Dataset):
    def __len__(self):
        return 4

    def __getitem__(self, index):
        if index == 3:
            raise ValueError("the third is broken")
        return torch.tensor(index)


class Inspecting(Dataset):
    """Checks from inside that its own things are what it made."""

    def __init__(self):
        self.function = brighten
        self.transform = v1.Compose([v1.Pad(2), brighten])

    def __len__(self):
        return 4

    def __getitem__(self, index):
        copy = pickle.loads(pickle.dumps(self.transform))
        info = torch.utils.data.get_worker_info()
        tell(
            "Inspecting",
            same=info is None or info.dataset is self,
            function=self.function is brighten,
            isinstance=isinstance(self.transform.transforms[0], v1.Pad) and callable(self.transform.transforms[1]),
            pickled=copy.transforms[1] is brighten and type(copy.transforms[1]) is type(brighten),
            scripted=float(torch.jit.script(v1.Pad([1]))(torch.ones(1, 2, 2)).sum()),
        )
        return self.transform(torch.ones(1, 4, 4))


class Heavy(Dataset):
    """Many tensors of two types, and something else."""

    def __len__(self):
        return 8

    def __getitem__(self, index):
        return {
            "pixels": torch.zeros(3, 8, 8, dtype=torch.uint8),
            "more": [torch.zeros(5) for _ in range(3)],
            "name": "x",
        }


def slow_collate(samples):
    time.sleep(0.02)
    return torch.utils.data.default_collate(samples)


def digest(batches):
    total = hashlib.sha256()
    for batch in batches:
        tensors = batch if isinstance(batch, (list, tuple)) else [batch]
        for tensor in tensors:
            total.update(tensor.numpy().tobytes())
    return total.hexdigest()


def load(dataset, workers, method, **options):
    torch.manual_seed(3)
    context = method if workers else None
    generator = torch.Generator().manual_seed(1)
    return list(
        DataLoader(dataset, num_workers=workers, multiprocessing_context=context, generator=generator, **options)
    )


def main():
    workers, method = int(sys.argv[1]), sys.argv[2]
    told = {"failure": None}
    load(Timed(), workers, method, batch_size=4, collate_fn=slow_collate)
    told["images"] = digest(load(Images(), workers, method, batch_size=4))
    if method != "spawn":  # a spawned worker costs seconds, and what follows does not depend on how it was started
        told.update(rest(workers, method))
    dataset = Images()
    load(dataset, 0, method, batch_size=4)
    told["unharmed"] = [type(one).__name__ for one in dataset.transform.transforms]
    told["scripted"] = float(torch.jit.script(torch.nn.Sequential(v1.Pad([1])))(torch.ones(1, 2, 2)).sum())
    told["next_random"] = [float(torch.rand(())), float(np.random.rand())]
    print(json.dumps(told))


def rest(workers, method):
    told = {}
    load(ConcatDataset([Subset(Batched(), range(8))]), workers, method, batch_size=4)
    load(Subset(Batched(), range(8)), workers, method, batch_size=4)
    told["stream"] = len(load(Stream(), workers, method, batch_size=2))
    load(Inspecting(), workers, method, batch_size=2)
    load(Heavy(), workers, method, batch_size=4)
    try:
        load(Failing(), workers, method, batch_size=2)
    except ValueError as trouble:
        told["failure"] = str(trouble)
    if workers:
        told["persistent"] = persistent(workers, method)
    return told


def persistent(workers, method):
    from torchdata.stateful_dataloader import StatefulDataLoader

    loader = StatefulDataLoader(
        Heavy(), batch_size=4, num_workers=workers, multiprocessing_context=method, persistent_workers=True
    )
    return sum(1 for _ in range(2) for _ in loader)


if __name__ == "__main__":
    np.random.seed(5)
    main()
