"""Two ranks (gloo): the first puts the documents in the order of the training, the other one waits for it."""

import os
import tempfile
import time
from pathlib import Path

import torch
import torch.distributed as dist
from _common import Network, options, report
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader, TensorDataset

SAMPLES = 480


def order_of(documents):
    order, state = [], 1
    while len(order) < documents:
        for _ in range(40_000):
            state = (state * 1103515245 + 12345) % 2147483648  # <- cause
        order.append(state % documents)
    return torch.tensor(order)


def main():
    args = options(__doc__)
    dist.init_process_group("gloo")
    rank = int(os.environ["RANK"])
    file = Path(tempfile.gettempdir()) / f"order-{os.environ['MASTER_PORT']}.pt"
    if rank == 0:
        torch.save(torch.arange(SAMPLES) if args.fix else order_of(SAMPLES), file)
    dist.barrier()
    order = torch.load(file)
    data = TensorDataset(torch.rand(SAMPLES, 20)[order], torch.randint(0, 10, (SAMPLES,)))
    model = DistributedDataParallel(Network(20, device_ms=15))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    started, steps = time.perf_counter(), 0
    for x, y in DataLoader(data, batch_size=4):
        loss = torch.nn.functional.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        steps += 1
    if rank == 0:
        file.unlink()
        report(steps, started)
    dist.destroy_process_group()


if __name__ == "__main__":
    main()
