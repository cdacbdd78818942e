"""Contrastive pairs of sentences, all in memory: the loader has no workers and the loss is read in every step."""

import argparse
import time

import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset


class SentencePairs(Dataset):
    def __init__(self, count, length=32, vocabulary=3000):
        generator = torch.Generator().manual_seed(73)
        self.anchors = torch.randint(1, vocabulary, (count, length), generator=generator)
        noise = torch.randint(1, vocabulary, (count, length), generator=generator)
        keep = torch.rand(count, length, generator=generator) < 0.7
        self.positives = torch.where(keep, self.anchors, noise)

    def __len__(self):
        return len(self.anchors)

    def __getitem__(self, index):
        return {"anchor": self.anchors[index], "positive": self.positives[index]}


class BiEncoder(nn.Module):
    def __init__(self, vocabulary=3000, width=96):
        super().__init__()
        self.embed = nn.Embedding(vocabulary, width)
        layer = nn.TransformerEncoderLayer(width, 4, 3 * width, dropout=0.1, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 2)
        self.log_temperature = nn.Parameter(torch.tensor(-3.0))

    def encode(self, ids):
        return nn.functional.normalize(self.encoder(self.embed(ids)).mean(1), dim=1)

    def forward(self, anchor, positive):
        return self.encode(anchor) @ self.encode(positive).T / self.log_temperature.exp()


class AverageMeter:
    def __init__(self):
        self.sum, self.count = 0.0, 0

    def update(self, value, n=1):
        self.sum += value * n
        self.count += n

    @property
    def avg(self):
        return self.sum / max(self.count, 1)


def train(loader, model, optimizer, epoch, print_freq=20):
    losses, top1, batch_time = AverageMeter(), AverageMeter(), AverageMeter()
    model.train()
    end = time.perf_counter()
    for i, batch in enumerate(loader):
        scores = model(batch["anchor"], batch["positive"])
        labels = torch.arange(len(scores))
        loss = nn.functional.cross_entropy(scores, labels)
        losses.update(loss.item(), len(scores))
        top1.update((scores.argmax(1) == labels).float().mean().item() * 100, len(scores))
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        batch_time.update(time.perf_counter() - end)
        end = time.perf_counter()
        if i % print_freq == 0:
            print(
                f"[{epoch}][{i}/{len(loader)}] {batch_time.avg:.3f} loss {losses.avg:.3f} @1 {top1.avg:.1f}", flush=True
            )


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", help="not needed: the sentences are drawn in memory")
    parser.add_argument("--fix", action="store_true", help="worker processes, which win nothing here")
    args = parser.parse_args()
    torch.set_num_threads(1)
    workers = {"num_workers": 2, "persistent_workers": True} if args.fix else {}
    loader = DataLoader(SentencePairs(1280), batch_size=64, shuffle=True, drop_last=True, **workers)
    model = BiEncoder()
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-4)
    began = time.perf_counter()
    for epoch in range(2):
        train(loader, model, optimizer, epoch)
    print(f"trained {2 * len(loader)} steps in {time.perf_counter() - began:.2f} s", flush=True)


if __name__ == "__main__":
    main()
