"""A loop over a replay memory draws each batch's indices from all that is stored."""

import time

import numpy as np
import torch
from _common import Network, options, report


def main():
    args = options(__doc__)
    size = 1_000_000
    memory = torch.randn(4096, 64)
    model = Network(64, device_ms=12)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    random = np.random.RandomState(0)
    started = time.perf_counter()
    for _ in range(150):
        if args.fix:
            picked = random.randint(size, size=256)
        else:
            picked = random.choice(size, 256, replace=False)  # <- cause
        x = memory[torch.from_numpy(picked % 4096)]
        loss = model(x).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    report(150, started)


if __name__ == "__main__":
    main()
