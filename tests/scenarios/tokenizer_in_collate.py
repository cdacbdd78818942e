"""A byte-pair tokenizer (Hugging Face tokenizers) run inside the collate function."""

import time

import torch
from _common import Network, options, report, sentences
from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from torch.utils.data import DataLoader

LENGTH = 200


def train_tokenizer(texts):
    tokenizer = Tokenizer(models.BPE(unk_token="?"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.train_from_iterator(texts[:20], trainers.BpeTrainer(vocab_size=800, special_tokens=["?"]))
    return tokenizer


class Collate:
    def __init__(self, tokenizer):
        self.tokenizer = tokenizer

    def __call__(self, samples):
        rows = []
        for text, _label in samples:
            ids = self.tokenizer.encode(text).ids  # <- cause
            rows.append((ids + [0] * LENGTH)[:LENGTH])
        return torch.tensor(rows), torch.tensor([label for _text, label in samples])


def main():
    args = options(__doc__)
    texts = sentences(64, 900)
    tokenizer = train_tokenizer(texts)
    samples = [(texts[i % len(texts)], i % 10) for i in range(1600)]
    if args.fix:
        known = {text: torch.tensor((tokenizer.encode(text).ids + [0] * LENGTH)[:LENGTH]) for text in texts}
        loader = DataLoader([(known[text], label) for text, label in samples], batch_size=16, num_workers=2)
    else:
        loader = DataLoader(samples, batch_size=16, num_workers=2, collate_fn=Collate(tokenizer))
    model = Network(LENGTH, device_ms=8)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    started, steps = time.perf_counter(), 0
    for ids, labels in loader:
        loss = torch.nn.functional.cross_entropy(model(ids.float() / 800), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        steps += 1
    report(steps, started)


if __name__ == "__main__":
    main()
