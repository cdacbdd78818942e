"""Who is speaking: a batch sampler groups all segments that are left by speaker again, for every batch it draws."""

import argparse
import random
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset, Sampler

SPEAKERS, FRAMES, BANDS, WINDOW = 300, 600, 40, 64


def record(path):
    path.parent.mkdir(parents=True)
    rng = np.random.default_rng(43)
    voices = rng.normal(size=(SPEAKERS, 1, BANDS)) + rng.normal(size=(SPEAKERS, FRAMES, BANDS))
    np.save(path, voices.astype(np.float16))


class Segments(Dataset):
    """Windows of the speakers' features, which are mapped into memory."""

    def __init__(self, path, step=3):
        self.features = np.load(path, mmap_mode="r")
        starts = range(0, FRAMES - WINDOW, step)
        self.segments = [(speaker, start) for speaker in range(SPEAKERS) for start in starts]

    def __len__(self):
        return len(self.segments)

    def __getitem__(self, index):
        speaker, start = self.segments[index]
        return torch.from_numpy(np.array(self.features[speaker, start : start + WINDOW])), speaker


class SpeakerBatches(Sampler):
    """Batches of a few segments each from a few speakers; no segment comes twice in an epoch."""

    def __init__(self, speakers, per_batch=8, per_speaker=4, group_once=False):
        self.speakers = speakers
        self.per_batch = per_batch
        self.per_speaker = per_speaker
        self.group_once = group_once

    def __len__(self):
        return len(self.speakers) // (self.per_batch * self.per_speaker)

    def group(self, left):
        by_speaker = {}
        for index in left:  # <- cause
            by_speaker.setdefault(self.speakers[index], []).append(index)  # <- cause
        return {speaker: found for speaker, found in by_speaker.items() if len(found) >= self.per_speaker}

    def __iter__(self):
        left = list(range(len(self.speakers)))
        grouped = self.group(left)
        while True:
            if not self.group_once:
                grouped = self.group(left)  # <- cause
            if len(grouped) < self.per_batch:
                return
            batch = []
            for speaker in random.sample(sorted(grouped), self.per_batch):
                batch += random.sample(grouped[speaker], self.per_speaker)
            yield batch
            if not self.group_once:
                left = [index for index in left if index not in batch]  # <- cause


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, default=Path(tempfile.gettempdir()) / "speaker_batches")
    parser.add_argument("--prepare", action="store_true", help="record the speakers and stop")
    parser.add_argument("--fix", action="store_true", help="group the segments once, before the first batch")
    args = parser.parse_args()
    path = args.data / "features.npy"
    if not path.exists():
        record(path)
    if args.prepare:
        return
    torch.set_num_threads(1)
    dataset = Segments(path)
    sampler = SpeakerBatches([speaker for speaker, _ in dataset.segments], group_once=args.fix)
    loader = DataLoader(dataset, batch_sampler=sampler, num_workers=2)
    embed = nn.Sequential(nn.Linear(BANDS, 96), nn.ReLU(), nn.Linear(96, 64))
    centres = nn.Parameter(torch.randn(SPEAKERS, 64))
    optimizer = torch.optim.Adam([*embed.parameters(), centres], lr=1e-3)
    began, total_steps = time.perf_counter(), 300
    for step, (features, speakers) in enumerate(loader, 1):
        voice = nn.functional.normalize(embed(features.float()).mean(1), dim=1)
        loss = nn.functional.cross_entropy(10 * voice @ nn.functional.normalize(centres, dim=1).T, speakers)
        optimizer.zero_grad()
        loss.backward()
        time.sleep(0.01)  # the recurrent layers, on a device
        optimizer.step()
        if step % 60 == 0:
            print(f"step {step}: loss {loss.item():.4f}", flush=True)
        if step == total_steps:
            break
    print(f"trained {total_steps} steps in {time.perf_counter() - began:.2f} s", flush=True)


if __name__ == "__main__":
    main()
