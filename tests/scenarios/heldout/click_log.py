"""Click prediction on a log: gzipped JSON lines are streamed, and their fields hashed into a vector in Python."""

import argparse
import gzip
import json
import random
import tempfile
import zlib
from pathlib import Path

import torch
from torch import nn
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

BUCKETS = 4096


def write_log(folder, shards=8, lines=1200):
    folder.mkdir(parents=True, exist_ok=True)
    rng = random.Random(23)
    for shard in range(shards):
        with gzip.open(folder / f"part-{shard:02d}.jsonl.gz", "wt") as log:
            for _ in range(lines):
                event = {f"field_{n}": f"v{rng.randrange(500)}" for n in range(40)}
                event["history"] = [f"item{rng.randrange(9000)}" for _ in range(rng.randrange(60, 160))]
                event["click"] = int(rng.random() < 0.2)
                log.write(json.dumps(event) + "\n")


class ClickLog(IterableDataset):
    def __init__(self, folder, epochs):
        self.shards = sorted(folder.glob("part-*.jsonl.gz")) * epochs

    def __iter__(self):
        worker = get_worker_info()
        for shard in self.shards[worker.id :: worker.num_workers]:
            with gzip.open(shard, "rt") as log:
                for line in log:
                    event = json.loads(line)
                    click = event.pop("click")
                    yield self.features(event), float(click)

    def features(self, event):
        counts = [0.0] * BUCKETS
        history = event.pop("history")
        pairs = [f"{name}={value}" for name, value in event.items()]
        for item in history:
            for pair in pairs[:5]:
                counts[zlib.crc32(f"{item}&{pair}".encode()) % BUCKETS] += 1.0  # <- cause
        return torch.tensor(counts)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, default=Path(tempfile.gettempdir()) / "click_log")
    parser.add_argument("--prepare", action="store_true", help="write the log and stop")
    args = parser.parse_args()
    if not args.data.exists():
        write_log(args.data)
    if args.prepare:
        return
    torch.set_num_threads(1)
    loader = DataLoader(ClickLog(args.data, epochs=2), batch_size=64, num_workers=2)
    model = nn.Sequential(nn.Linear(BUCKETS, 64), nn.ReLU(), nn.Linear(64, 1))
    optimizer = torch.optim.Adagrad(model.parameters(), lr=0.02)
    for step, (features, click) in enumerate(loader):
        loss = nn.functional.binary_cross_entropy_with_logits(model(features).squeeze(1), click)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % 40 == 0:
            print(f"step {step} loss {loss.item():.4f}", flush=True)


if __name__ == "__main__":
    main()
