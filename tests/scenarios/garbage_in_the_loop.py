"""A large heap of Python objects and a loop that makes cyclic garbage: the collector walks the heap again and again."""

import gc
import time

import torch
from _common import Network, options, report
from torch.utils.data import DataLoader, TensorDataset


class Node:
    """A node of a replay tree; parent and children refer to each other."""

    def __init__(self, parent):
        self.parent, self.children = parent, []
        if parent is not None:
            parent.children.append(self)


def grow(count):
    root = Node(None)
    for _ in range(count):
        Node(root)
    return root


def main():
    args = options(__doc__)
    replay = grow(1_500_000)
    if args.fix:
        gc.collect()
        gc.freeze()
    data = TensorDataset(torch.randn(800, 16), torch.randint(0, 10, (800,)))
    loader = DataLoader(data, batch_size=10)
    model = Network(16, device_ms=15)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    kept = []
    started, steps = time.perf_counter(), 0
    for x, y in loader:
        loss = torch.nn.functional.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        kept.append(grow(2_000))
        if len(kept) > 20:
            kept.pop(0)
        if steps % 4 == 3:
            gc.collect()
        steps += 1
    report(steps, started)
    assert replay.children


if __name__ == "__main__":
    main()
