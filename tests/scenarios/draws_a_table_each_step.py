"""A table of all metrics is drawn and written out after each step."""

import os
import time

import torch
from _common import Network, options, report
from torch.utils.data import DataLoader, TensorDataset


class Screen:
    """Draws a table of what it is given, as a progress display does."""

    def __init__(self, width=100, height=60):
        self.width, self.height = width, height
        self.out = os.open(os.devnull, os.O_WRONLY)

    def update(self, values):
        lines = []
        for row in range(self.height):
            cells = [f"{name}: {value:10.5f}".ljust(25) for name, value in values.items()]
            text = " | ".join(cells)[: self.width].ljust(self.width)
            cells = (f"\x1b[38;5;{(row + at) % 256}m{letter}" for at, letter in enumerate(text))  # <- cause
            lines.append("".join(cells))  # <- cause
        os.write(self.out, "\n".join(lines).encode())


def main():
    args = options(__doc__)
    data = TensorDataset(torch.randn(3000, 64), torch.randint(0, 10, (3000,)))
    loader = DataLoader(data, batch_size=10, num_workers=1)
    model = Network(64, device_ms=4)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    screen = Screen()
    started, steps = time.perf_counter(), 0
    for x, y in loader:
        loss = torch.nn.functional.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if not args.fix or steps % 50 == 0:
            screen.update({"loss": loss.item(), "rate": 0.01, "step": steps})  # <- cause
        steps += 1
    report(steps, started)


if __name__ == "__main__":
    main()
