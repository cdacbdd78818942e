"""Spoken digits: a 1-D convolutional classifier on recordings that are brought to 8 kHz as they are read."""

import argparse
import tempfile
import wave
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, Dataset

SOURCE_RATE, TARGET_RATE = 22050, 8000


def write_recordings(root, count=360, seconds=0.8):
    root.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(11)
    time = np.arange(int(seconds * SOURCE_RATE)) / SOURCE_RATE
    for number in range(count):
        digit = number % 10
        signal = np.sin(2 * np.pi * (200 + 90 * digit) * time) + 0.3 * rng.standard_normal(time.size)
        with wave.open(str(root / f"{digit}_{number:04d}.wav"), "wb") as out:
            out.setnchannels(1)
            out.setsampwidth(2)
            out.setframerate(SOURCE_RATE)
            out.writeframes((signal * 9000).astype("<i2").tobytes())


def to_target_rate(samples):
    ratio = SOURCE_RATE / TARGET_RATE
    result = np.empty(int(len(samples) / ratio), dtype=np.float32)
    for i in range(len(result)):
        left = int(i * ratio)
        right = min(left + 1, len(samples) - 1)
        result[i] = samples[left] + (samples[right] - samples[left]) * (i * ratio - left)  # <- cause
    return result


class SpokenDigits(Dataset):
    def __init__(self, root):
        self.files = sorted(root.glob("*.wav"))

    def __len__(self):
        return len(self.files)

    def __getitem__(self, i):
        with wave.open(str(self.files[i]), "rb") as recording:
            raw = recording.readframes(recording.getnframes())
        samples = np.frombuffer(raw, dtype="<i2").astype(np.float32) / 32768
        return torch.from_numpy(to_target_rate(samples)), int(self.files[i].name[0])


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.c1 = nn.Conv1d(1, 16, 64, stride=16)
        self.c2 = nn.Conv1d(16, 32, 9, stride=4)
        self.head = nn.Linear(32, 10)

    def forward(self, x):
        x = F.relu(self.c1(x.unsqueeze(1)))
        x = F.relu(self.c2(x))
        return self.head(x.mean(-1))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, default=Path(tempfile.gettempdir()) / "voice_digits")
    parser.add_argument("--prepare", action="store_true", help="write the recordings and stop")
    parser.add_argument("--epochs", type=int, default=5)
    args = parser.parse_args()
    if not args.data.exists():
        write_recordings(args.data)
    if args.prepare:
        return
    torch.set_num_threads(1)
    train = DataLoader(SpokenDigits(args.data), batch_size=12, shuffle=True, num_workers=2, persistent_workers=True)
    net = Net()
    optim = torch.optim.Adam(net.parameters(), lr=1e-3)
    for epoch in range(args.epochs):
        right = total = 0
        for audio, digit in train:
            scores = net(audio)
            loss = F.cross_entropy(scores, digit)
            optim.zero_grad()
            loss.backward()
            optim.step()
            right += (scores.argmax(1) == digit).sum().item()
            total += len(digit)
        print(f"epoch {epoch}: accuracy {right / total:.3f}", flush=True)


if __name__ == "__main__":
    main()
