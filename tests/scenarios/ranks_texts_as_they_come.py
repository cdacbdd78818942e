"""Two ranks (gloo) on texts of very different lengths, dealt out as they come: in each step another rank has the long one."""

import os
import time

import torch
import torch.distributed as dist
from _common import Network, options, report
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader, Dataset

TEXTS = 700


class Texts(Dataset):
    def __init__(self, lengths):
        self.lengths = lengths

    def __len__(self):
        return len(self.lengths)

    def __getitem__(self, index):
        return torch.full((20,), float(self.lengths[index])), index % 10


class ByLength(Network):
    """The time that a text takes on the device goes with its length."""

    def forward(self, values):
        self.device_s = 0.006 * float(values[0, 0])
        return super().forward(values)


def main():
    args = options(__doc__)
    dist.init_process_group("gloo")
    rank, ranks = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    lengths = torch.randn(TEXTS, generator=torch.Generator().manual_seed(0)).exp()
    if args.fix:
        alike = lengths.sort().values.view(-1, ranks)
        lengths = alike[torch.randperm(len(alike), generator=torch.Generator().manual_seed(1))].flatten()
    loader = DataLoader(Texts(lengths[rank::ranks]), batch_size=1)
    model = DistributedDataParallel(ByLength(20))
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-6)
    started, steps = time.perf_counter(), 0
    for x, y in loader:
        loss = torch.nn.functional.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        steps += 1
    if rank == 0:
        report(steps, started)
    dist.destroy_process_group()


if __name__ == "__main__":
    main()
