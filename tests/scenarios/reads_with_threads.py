"""A loop without a DataLoader has its samples read by a pool of threads, which wait for a slow disk."""

import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor

import torch
from _common import Network, options, report


def read(index):
    time.sleep(0.012)
    return torch.full((64,), index % 7 / 7.0)


def main():
    options(__doc__)
    model = Network(64, device_ms=14)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    with ThreadPoolExecutor(16) as pool:
        ahead = deque(pool.submit(read, index) for index in range(32))
        started = time.perf_counter()
        for step in range(300):
            x = torch.stack([ahead.popleft().result() for _ in range(8)])
            ahead.extend(pool.submit(read, index) for index in range(8 * step, 8 * step + 8))
            loss = model(x).square().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        report(300, started)


if __name__ == "__main__":
    main()
