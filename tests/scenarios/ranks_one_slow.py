"""Two ranks (gloo): the second has the longer files, and the first waits for it in each backward."""

import os
import time

import torch
import torch.distributed as dist
from _common import Network, options, report
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader, Dataset


class Shard(Dataset):
    def __init__(self, milliseconds):
        self.milliseconds = milliseconds

    def __len__(self):
        return 480

    def __getitem__(self, index):
        time.sleep(self.milliseconds / 1000)
        return torch.full((20,), index / 480), index % 10


def main():
    args = options(__doc__)
    dist.init_process_group("gloo")
    torch.set_num_threads(1)
    rank = int(os.environ["RANK"])
    shard = Shard(3 if args.fix or rank == 0 else 9)
    loader = DataLoader(shard, batch_size=6, num_workers=1)
    model = DistributedDataParallel(Network(20, device_ms=15))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
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
