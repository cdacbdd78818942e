"""A pose network fed with 1440p stills, read by OpenCV at full size and then brought to 256 × 144."""

import time

import cv2
import numpy as np
import torch
from _common import ImageNetwork, options, photos, report
from torch.utils.data import DataLoader, Dataset

cv2.setNumThreads(0)


class Stills(Dataset):
    def __init__(self, files, repeats, flags):
        self.files = [str(file) for file in files] * repeats
        self.flags = flags

    def __len__(self):
        return len(self.files)

    def __getitem__(self, i):
        still = cv2.imread(self.files[i], self.flags)  # <- cause
        still = cv2.resize(still, (256, 144), interpolation=cv2.INTER_AREA)
        chw = np.ascontiguousarray(still[..., ::-1].transpose(2, 0, 1))
        return torch.from_numpy(chw).float() / 255, torch.tensor(i % 10)


def main():
    args = options(__doc__)
    flags = cv2.IMREAD_REDUCED_COLOR_4 if args.fix else cv2.IMREAD_COLOR
    stills = Stills(photos(args.data, 10, 2560, 1440), repeats=26, flags=flags)
    loader = DataLoader(stills, batch_size=4, num_workers=2, drop_last=True)
    model = ImageNetwork(device_ms=8)
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-2)
    t0, n = time.perf_counter(), 0
    for batch, target in loader:
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(model(batch), target).backward()
        optimizer.step()
        n += 1
    report(n, t0)


if __name__ == "__main__":
    main()
