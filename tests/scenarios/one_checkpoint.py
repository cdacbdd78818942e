"""A large checkpoint, but only one in the whole training."""

import time

import torch
from _common import Network, options, report
from torch.utils.data import DataLoader, TensorDataset


def main():
    args = options(__doc__)
    args.data.mkdir(parents=True, exist_ok=True)
    data = TensorDataset(torch.randn(1500, 32), torch.randint(0, 10, (1500,)))
    loader = DataLoader(data, batch_size=10, num_workers=1)
    model = Network(32, device_ms=40)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    ballast = torch.randn(10_000_000)
    started, steps = time.perf_counter(), 0
    for x, y in loader:
        loss = torch.nn.functional.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        steps += 1
        if steps == 100:
            torch.save({"model": model.state_dict(), "ballast": ballast}, args.data / "middle.pt")
    report(steps, started)


if __name__ == "__main__":
    main()
