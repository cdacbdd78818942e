"""A collate function that returns large numpy arrays in objects of its own: they are pickled through a pipe."""

import dataclasses
import time

import numpy as np
import torch
from _common import Network, options, report
from torch.utils.data import DataLoader, Dataset


@dataclasses.dataclass
class Batch:
    volumes: object
    labels: object


class Volumes(Dataset):
    def __init__(self, length):
        self.volume = np.random.default_rng(7).standard_normal((4, 64, 64, 16)).astype(np.float32)
        self.length = length

    def __len__(self):
        return self.length

    def __getitem__(self, index):
        return self.volume, index % 10


class Collate:
    def __init__(self, as_tensor):
        self.as_tensor = as_tensor

    def __call__(self, samples):
        volumes = np.stack([volume for volume, _ in samples])
        labels = np.array([label for _, label in samples])
        if self.as_tensor:
            return Batch(torch.from_numpy(volumes), torch.from_numpy(labels))
        return Batch(volumes, labels)


def main():
    args = options(__doc__)
    loader = DataLoader(Volumes(1600), batch_size=16, num_workers=1, collate_fn=Collate(args.fix))  # <- cause
    model = Network(4 * 64 * 16, device_ms=0)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    started, steps = time.perf_counter(), 0
    for batch in loader:
        volumes, labels = torch.as_tensor(batch.volumes), torch.as_tensor(batch.labels)
        time.sleep(0.008)
        loss = torch.nn.functional.cross_entropy(model(volumes[:, :, 0]), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        steps += 1
    report(steps, started)


if __name__ == "__main__":
    main()
