"""A training that keeps its device busy, and after each epoch the questions that were held back, read as a stream."""

import time

import torch
from _common import Network, options, report
from torch.utils.data import DataLoader, IterableDataset, TensorDataset


class Questions(IterableDataset):
    def __init__(self, count, milliseconds):
        self.count, self.milliseconds = count, milliseconds

    def words(self, number):
        end = time.thread_time() + self.milliseconds / 1000
        while time.thread_time() < end:  # <- cause
            pass
        return torch.full((24,), number / self.count)

    def __iter__(self):
        return ((self.words(number), number % 10) for number in range(self.count))


class Exam:
    """Ask all questions."""

    def __init__(self, loader):
        self.loader = loader

    @torch.inference_mode()
    def grade(self, model):
        return sum(int((model.eval()(x).argmax(1) == y).sum()) for x, y in self.loader)


def main():
    args = options(__doc__)
    rows = TensorDataset(torch.randn(400, 24), torch.randint(0, 10, (400,)))
    training = DataLoader(rows, batch_size=8, shuffle=True)
    workers = {"num_workers": 1, "persistent_workers": True} if args.fix else {}
    exam = Exam(DataLoader(Questions(160, 3.0), batch_size=8, **workers))  # <- cause
    model = Network(24, device_ms=24)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    started, steps = time.perf_counter(), 0
    for _epoch in range(4):
        for x, y in training:
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(model.train()(x), y).backward()
            optimizer.step()
            steps += 1
        exam.grade(model)
    report(steps, started)


if __name__ == "__main__":
    main()
