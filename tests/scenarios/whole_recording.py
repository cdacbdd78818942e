"""Bird song: long recordings, of which a random second is kept; the whole file is decoded to get it."""

import random
import time
import wave

import numpy as np
import torch
from _common import Network, options, recordings, report
from scipy.io import wavfile
from torch.utils.data import DataLoader, Dataset

RATE = 16000


class Songs(Dataset):
    def __init__(self, paths, length, seek):
        self.paths, self.length, self.seek = [str(p) for p in paths], length, seek

    def __len__(self):
        return self.length

    def __getitem__(self, index):
        path = self.paths[index % len(self.paths)]
        start = random.randrange(100 * RATE)
        if self.seek:
            with wave.open(path) as recording:
                recording.setpos(start)
                second = np.frombuffer(recording.readframes(RATE), np.int16) / np.float32(32768)
        else:
            second = (wavfile.read(path)[1].astype(np.float32) / 32768)[start : start + RATE]  # <- cause
        return torch.from_numpy(second.astype(np.float32)), index % 10


def main():
    args = options(__doc__)
    songs = Songs(recordings(args.data, 6, seconds=120.0), length=700, seek=args.fix)
    loader = DataLoader(songs, batch_size=10, num_workers=2)
    model = Network(RATE, device_ms=0)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    started, steps = time.perf_counter(), 0
    for song, bird in loader:
        time.sleep(0.008)
        loss = torch.nn.functional.cross_entropy(model(song), bird)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        steps += 1
    report(steps, started)


if __name__ == "__main__":
    main()
