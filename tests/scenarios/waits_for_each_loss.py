"""An asynchronous device (a thread with a queue): the loop asks for each loss at once and so waits for the device."""

import queue
import threading
import time

import torch
from _common import Network, options, report
from torch.utils.data import DataLoader, TensorDataset


class Device:
    """Runs kernels in order on a thread of its own; `item` waits until everything before it has run."""

    def __init__(self):
        self.kernels = queue.Queue()
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            time.sleep(self.kernels.get())
            self.kernels.task_done()

    def launch(self, seconds):
        self.kernels.put(seconds)

    def item(self):
        self.kernels.join()  # <- cause
        return 0.0


def host_work(milliseconds):
    until = time.perf_counter() + milliseconds / 1000
    while time.perf_counter() < until:
        pass


def main():
    args = options(__doc__)
    data = TensorDataset(torch.randn(1600, 16), torch.randint(0, 10, (1600,)))
    loader = DataLoader(data, batch_size=8, num_workers=1)
    model, device = Network(16, device_ms=0), Device()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    total = 0.0
    started, steps = time.perf_counter(), 0
    for x, y in loader:
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(model(x), y).backward()
        optimizer.step()
        device.launch(0.014)
        host_work(8)
        steps += 1
        if not args.fix or steps % 50 == 0:
            total += device.item()  # <- cause
    device.item()
    report(steps, started)


if __name__ == "__main__":
    main()
