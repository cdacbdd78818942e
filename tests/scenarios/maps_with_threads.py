"""A loop without a DataLoader has its samples made by a pool of threads, in Python."""

import time
from collections import deque
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

import torch
from _common import Network, options, report


def sample(index):
    state, values = index + 1, []
    for _ in range(20_000):
        state = (state * 1103515245 + 12345) % 2147483648
        if state % 625 == 0:
            values.append(state / 2147483648)
    return torch.tensor((values + [0.0] * 64)[:64])


def main():
    args = options(__doc__)
    model = Network(64, device_ms=10)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    pool = ProcessPoolExecutor(2) if args.fix else ThreadPoolExecutor(8)  # <- cause
    with pool:
        ahead = deque(pool.submit(sample, index) for index in range(32))
        started = time.perf_counter()
        for step in range(120):
            x = torch.stack([ahead.popleft().result() for _ in range(8)])
            ahead.extend(pool.submit(sample, index) for index in range(8 * step, 8 * step + 8))
            loss = model(x).square().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        report(120, started)


if __name__ == "__main__":
    main()
