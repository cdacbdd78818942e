"""A thread of the training plans the next experiments in Python while the model trains on small tensors."""

import threading
import time

import torch
from _common import options, report
from torch.utils.data import DataLoader, TensorDataset


def best_schedule(horizon):
    costs = [(step * 7919) % 1009 for step in range(horizon)]  # <- cause
    return sum(cost * cost for cost in costs if cost % 3)  # <- cause


def plan(pause_s):
    while True:
        best_schedule(2000)
        if pause_s:
            time.sleep(pause_s)


def main():
    args = options(__doc__)
    data = TensorDataset(torch.randn(400, 64), torch.randn(400, 64))
    loader = DataLoader(data, batch_size=8, num_workers=1)
    layers = [torch.nn.Linear(64, 64) for _ in range(12)]
    model = torch.nn.Sequential(*layers)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    threading.Thread(target=plan, args=(0.05 if args.fix else 0,), daemon=True).start()
    started, steps = time.perf_counter(), 0
    for x, y in loader:
        loss = (model(x) - y).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        steps += 1
    report(steps, started)


if __name__ == "__main__":
    main()
