"""Photos hardly larger than what is used (427 × 320 to 224): decoding is the cost, a scaled decode cannot help."""

import time

import torch
from _common import ImageNetwork, options, photos, report
from PIL import Image
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import functional


class Small(Dataset):
    def __init__(self, paths, draft):
        self.paths, self.draft = paths, draft

    def __len__(self):
        return 2000

    def __getitem__(self, index):
        image = Image.open(self.paths[index % len(self.paths)])
        if self.draft:
            image.draft("RGB", (224, 224))
        image = image.convert("RGB")
        return functional.pil_to_tensor(functional.center_crop(image, [224, 224])), index % 10


def main():
    args = options(__doc__)
    loader = DataLoader(Small(photos(args.data, 30, 427, 320), args.fix), batch_size=25, num_workers=2)
    model = ImageNetwork(device_ms=6)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    started, steps = time.perf_counter(), 0
    for images, labels in loader:
        loss = torch.nn.functional.cross_entropy(model(images[:, :, ::7, ::7].float() / 255), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        steps += 1
    report(steps, started)


if __name__ == "__main__":
    main()
