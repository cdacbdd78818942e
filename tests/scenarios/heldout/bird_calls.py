"""Birds by their calls: recordings of several rates become log-mel pictures, through an object that knows the rate."""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset

RATES, SPECIES, SECONDS = (16000, 22050, 24000), 8, 1.5
BANDS, WINDOW, HOP = 40, 512, 256


def record_calls(folder, count=400):
    folder.mkdir(parents=True)
    rng = np.random.default_rng(79)
    for number in range(count):
        rate, bird = RATES[number % len(RATES)], int(rng.integers(SPECIES))
        at = np.arange(int(rate * SECONDS)) / rate
        call = np.sin(2 * np.pi * (700 + 450 * bird) * at * (1 + 0.1 * np.sin(2 * np.pi * 3 * at)))
        call = (call * 9000 + rng.normal(0, 2500, len(at))).astype(np.int16)
        np.savez(folder / f"call{number:04d}.npz", call=call, rate=rate, bird=bird)


def to_mel(hertz):
    return 2595.0 * np.log10(1.0 + hertz / 700.0)


def to_hertz(mel):
    return 700.0 * (10.0 ** (mel / 2595.0) - 1.0)


class LogMel:
    """Log-mel pictures of recordings of one rate."""

    def __init__(self, rate, bands=BANDS):
        self.window = torch.hann_window(WINDOW)
        edges = to_hertz(np.linspace(to_mel(50.0), to_mel(rate / 2), bands + 2))
        bins = np.fft.rfftfreq(WINDOW, 1 / rate)
        weights = np.zeros((bands, len(bins)))
        for band in range(bands):
            low, middle, high = edges[band : band + 3]
            for at, hertz in enumerate(bins):
                rising = (hertz - low) / (middle - low)  # <- cause
                falling = (high - hertz) / (high - middle)  # <- cause
                weights[band, at] = max(0.0, min(rising, falling))  # <- cause
        self.weights = torch.from_numpy(weights).float()

    def __call__(self, wave):
        spectrum = torch.stft(wave, WINDOW, HOP, window=self.window, return_complex=True).abs().square()
        return torch.log1p(self.weights @ spectrum)


class Calls(Dataset):
    def __init__(self, folder, frames=88, keep=False):
        self.paths = sorted(folder.glob("call*.npz"))
        self.frames = frames
        self.kept = {rate: LogMel(rate) for rate in RATES} if keep else None

    def __len__(self):
        return len(self.paths)

    def __getitem__(self, index):
        with np.load(self.paths[index]) as file:
            wave, rate, bird = file["call"], int(file["rate"]), int(file["bird"])
        wave = torch.from_numpy(wave).float() / 32768
        features = self.kept[rate] if self.kept else LogMel(rate)  # <- cause
        picture = features(wave)
        if picture.shape[1] < self.frames:
            picture = nn.functional.pad(picture, (0, self.frames - picture.shape[1]))
        begin = int(torch.randint(picture.shape[1] - self.frames + 1, ()))
        return picture[None, :, begin : begin + self.frames].clone(), bird


class CallNet(nn.Module):
    def __init__(self, width=24):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(1, width, 5, padding=2),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(width, 2 * width, 3, padding=1),
            nn.BatchNorm2d(2 * width),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(1),
        )
        self.head = nn.Linear(2 * width, SPECIES)

    def forward(self, pictures):
        return self.head(self.body(pictures).flatten(1))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, default=Path(tempfile.gettempdir()) / "bird_calls")
    parser.add_argument("--prepare", action="store_true", help="record the calls and stop")
    parser.add_argument("--fix", action="store_true", help="keep one object for each rate")
    args = parser.parse_args()
    if not args.data.exists():
        record_calls(args.data)
    if args.prepare:
        return
    torch.set_num_threads(1)
    torch.manual_seed(83)
    dataset = Calls(args.data, keep=args.fix)
    loader = DataLoader(dataset, batch_size=8, shuffle=True, num_workers=2, persistent_workers=True)
    model = CallNet()
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
    steps, began = 0, time.perf_counter()
    for epoch in range(3):
        right = 0
        for pictures, birds in loader:
            scores = model(pictures)
            loss = nn.functional.cross_entropy(scores, birds)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            right += (scores.argmax(1) == birds).sum().item()
            steps += 1
        print(f"epoch {epoch}: accuracy {right / len(dataset):.3f}", flush=True)
    print(f"trained {steps} steps in {time.perf_counter() - began:.2f} s", flush=True)


if __name__ == "__main__":
    main()
