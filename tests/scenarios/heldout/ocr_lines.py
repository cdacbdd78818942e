"""Text recognition on synthetic lines: the words are drawn with PIL onto paper whose pixels are set one by one."""

import argparse
import math
import random
import string
import time

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFilter, ImageFont
from torch import nn
from torch.utils.data import DataLoader, Dataset

ALPHABET = string.ascii_lowercase + " "
HEIGHT, WIDTH = 32, 192


def quasicrystal(height, width):
    """Return paper with a pattern of interfering waves."""
    image = Image.new("L", (width, height))
    pixels = image.load()
    waves = [(random.random() * 20 + 10, random.random() * math.pi, random.random() * 6) for _ in range(3)]
    for y in range(height):
        b = y / height * math.pi
        for x in range(width):
            a = x / width * math.pi * 4
            level = 0.0
            for frequency, angle, phase in waves:
                level += math.cos(math.cos(angle) * a * frequency / 8 + math.sin(angle) * b + phase)  # <- cause
            pixels[x, y] = int(200 + 15 * level)  # <- cause
    return image


def plain_white(height, width):
    shade = np.random.default_rng(random.getrandbits(32)).normal(225, 12, (height, width))
    return Image.fromarray(shade.clip(0, 255).astype(np.uint8))


class FakeTextDataset(Dataset):
    def __init__(self, count, background):
        rng = random.Random(19)
        self.strings = ["".join(rng.choices(ALPHABET, k=rng.randint(6, 12))) for _ in range(count)]
        self.background = background
        self.font = ImageFont.load_default(22)

    def __len__(self):
        return len(self.strings)

    def __getitem__(self, index):
        text = self.strings[index]
        image = self.background(HEIGHT, WIDTH)  # <- cause
        draw = ImageDraw.Draw(image)
        draw.text((4, random.randint(0, 6)), text, font=self.font, fill=random.randint(0, 90))
        if random.random() < 0.5:
            image = image.filter(ImageFilter.GaussianBlur(random.random()))
        pixels = torch.from_numpy(np.asarray(image, dtype=np.float32) / 255)
        target = torch.tensor([ALPHABET.index(letter) + 1 for letter in text])
        return pixels[None], target


def collate(samples):
    images, targets = zip(*samples)
    return torch.stack(images), torch.cat(targets), torch.tensor([len(target) for target in targets])


class CRNN(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(1, 12, 3, stride=(4, 2), padding=1), nn.ReLU(), nn.MaxPool2d((4, 2)))
        self.rnn = nn.GRU(24, 32, bidirectional=True)
        self.head = nn.Linear(64, len(ALPHABET) + 1)

    def forward(self, images):
        columns = self.features(images).flatten(1, 2).permute(2, 0, 1)
        return self.head(self.rnn(columns)[0]).log_softmax(2)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", help="not needed: the lines are drawn when they are wanted")
    parser.add_argument("--fix", action="store_true", help="plain noisy paper")
    args = parser.parse_args()
    torch.set_num_threads(1)
    dataset = FakeTextDataset(640, plain_white if args.fix else quasicrystal)
    loader = DataLoader(
        dataset, batch_size=16, shuffle=True, num_workers=2, collate_fn=collate, persistent_workers=True
    )
    model, criterion = CRNN(), nn.CTCLoss(zero_infinity=True)
    optimizer = torch.optim.RMSprop(model.parameters(), lr=5e-4)
    steps, began = 0, time.perf_counter()
    for epoch in range(3):
        for images, targets, lengths in loader:
            scores = model(images)
            loss = criterion(scores, targets, torch.full((len(images),), len(scores)), lengths)
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 5)
            optimizer.step()
            steps += 1
        print(f"[{epoch}/3] loss: {loss.item():.3f}", flush=True)
    print(f"trained {steps} steps in {time.perf_counter() - began:.2f} s", flush=True)


if __name__ == "__main__":
    main()
