"""Icons in one large zip archive that is opened anew for each icon."""

import io
import time
import zipfile

import numpy as np
import torch
from _common import Network, made, options, report
from torch.utils.data import DataLoader, Dataset

ENTRIES = 3000


def write(folder):
    random = np.random.default_rng(5)
    with zipfile.ZipFile(folder / "icons.zip", "w") as archive:
        for number in range(ENTRIES):
            buffer = io.BytesIO()
            np.save(buffer, random.integers(0, 255, (16, 16), dtype=np.uint8))
            archive.writestr(f"icons/{number:06d}.npy", buffer.getvalue())


class Icons(Dataset):
    def __init__(self, path, keep_open):
        self.path, self.keep_open, self.archive = path, keep_open, None

    def __len__(self):
        return ENTRIES

    def read(self, name):
        if not self.keep_open:
            with zipfile.ZipFile(self.path) as archive:  # <- cause
                return archive.read(name)
        if self.archive is None:
            self.archive = zipfile.ZipFile(self.path)
        return self.archive.read(name)

    def __getitem__(self, index):
        icon = np.load(io.BytesIO(self.read(f"icons/{index:06d}.npy")))
        return torch.from_numpy(icon).float() / 255, index % 10


def main():
    args = options(__doc__)
    icons = Icons(made(args.data, write) / "icons.zip", keep_open=args.fix)
    some = torch.utils.data.Subset(icons, range(0, ENTRIES, 6))
    loader = DataLoader(some, batch_size=6, shuffle=True, num_workers=2)
    model = Network(256, device_ms=0)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    started, steps = time.perf_counter(), 0
    for images, labels in loader:
        time.sleep(0.005)
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(model(images), labels).backward()
        optimizer.step()
        steps += 1
    report(steps, started)


if __name__ == "__main__":
    main()
