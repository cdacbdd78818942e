"""Gestures in video: a clip of eight frames from the middle of a file, which is read from its beginning to get there."""

import argparse
import random
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset

LENGTH, STRIDE, SIDE = 8, 2, 64


def film(folder, count=16, frames=140):
    folder.mkdir(parents=True)
    rng = np.random.default_rng(7)
    for number in range(count):
        writer = cv2.VideoWriter(str(folder / f"g{number:02d}.avi"), cv2.VideoWriter_fourcc(*"MJPG"), 25, (160, 120))
        wall = cv2.resize(rng.integers(0, 255, (9, 12, 3), dtype=np.uint8), (160, 120))
        for at in range(frames):
            frame = wall.copy()
            cv2.circle(frame, (20 + at % 120, 60 + number), 12, (20, 200, 250), -1)
            writer.write(frame)
        writer.release()


class ClipDataset(Dataset):
    def __init__(self, folder, frames, seek=False):
        self.videos = sorted(str(path) for path in folder.glob("*.avi"))
        self.frames = frames
        self.seek = seek

    def __len__(self):
        return len(self.videos) * 8

    def _read_clip(self, path):
        capture = cv2.VideoCapture(path)
        start = random.randint(self.frames // 2, self.frames - LENGTH * STRIDE - 1)
        if self.seek:
            capture.set(cv2.CAP_PROP_POS_FRAMES, start)
        else:
            for _ in range(start):
                capture.read()  # <- cause
        clip = []
        while len(clip) < LENGTH:
            ok, frame = capture.read()
            if not ok:
                break
            capture.grab()
            clip.append(cv2.resize(frame, (SIDE, SIDE)))
        capture.release()
        return np.stack(clip)

    def __getitem__(self, index):
        clip = self._read_clip(self.videos[index % len(self.videos)])  # <- cause
        return torch.from_numpy(clip).permute(3, 0, 1, 2), index % len(self.videos) % 4


class TinyC3D(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv3d(3, 8, 3, stride=(1, 4, 4), padding=1)
        self.head = nn.Linear(8, 4)

    def forward(self, clips):
        return self.head(self.conv(clips).relu().mean((2, 3, 4)))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, default=Path(tempfile.gettempdir()) / "gesture_clips")
    parser.add_argument("--prepare", action="store_true", help="film the gestures and stop")
    parser.add_argument("--fix", action="store_true", help="seek to the clip")
    args = parser.parse_args()
    if not args.data.exists():
        film(args.data)
    if args.prepare:
        return
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    train_set = ClipDataset(args.data, frames=140, seek=args.fix)
    loader = DataLoader(
        train_set, batch_size=8, shuffle=True, num_workers=2, drop_last=True, persistent_workers=True, prefetch_factor=4
    )
    model = TinyC3D()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    steps, began = 0, time.perf_counter()
    for epoch in range(5):
        correct = torch.zeros(())
        for clips, labels in loader:
            scores = model(clips.float().div(255))
            loss = nn.functional.cross_entropy(scores, labels)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            time.sleep(0.003)  # the deeper layers, on a device
            optimizer.step()
            correct += (scores.argmax(1) == labels).sum()
            steps += 1
        print(f"epoch {epoch} accuracy {correct.item() / len(train_set):.3f}", flush=True)
    print(f"trained {steps} steps in {time.perf_counter() - began:.2f} s", flush=True)


if __name__ == "__main__":
    main()
