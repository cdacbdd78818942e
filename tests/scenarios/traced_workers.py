"""Each worker has a thread that ships what it counted now and then."""

import threading
import time

import torch
from _common import Network, options, report
from torch.utils.data import DataLoader, Dataset


class Signals(Dataset):
    def __init__(self, length):
        self.signals = torch.randn(length, 128)
        self.read = 0

    def __len__(self):
        return len(self.signals)

    def __getitem__(self, number):
        self.read += 1
        return self.signals[number], number % 10


class Telemetry:
    """Counts of a worker, handed over every two seconds."""

    def __init__(self, background):
        self.background = background

    def ship(self):
        for _ in range(3):
            time.sleep(1.0)

    def __call__(self, worker):
        threading.Thread(target=self.ship, daemon=self.background).start()  # <- cause


def main():
    args = options(__doc__)
    loader = DataLoader(
        Signals(720), batch_size=12, shuffle=True, num_workers=2, worker_init_fn=Telemetry(background=args.fix)
    )
    model = Network(128, device_ms=10)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    started, steps = time.perf_counter(), 0
    for _epoch in range(3):
        for signals, labels in loader:
            loss = torch.nn.functional.cross_entropy(model(signals), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            steps += 1
    report(steps, started)


if __name__ == "__main__":
    main()
