"""The model draws its noise with numpy on the host, in its forward."""

import time

import numpy as np
import torch
from _common import Network, options, report
from torch.utils.data import DataLoader, TensorDataset


class Noisy(torch.nn.Module):
    def __init__(self, native):
        super().__init__()
        self.native = native
        self.inner = Network(64, device_ms=10)
        self.random = np.random.default_rng(0)

    def forward(self, values):
        if self.native:
            noise = torch.randn(values.shape)
        else:
            noise = self.draw(values)
        return self.inner(values + 0.1 * noise)

    def draw(self, values):
        drawn = self.random.standard_normal((1000, values.numel()))  # <- cause
        return torch.from_numpy(drawn[0].reshape(values.shape)).float()


def main():
    args = options(__doc__)
    data = TensorDataset(torch.randn(3000, 64), torch.randint(0, 10, (3000,)))
    loader = DataLoader(data, batch_size=20, num_workers=1)
    model = Noisy(args.fix)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    started, steps = time.perf_counter(), 0
    for x, y in loader:
        loss = torch.nn.functional.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        steps += 1
    report(steps, started)


if __name__ == "__main__":
    main()
