"""Every gradient is summarised as it is made, on each tenth step."""

import time

import torch
from _common import options, report
from torch.utils.data import DataLoader, TensorDataset


class Watcher:
    def __init__(self, model, every):
        self.every, self.step, self.seen = every, 0, {}
        for name, parameter in model.named_parameters():
            parameter.register_hook(lambda gradient, name=name: self.look(name, gradient))

    def look(self, name, gradient):
        if self.step % self.every == 0:
            self.seen[name] = torch.histc(gradient, 64), gradient.abs().sort().values[::100]  # <- cause


def main():
    args = options(__doc__)
    data = TensorDataset(torch.randn(4000, 256), torch.randn(4000, 256))
    loader = DataLoader(data, batch_size=8, num_workers=1)
    model = torch.nn.Sequential(*[torch.nn.Linear(256, 256) for _ in range(12)])
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    watcher = Watcher(model, every=1000 if args.fix else 10)  # <- cause
    started, steps = time.perf_counter(), 0
    for x, y in loader:
        loss = (model(x) - y).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        watcher.step += 1
        steps += 1
    report(steps, started)


if __name__ == "__main__":
    main()
