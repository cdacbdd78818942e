"""Moods in short films: the frames of a batch are put into one buffer that has room for the longest film there may be."""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset

SIDE, MOODS, ROOM = 48, 5, 960


def shoot_films(folder, count=300):
    folder.mkdir(parents=True)
    rng = np.random.default_rng(71)
    lengths = rng.integers(6, 44, count)
    moods = rng.integers(0, MOODS, count)
    for number, (length, mood) in enumerate(zip(lengths, moods, strict=True)):
        frames = rng.integers(0, 120, (length, 3, SIDE, SIDE), dtype=np.uint8)
        frames[:, mood % 3] += np.uint8(20 + 15 * mood)
        np.save(folder / f"film{number:04d}.npy", frames)
    np.save(folder / "moods.npy", moods)


class Films(Dataset):
    def __init__(self, folder):
        self.paths = sorted(folder.glob("film*.npy"))
        self.moods = np.load(folder / "moods.npy")

    def __len__(self):
        return len(self.paths)

    def __getitem__(self, index):
        frames = torch.from_numpy(np.load(self.paths[index]))
        if torch.rand(()) < 0.5:
            frames = frames.flip(3)
        return frames, int(self.moods[index])


class Padded:
    """Put films of different lengths into one tensor; `tight` copies what is used out of the buffer."""

    def __init__(self, tight):
        self.tight = tight

    def __call__(self, films):  # <- cause
        lengths = torch.tensor([len(frames) for frames, _ in films])
        buffer = torch.empty(len(films), ROOM, 3, SIDE, SIDE, dtype=torch.uint8)  # <- cause
        for row, (frames, _) in zip(buffer, films, strict=True):
            row[: len(frames)] = frames
        clips = buffer[:, : lengths.max()]  # <- cause
        if self.tight:
            clips = clips.clone(memory_format=torch.contiguous_format)
        return clips, lengths, torch.tensor([mood for _, mood in films])  # <- cause


class MoodNet(nn.Module):
    def __init__(self, width=32):
        super().__init__()
        self.frame = nn.Sequential(nn.AvgPool2d(4), nn.Conv2d(3, width, 4, stride=4), nn.ReLU(), nn.Flatten(1))
        self.motion = nn.Conv1d(width * 9, width, 3, padding=1)
        self.head = nn.Linear(width, MOODS)

    def forward(self, clips, lengths):
        batch, time_steps = clips.shape[:2]
        features = self.frame(clips.flatten(0, 1).float() / 255).view(batch, time_steps, -1)
        motion = self.motion(features.transpose(1, 2)).relu()
        used = torch.arange(time_steps) < lengths[:, None]
        return self.head((motion * used[:, None]).sum(2) / lengths[:, None])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, default=Path(tempfile.gettempdir()) / "video_moods")
    parser.add_argument("--prepare", action="store_true", help="shoot the films and stop")
    parser.add_argument("--fix", action="store_true", help="send the frames that are used, not the buffer")
    args = parser.parse_args()
    if not args.data.exists():
        shoot_films(args.data)
    if args.prepare:
        return
    torch.set_num_threads(1)
    torch.manual_seed(73)
    loader = DataLoader(
        Films(args.data),
        batch_size=10,
        shuffle=True,
        drop_last=True,
        num_workers=1,
        collate_fn=Padded(args.fix),
        persistent_workers=True,
    )
    model = MoodNet()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    steps, began = 0, time.perf_counter()
    for epoch in range(7):
        total = 0.0
        for clips, lengths, moods in loader:
            loss = nn.functional.cross_entropy(model(clips, lengths), moods)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item()
            steps += 1
        print(f"epoch {epoch}: loss {total / len(loader):.4f}", flush=True)
    print(f"trained {steps} steps in {time.perf_counter() - began:.2f} s", flush=True)


if __name__ == "__main__":
    main()
