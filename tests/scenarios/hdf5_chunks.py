"""Robot demonstrations in compressed HDF5, chunked by 64 frames, of which each sample needs one."""

import time

import h5py
import numpy as np
import torch
from _common import ImageNetwork, made, options, picture, report
from torch.utils.data import DataLoader, Dataset

FRAMES = 256


def write(folder):
    frames = np.stack([picture(96, 96, seed % 7) for seed in range(FRAMES)])
    with h5py.File(folder / "demos.h5", "w") as file:
        for name, chunk in (("coarse", 64), ("fine", 1)):
            file.create_dataset(name, data=frames, chunks=(chunk, 96, 96, 3), compression="gzip")


class Demonstrations(Dataset):
    def __init__(self, path, name, length):
        self.path, self.name, self.length = path, name, length
        self.file = None

    def __len__(self):
        return self.length

    def __getitem__(self, index):
        if self.file is None:
            self.file = h5py.File(self.path, "r", rdcc_nbytes=0)
        frame = self.file[self.name][index % FRAMES]  # <- cause
        return torch.from_numpy(frame).permute(2, 0, 1).float() / 255, torch.rand(10)


def main():
    args = options(__doc__)
    folder = made(args.data, write)
    demos = Demonstrations(folder / "demos.h5", "fine" if args.fix else "coarse", 800)
    loader = DataLoader(demos, batch_size=8, shuffle=True, num_workers=2)
    model = ImageNetwork(device_ms=7)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    started, steps = time.perf_counter(), 0
    for frames, actions in loader:
        optimizer.zero_grad()
        torch.nn.functional.mse_loss(model(frames), actions).backward()
        optimizer.step()
        steps += 1
    report(steps, started)


if __name__ == "__main__":
    main()
