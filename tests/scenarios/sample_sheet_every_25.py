"""Every 25 steps a sheet of sample pictures is drawn and compressed before training goes on."""

import io
import time

import torch
from _common import ImageNetwork, options, picture, report
from PIL import Image
from torch.utils.data import DataLoader, TensorDataset


def sheet(tiles):
    page = Image.new("RGB", (1200, 900))
    for number, tile in enumerate(tiles):
        page.paste(Image.fromarray(tile).resize((300, 225)), (300 * (number % 4), 225 * (number // 4)))
    buffer = io.BytesIO()
    page.save(buffer, "PNG", optimize=True)  # <- cause
    return buffer.getvalue()


def main():
    args = options(__doc__)
    tiles = [picture(300, 225, seed) for seed in range(16)]
    data = TensorDataset(torch.randn(900, 3, 16, 16), torch.randint(0, 10, (900,)))
    loader = DataLoader(data, batch_size=6, num_workers=1)
    model = ImageNetwork(device_ms=0)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    written = 0
    started, steps = time.perf_counter(), 0
    for x, y in loader:
        time.sleep(0.018)
        loss = torch.nn.functional.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        steps += 1
        if not args.fix and steps % 25 == 0:
            written += len(sheet(tiles))
    report(steps, started)


if __name__ == "__main__":
    main()
