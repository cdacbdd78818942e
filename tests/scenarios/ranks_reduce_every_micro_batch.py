"""Two ranks (gloo) with gradient accumulation that reduce their large gradients after every micro batch."""

import contextlib
import os
import time

import torch
import torch.distributed as dist
from _common import options, report
from torch import nn
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader, TensorDataset


def main():
    args = options(__doc__)
    dist.init_process_group("gloo")
    torch.set_num_threads(1)
    data = TensorDataset(torch.randint(0, 40_000, (640, 8)), torch.randint(0, 10, (640,)))
    loader = DataLoader(data, batch_size=8)
    network = nn.Sequential(nn.Embedding(40_000, 128), nn.Flatten(), nn.Linear(8 * 128, 10))
    model = DistributedDataParallel(network)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    started, steps = time.perf_counter(), 0
    for x, y in loader:
        last = steps % 4 == 3
        with contextlib.nullcontext() if last or not args.fix else model.no_sync():
            loss = torch.nn.functional.cross_entropy(model(x), y)
            loss.backward()  # <- cause
        if last:
            optimizer.step()
            optimizer.zero_grad(set_to_none=False)
        steps += 1
    if int(os.environ["RANK"]) == 0:
        report(steps, started)
    dist.destroy_process_group()


if __name__ == "__main__":
    main()
