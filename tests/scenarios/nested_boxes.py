"""Boxes of scenes that lie in memory, each scene a dictionary of small tensors; two workers hand them over."""

import time

import torch
from _common import Network, options, report
from torch.utils.data import DataLoader, Dataset


class Scenes(Dataset):
    def __init__(self, count):
        self.boxes = torch.rand(count, 30, 4)

    def __len__(self):
        return len(self.boxes)

    def __getitem__(self, index):
        return {f"box{number}": box.clone() for number, box in enumerate(self.boxes[index])}


def as_list(scenes):
    return scenes


def main():
    args = options(__doc__)
    loader = DataLoader(Scenes(2400), batch_size=8, num_workers=0 if args.fix else 2, collate_fn=as_list)  # <- cause
    model = Network(4, device_ms=0)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    started, steps = time.perf_counter(), 0
    for scenes in loader:
        time.sleep(0.005)
        values = torch.stack([scene["box0"] for scene in scenes])
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(model(values), torch.zeros(len(scenes), dtype=torch.long)).backward()
        optimizer.step()
        steps += 1
    report(steps, started)


if __name__ == "__main__":
    main()
