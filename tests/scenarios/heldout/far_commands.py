"""Commands spoken from across the room: recordings are shifted, put into one of many rooms, and buried in noise.

The report behind it: https://github.com/iver56/audiomentations/issues/30, np.convolve where a room wants the FFT;
https://github.com/iver56/torch-audiomentations/issues/152, training that is slow with impulse responses.
"""

import argparse
import tempfile
import time
from functools import partial
from pathlib import Path

import numpy as np
import torch
from scipy import signal
from scipy.io import wavfile
from torch import nn
from torch.utils.data import DataLoader, Dataset

RATE, WORDS, ROOMS = 16000, ("go", "stop", "left", "right", "up", "down"), 40


def record(folder, count=480):
    """Write words as sweeps of sound, and what rooms answer to a clap."""
    (folder / "rooms").mkdir(parents=True)
    rng = np.random.default_rng(233)
    at = np.arange(RATE) / RATE
    for number in range(count):
        word = int(rng.integers(len(WORDS)))
        pitch = 300 + 180 * word + rng.uniform(-40, 40)
        wave = np.sin(2 * np.pi * pitch * at * (1 + 0.4 * at * (word % 2))) * np.exp(-((at - 0.5) ** 2) / 0.03)
        wavfile.write(folder / f"{WORDS[word]}_{number:04d}.wav", RATE, (wave * 12000).astype(np.int16))
    for room in range(ROOMS):
        length = int(RATE * rng.uniform(0.15, 0.3))
        answer = rng.normal(0, 1, length) * np.exp(-np.arange(length) / (length / 6))
        answer[0] = 4
        wavfile.write(
            folder / "rooms" / f"room{room:02d}.wav", RATE, (answer / np.abs(answer).max() * 30000).astype(np.int16)
        )


def load_rooms(folder):
    rooms = []
    for path in sorted(folder.glob("room*.wav")):
        answer = wavfile.read(path)[1].astype(np.float64)
        rooms.append(answer / np.sqrt((answer**2).sum()))
    return rooms


def shift(wave, rng, most):
    return np.roll(wave, int(rng.integers(-most, most + 1)))


def scale(wave, rng, low, high):
    return wave * rng.uniform(low, high)


def reverberate(wave, rng, rooms, chance, convolve):
    if rng.random() > chance:
        return wave
    answer = rooms[int(rng.integers(len(rooms)))]
    return convolve(wave, answer)[: len(wave)]  # <- cause


def add_noise(wave, rng, quietest, loudest):
    level = 10 ** (rng.uniform(quietest, loudest) / 20)
    return wave + rng.standard_normal(len(wave)) * level * (np.abs(wave).mean() + 1e-4)


class Commands(Dataset):
    def __init__(self, folder, steps):
        self.paths = sorted(folder.glob("*.wav"))
        self.labels = [WORDS.index(path.name.split("_")[0]) for path in self.paths]
        self.steps = steps
        self.window = torch.hann_window(400)

    def __len__(self):
        return len(self.paths)

    def features(self, wave):
        spectrum = torch.stft(torch.from_numpy(wave).float(), 400, 160, window=self.window, return_complex=True)
        return torch.log1p(spectrum.abs()[:80])

    def __getitem__(self, index):
        rng = np.random.default_rng(torch.randint(2**31, ()).item())
        wave = wavfile.read(self.paths[index])[1].astype(np.float64) / 32768
        for step in self.steps:
            wave = step(wave, rng)
        return self.features(wave), self.labels[index]


class KeywordNet(nn.Module):
    def __init__(self, width=40):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv1d(80, width, 5, padding=2),
            nn.BatchNorm1d(width),
            nn.ReLU(),
            nn.Conv1d(width, width, 5, stride=2, padding=2),
            nn.BatchNorm1d(width),
            nn.ReLU(),
        )
        self.memory = nn.GRU(width, width, batch_first=True)
        self.head = nn.Linear(width, len(WORDS))

    def forward(self, features):
        states, _ = self.memory(self.body(features).transpose(1, 2))
        return self.head(states.mean(1))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, default=Path(tempfile.gettempdir()) / "far_commands")
    parser.add_argument("--prepare", action="store_true", help="record words and rooms and stop")
    parser.add_argument("--fix", action="store_true", help="convolve through the FFT")
    args = parser.parse_args()
    if not args.data.exists():
        record(args.data)
    if args.prepare:
        return
    torch.set_num_threads(1)
    torch.manual_seed(239)
    convolve = signal.fftconvolve if args.fix else np.convolve
    steps = [
        partial(shift, most=1600),
        partial(reverberate, rooms=load_rooms(args.data / "rooms"), chance=0.8, convolve=convolve),
        partial(add_noise, quietest=-30, loudest=-5),
        partial(scale, low=0.4, high=1.2),
    ]
    dataset = Commands(args.data, steps)
    loader = DataLoader(dataset, batch_size=16, shuffle=True, num_workers=2, persistent_workers=True)
    model = KeywordNet()
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    count, began = 0, time.perf_counter()
    for epoch in range(7):
        right = 0
        for features, words in loader:
            scores = model(features)
            loss = nn.functional.cross_entropy(scores, words)
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 5.0)
            optimizer.step()
            right += int((scores.argmax(1) == words).sum())
            count += 1
        print(f"epoch {epoch}: {right / len(dataset):.3f} of the words", flush=True)
    print(f"trained {count} steps in {time.perf_counter() - began:.2f} s", flush=True)


if __name__ == "__main__":
    main()
