"""Two ranks (gloo): after each epoch every rank scores all predictions, with all threads; the fix has the first do it."""

import os
import time

import torch
import torch.distributed as dist
from _common import Network, options, report
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader, TensorDataset


def agreement(predictions):
    """Compare all predictions with each other."""
    near = predictions @ predictions.T
    for _ in range(5):
        near = torch.tanh(near @ near * 1e-6)  # <- cause
    return near.mean()


def main():
    args = options(__doc__)
    dist.init_process_group("gloo")
    torch.set_num_threads(2)
    rank = int(os.environ["RANK"])
    data = TensorDataset(torch.randn(150, 20), torch.randint(0, 10, (150,)))
    loader = DataLoader(data, batch_size=6, num_workers=1, persistent_workers=True)
    model = DistributedDataParallel(Network(20, device_ms=10))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    everything = torch.randn(600, 64)
    started, steps = time.perf_counter(), 0
    for _epoch in range(5):
        for x, y in loader:
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(model(x), y).backward()
            optimizer.step()
            steps += 1
        score = torch.zeros(())
        if not args.fix or rank == 0:
            score = agreement(everything)  # <- cause
        dist.broadcast(score, 0)
    if rank == 0:
        report(steps, started)
    dist.destroy_process_group()


if __name__ == "__main__":
    main()
