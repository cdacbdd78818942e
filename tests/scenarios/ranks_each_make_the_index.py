"""Two ranks (gloo) that both put the documents in the order of the training: nobody waits for the other one's work."""

import os
import time

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
    order = torch.arange(SAMPLES) if args.fix else order_of(SAMPLES)
    dist.barrier()
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
    if int(os.environ["RANK"]) == 0:
        report(steps, started)
    dist.destroy_process_group()


if __name__ == "__main__":
    main()
