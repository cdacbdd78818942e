"""Classify a folder of images with a ResNet: decode, resize, crop, normalise, transpose; then only the forward pass."""

import argparse
import time
from pathlib import Path

import pipelines
import torch
from engine import Engine
from torch.utils.data import DataLoader, Dataset
from torchvision import models

ENDINGS = (".jpg", ".jpeg", ".png")


class Images(Dataset):
    """The images of some files through the usual pipeline."""

    def __init__(self, files):
        self.files, self.pipeline = files, None

    def __len__(self):
        return len(self.files)

    def __getitem__(self, index):
        # Made in the worker.
        self.pipeline = self.pipeline or pipelines.usual()
        return self.pipeline(self.files[index])


def batches(files, source, batch, workers, device):
    """Return an iterable of batches: from worker processes, or from the engine's threads."""
    if source == "workers":
        return DataLoader(Images(files), batch_size=batch, num_workers=workers, pin_memory=device == "cuda")
    return engine_of(files, batch, workers, device)


def engine_of(files, batch, threads, device):
    """Return the engine with the pipeline that leaves out what nobody needs."""
    return Engine(files, pipelines.prepare, (pipelines.SIDE, pipelines.SIDE, 3), batch, threads, device=device)


class Imagined:
    """A device that is not there: it takes the bytes of a batch into memory of its own, then time goes by."""

    def __init__(self, images_per_s):
        self.seconds, self.memory = 1 / images_per_s, None

    def __call__(self, images):
        self.take(images)
        time.sleep(len(images) * self.seconds)
        return torch.zeros(len(images), 1000)

    def take(self, images):
        """Copy a batch, as its transfer would."""
        if self.memory is None or self.memory.shape[0] < len(images):
            self.memory = torch.empty_like(images)
        self.memory[: len(images)].copy_(images)


def network(name, images_per_s):
    """Return a function from images to numbers per class, on the GPU or imagined, and the device's name."""
    if images_per_s is not None:
        return Imagined(images_per_s), "cpu"
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model = getattr(models, name)().to(device, memory_format=torch.channels_last).eval()
    return model, device


def found(folder):
    """Return the images below a folder. Raises SystemExit when there are none."""
    files = sorted(path for path in Path(folder).rglob("*") if path.suffix.lower() in ENDINGS)
    if not files:
        raise SystemExit(f"{folder}: no images in it or below it")
    return files


@torch.inference_mode()
def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data")
    parser.add_argument("--model", choices=("resnet18", "resnet34", "resnet50"), default="resnet50")
    parser.add_argument("--source", choices=("workers", "engine", "engine-in-loader"), default="workers")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--images", type=int, help="how many; the folder's are taken again until they are enough")
    parser.add_argument("--device-rate", type=float, help="images per second of a device that is not there")
    args = parser.parse_args()
    files = found(args.data)
    files = [files[index % len(files)] for index in range(args.images or len(files))]
    # The cores are the input pipeline's.
    torch.set_num_threads(1)
    model, device = network(args.model, args.device_rate)
    source = batches(files, args.source, args.batch, args.workers, device)
    if args.source == "engine-in-loader":
        source = DataLoader(source, batch_size=None)
    counts, started = torch.zeros(1000), time.perf_counter()
    for images in source:
        classes = model(images.to(device, non_blocking=True)).argmax(1)
        counts += torch.bincount(classes.cpu(), minlength=1000)
    print(f"{int(counts.sum())} images, {counts.sum() / (time.perf_counter() - started):.0f} per second")


if __name__ == "__main__":
    main()
