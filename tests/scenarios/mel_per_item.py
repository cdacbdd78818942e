"""Speech: each item is loaded, resampled and turned into a spectrogram again, every epoch."""

import time

import numpy as np
import torch
from _common import Network, made, options, recordings, report
from scipy import signal
from scipy.io import wavfile
from torch.utils.data import DataLoader, Dataset


def spectrogram(path):
    rate, samples = wavfile.read(path)
    samples = signal.resample(samples.astype(np.float32), 2 * samples.size * 11025 // rate)  # <- cause
    _, _, power = signal.spectrogram(samples[: samples.size // 2], 11025, nperseg=256)
    return np.log1p(power[:80, :100]).astype(np.float32)


class Utterances(Dataset):
    def __init__(self, paths, length, stored):
        self.paths, self.length, self.stored = paths, length, stored

    def __len__(self):
        return self.length

    def __getitem__(self, index):
        path = self.paths[index % len(self.paths)]
        mel = np.load(path) if self.stored else spectrogram(path)
        return torch.from_numpy(mel), index % 10


def store(paths):
    def write(into):
        for path in paths:
            np.save(into / f"{path.stem}.npy", spectrogram(path))

    return sorted(made(paths[0].parent / "mel", write).glob("*.npy"))


def main():
    args = options(__doc__)
    paths = recordings(args.data, 20, seconds=4.0)
    utterances = Utterances(store(paths) if args.fix else paths, 800, args.fix)
    loader = DataLoader(utterances, batch_size=8, shuffle=True, num_workers=2)
    model = Network(80 * 100, device_ms=9)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-4)
    started, steps = time.perf_counter(), 0
    for mel, speaker in loader:
        loss = torch.nn.functional.cross_entropy(model(mel), speaker)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        steps += 1
    report(steps, started)


if __name__ == "__main__":
    main()
