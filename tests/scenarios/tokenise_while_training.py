"""A language model whose texts are split and looked up by a regular expression at each access."""

import re
import time

import torch
from _common import Network, options, report, sentences
from torch.utils.data import DataLoader, Dataset

WORD = re.compile(r"\w+|[^\w\s]")
LENGTH = 256


class Texts(Dataset):
    def __init__(self, texts, length, ahead):
        self.texts, self.length = texts, length
        words = sorted({word for text in texts for word in WORD.findall(text.lower())})
        self.numbers = {word: number for number, word in enumerate(words)}
        self.ready = [self.tokenise(text) for text in texts] if ahead else None

    def tokenise(self, text):
        numbers = [self.numbers.get(word, 0) for word in WORD.findall(text.lower())]  # <- cause
        return torch.tensor((numbers + [0] * LENGTH)[:LENGTH])

    def __len__(self):
        return self.length

    def __getitem__(self, index):
        position = index % len(self.texts)
        tokens = self.ready[position] if self.ready else self.tokenise(self.texts[position])
        return tokens.float() / 4000, index % 10


def main():
    args = options(__doc__)
    texts = Texts(sentences(120, 1500), 2400, ahead=args.fix)
    loader = DataLoader(texts, batch_size=24, shuffle=True, num_workers=2)
    model = Network(LENGTH, device_ms=6)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)
    started, steps = time.perf_counter(), 0
    for tokens, labels in loader:
        loss = torch.nn.functional.cross_entropy(model(tokens), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        steps += 1
    report(steps, started)


if __name__ == "__main__":
    main()
