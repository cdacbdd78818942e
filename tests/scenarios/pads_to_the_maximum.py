"""Every text is padded to the longest that the model takes, though most are short."""

import time

import numpy as np
import torch
from _common import options, report
from torch.utils.data import DataLoader, Dataset

LONGEST = 256


class Texts(Dataset):
    def __init__(self, count):
        lengths = np.random.default_rng(0).gamma(4.0, 10.0, count).clip(4, LONGEST).astype(int)
        self.texts = [torch.randint(1, 1000, (int(n),)) for n in lengths]

    def __len__(self):
        return len(self.texts)

    def __getitem__(self, index):
        return self.texts[index]


def to_maximum(texts):
    padded = torch.zeros(len(texts), LONGEST, dtype=torch.long)  # <- cause
    for row, text in enumerate(texts):
        padded[row, : len(text)] = text
    return padded, torch.tensor([float(len(text)) for text in texts])


def to_longest(texts):
    lengths = torch.tensor([float(len(text)) for text in texts])
    return torch.nn.utils.rnn.pad_sequence(texts, batch_first=True), lengths


def main():
    args = options(__doc__)
    loader = DataLoader(Texts(2000), 16, num_workers=1, collate_fn=to_longest if args.fix else to_maximum)
    embed = torch.nn.Embedding(1000, 96)
    block = torch.nn.TransformerEncoderLayer(96, 4, 192, batch_first=True)
    head = torch.nn.Linear(96, 1)
    parameters = [*embed.parameters(), *block.parameters(), *head.parameters()]
    optimizer = torch.optim.SGD(parameters, lr=0.001)
    started, steps = time.perf_counter(), 0
    for ids, lengths in loader:
        hidden = block(embed(ids), src_key_padding_mask=ids == 0)
        loss = (head(hidden[:, 0]).squeeze(1) - lengths.log()).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        steps += 1
        if steps == (100 if args.fix else 40):
            break
    report(steps, started)


if __name__ == "__main__":
    main()
