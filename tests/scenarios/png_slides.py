"""Pathology tiles stored as PNG and used at their full size: inflating them is most of a sample's cost."""

import time

import numpy as np
import torch
from _common import ImageNetwork, made, options, photos, report
from PIL import Image
from torch.utils.data import DataLoader, Dataset


class Tiles(Dataset):
    def __init__(self, paths, length, raw):
        self.paths, self.length, self.raw = paths, length, raw

    def __len__(self):
        return self.length

    def __getitem__(self, index):
        path = self.paths[index % len(self.paths)]
        if self.raw:
            pixels = np.load(path)
        else:
            pixels = np.asarray(Image.open(path).convert("RGB"))  # <- cause
        return torch.from_numpy(pixels.copy()).permute(2, 0, 1), index % 2


def unpack(paths):
    def write(into):
        for path in paths:
            np.save(into / f"{path.stem}.npy", np.asarray(Image.open(path).convert("RGB")))

    folder = paths[0].parent / "unpacked"
    return sorted(made(folder, write).glob("*.npy"))


def main():
    args = options(__doc__)
    paths = photos(args.data, 16, 512, 512, suffix=".png")
    tiles = Tiles(unpack(paths) if args.fix else paths, length=900, raw=args.fix)
    loader = DataLoader(tiles, batch_size=12, shuffle=True, num_workers=2)
    model = ImageNetwork(classes=2, device_ms=10)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    started, steps = time.perf_counter(), 0
    for tiles_u8, labels in loader:
        loss = torch.nn.functional.cross_entropy(model(tiles_u8[:, :, ::8, ::8].float() / 255), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        steps += 1
    report(steps, started)


if __name__ == "__main__":
    main()
