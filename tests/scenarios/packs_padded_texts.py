"""Batches are padded, but the network packs them first and computes on the words alone."""

import time

import numpy as np
import torch
from _common import options, report
from torch.nn.utils.rnn import pack_padded_sequence, pad_sequence
from torch.utils.data import DataLoader, Dataset


class Texts(Dataset):
    def __init__(self, count):
        lengths = np.random.default_rng(0).gamma(2.0, 12.0, count).clip(2, 120).astype(int)
        self.texts = [torch.randint(1, 1000, (int(n),)) for n in lengths]

    def __len__(self):
        return len(self.texts)

    def __getitem__(self, index):
        return self.texts[index]


def collate(texts):
    return pad_sequence(texts, batch_first=True), torch.tensor([len(text) for text in texts])


class Reader(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = torch.nn.Embedding(1000, 64)
        self.cells = torch.nn.LSTM(64, 96, batch_first=True)
        self.head = torch.nn.Linear(96, 1)

    def forward(self, ids, lengths):
        packed = pack_padded_sequence(self.embed(ids), lengths, batch_first=True, enforce_sorted=False)
        return self.head(self.cells(packed)[1][0][0]).squeeze(1)


def main():
    options(__doc__)
    loader = DataLoader(Texts(1600), 16, num_workers=1, collate_fn=collate)
    model = Reader()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.001)
    started, steps = time.perf_counter(), 0
    for ids, lengths in loader:
        loss = (model(ids, lengths) - lengths.float().log()).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        steps += 1
    report(steps, started)


if __name__ == "__main__":
    main()
