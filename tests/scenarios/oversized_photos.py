"""Fine-tuning on camera photos (2000 × 1500) at 224 pixels, decoded in full by Pillow."""

import time

import torch
from _common import ImageNetwork, options, photos, report
from PIL import Image
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms


class CameraRoll(Dataset):
    def __init__(self, paths, length, scaled):
        self.paths, self.length, self.scaled = paths, length, scaled
        self.transform = transforms.Compose([transforms.Resize(224), transforms.CenterCrop(224), transforms.ToTensor()])

    def __len__(self):
        return self.length

    def __getitem__(self, index):
        image = Image.open(self.paths[index % len(self.paths)])  # <- cause
        if self.scaled:
            image.draft("RGB", (448, 448))
        image = image.convert("RGB")  # <- cause
        return self.transform(image), index % 5


def main():
    args = options(__doc__)
    data = CameraRoll(photos(args.data, 12, 2000, 1500), length=280, scaled=args.fix)
    loader = DataLoader(data, batch_size=4, shuffle=True, num_workers=2)
    model = ImageNetwork(classes=5, device_ms=0)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    started, steps = time.perf_counter(), 0
    for images, labels in loader:
        time.sleep(0.012)
        loss = torch.nn.functional.cross_entropy(model(images), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        steps += 1
    report(steps, started)


if __name__ == "__main__":
    main()
