"""Feature maps are averaged by the training process itself, with all its threads; a worker has one."""

import time

import torch
from _common import Network, options, report
from pooled_maps import Maps
from torch.utils.data import DataLoader


def main():
    args = options(__doc__)
    torch.set_num_threads(2)
    loader = DataLoader(Maps(300), batch_size=2, num_workers=2 if args.fix else 0)  # <- cause
    model = Network(16, device_ms=0)
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-4)
    started, steps = time.perf_counter(), 0
    for values, labels in loader:
        time.sleep(0.040)
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(model(values), labels).backward()
        optimizer.step()
        steps += 1
    report(steps, started)


if __name__ == "__main__":
    main()
