"""Video frames as single files on a share where each open takes milliseconds (here: a pause before the open)."""

import time

import numpy as np
import torch
from _common import Network, made, options, report
from torch.utils.data import DataLoader, Dataset

CLIP = 5


def write(folder):
    for number in range(200):
        (folder / f"{number:05d}.raw").write_bytes(np.full((48, 48), number, dtype=np.uint8).tobytes())
    (folder / "all.bin").write_bytes(b"".join(path.read_bytes() for path in sorted(folder.glob("*.raw"))))


def share_open(path):
    time.sleep(0.004)  # <- cause
    return open(path, "rb")


class Clips(Dataset):
    def __init__(self, folder, packed, length=900):
        self.folder, self.length = folder, length
        self.pack = np.memmap(folder / "all.bin", np.uint8, "r", shape=(200, 48, 48)) if packed else None

    def __len__(self):
        return self.length

    def __getitem__(self, index):
        first = (index * 7) % (200 - CLIP)
        if self.pack is not None:
            clip = np.array(self.pack[first : first + CLIP])
        else:
            frames = []
            for number in range(first, first + CLIP):
                with share_open(self.folder / f"{number:05d}.raw") as file:  # <- cause
                    frames.append(np.frombuffer(file.read(), np.uint8).reshape(48, 48))  # <- cause
            clip = np.stack(frames)
        return torch.from_numpy(clip).float() / 255, index % 10


def main():
    args = options(__doc__)
    loader = DataLoader(Clips(made(args.data, write), args.fix), batch_size=10, num_workers=3)
    model = Network(CLIP * 48 * 48, device_ms=0)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    started, steps = time.perf_counter(), 0
    for clips, labels in loader:
        time.sleep(0.012)
        loss = torch.nn.functional.cross_entropy(model(clips), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        steps += 1
    report(steps, started)


if __name__ == "__main__":
    main()
