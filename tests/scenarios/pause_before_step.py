"""Between the loader and the step the loop waits for a tracking service: loading is not what costs the time."""

import time

import torch
from _common import Network, options, report
from torch.utils.data import DataLoader, TensorDataset


class Tracker:
    """A client whose calls come back when the service has answered."""

    def log(self, **_values):
        time.sleep(0.030)  # <- cause


def main():
    args = options(__doc__)
    data = TensorDataset(torch.randn(900, 48), torch.randint(0, 10, (900,)))
    loader = DataLoader(data, batch_size=9, shuffle=True, num_workers=1)
    model, tracker = Network(48, device_ms=12), Tracker()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    started, steps = time.perf_counter(), 0
    for x, y in loader:
        if not args.fix or steps % 50 == 0:
            tracker.log(step=steps, rows=len(x))
        loss = torch.nn.functional.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        steps += 1
    report(steps, started)


if __name__ == "__main__":
    main()
