"""Train ResNet-50 or MobileNetV2 on an ImageNet-like folder: random crop, flip, RandAugment with N layers, normalise."""

import argparse
import time
from pathlib import Path

import torch
from stand_in import StandIn
from torch.utils.data import DataLoader, RandomSampler
from torchvision import datasets, models, transforms


def pipeline(side, layers):
    basic = [transforms.RandomResizedCrop(side), transforms.RandomHorizontalFlip()]
    more = [transforms.RandAugment(num_ops=layers)] if layers else []
    normalise = transforms.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
    return transforms.Compose([*basic, *more, transforms.ToTensor(), normalise])


def loader_of(args):
    data = datasets.ImageFolder(Path(args.data, "train"), pipeline(args.side, args.layers))
    sampler = RandomSampler(data, replacement=True, num_samples=args.steps * args.batch)
    return DataLoader(
        data, batch_size=args.batch, sampler=sampler, num_workers=args.workers, pin_memory=torch.cuda.is_available()
    )


def options(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data")
    parser.add_argument("--model", choices=("resnet50", "mobilenet_v2"), default="resnet50")
    parser.add_argument("--layers", type=int, default=0, help="RandAugment's operations per image")
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--side", type=int, default=224)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--device-ms", type=float, help="a step of a device that is not there, instead of the network")
    return parser.parse_args(arguments)


class Trainer:
    """The model, its optimizer, and one step."""

    def __init__(self, args):
        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        model = getattr(models, args.model)() if args.device_ms is None else StandIn(1000, args.device_ms)
        self.model = model.to(self.device)
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=0.01, momentum=0.9)

    def step(self, images, labels):
        images, labels = images.to(self.device, non_blocking=True), labels.to(self.device, non_blocking=True)
        self.optimizer.zero_grad(set_to_none=True)
        loss = torch.nn.functional.cross_entropy(self.model(images), labels)
        loss.backward()
        self.optimizer.step()
        return loss


def main():
    args = options()
    trainer = Trainer(args)
    started = time.perf_counter()
    for images, labels in loader_of(args):
        loss = trainer.step(images, labels)
    print(f"loss {loss.item():.3f} after {args.steps} steps, {time.perf_counter() - started:.2f} s")


if __name__ == "__main__":
    main()
