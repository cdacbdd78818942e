"""Next purchase from a shop's order lines in SQLite: no index on the customer, and a loader wrapped three times."""

import argparse
import random
import sqlite3
import tempfile
import time
from pathlib import Path

import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset

HISTORY, PRODUCTS = 24, 400
QUERY = "SELECT product, quantity, price FROM lines WHERE customer = ? ORDER BY placed DESC LIMIT ?"


def fill(path, customers=500, lines=36000):
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = random.Random(37)
    rows = (
        (rng.randrange(customers), n, rng.randrange(PRODUCTS), rng.randint(1, 5), rng.random() * 30)
        for n in range(lines)
    )
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE lines (customer INT, placed INT, product INT, quantity INT, price REAL)")
        db.executemany("INSERT INTO lines VALUES (?, ?, ?, ?, ?)", rows)


class OrderHistory(Dataset):
    def __init__(self, path, customers):
        self.path = path
        self.customers = customers
        self._db = None

    @property
    def db(self):
        if self._db is None:
            self._db = sqlite3.connect(f"file:{self.path}?mode=ro", uri=True)
        return self._db

    def __len__(self):
        return self.customers

    def __getitem__(self, customer):
        rows = self.db.execute(QUERY, (customer, HISTORY + 1)).fetchall()  # <- cause
        rows += [(0, 0, 0.0)] * (HISTORY + 1 - len(rows))
        products = torch.tensor([row[0] for row in rows])
        amounts = torch.tensor([[row[1], row[2]] for row in rows[1:]], dtype=torch.float32)
        return {"history": products[1:], "amounts": amounts, "target": products[0]}


class DeviceLoader:
    """Move each batch to the device."""

    def __init__(self, loader, device):
        self.loader = loader
        self.device = device

    def __len__(self):
        return len(self.loader)

    def __iter__(self):
        for batch in self.loader:
            yield {name: values.to(self.device, non_blocking=True) for name, values in batch.items()}


class Prefetcher:
    """Hand out a batch while the next one is already asked for."""

    def __init__(self, loader):
        self.loader = loader

    def __len__(self):
        return len(self.loader)

    def __iter__(self):
        upcoming = None
        for batch in self.loader:
            if upcoming is not None:
                yield upcoming
            upcoming = batch
        if upcoming is not None:
            yield upcoming


class DataModule:
    def __init__(self, path, batch_size, workers):
        self.path, self.batch_size, self.workers = path, batch_size, workers

    def train(self, device):
        dataset = OrderHistory(self.path, customers=500)
        loader = DataLoader(
            dataset,
            self.batch_size,
            shuffle=True,
            drop_last=True,
            num_workers=self.workers,
            persistent_workers=self.workers > 0,
        )
        return Prefetcher(DeviceLoader(loader, device))


class NextPurchase(nn.Module):
    def __init__(self, width=32):
        super().__init__()
        self.products = nn.Embedding(PRODUCTS, width)
        self.gru = nn.GRU(width + 2, width, batch_first=True)
        self.out = nn.Linear(width, PRODUCTS)

    def forward(self, history, amounts):
        return self.out(self.gru(torch.cat([self.products(history), amounts], 2))[0][:, -1])


class Trainer:
    def __init__(self, model, device):
        self.model = model.to(device)
        self.device = device
        self.optimizer = torch.optim.Adam(model.parameters())
        self.steps = 0

    def training_step(self, batch):
        scores = self.model(batch["history"], batch["amounts"])
        return nn.functional.cross_entropy(scores, batch["target"])

    def fit(self, data, epochs):
        loader = data.train(self.device)
        for epoch in range(epochs):
            for batch in loader:
                self.optimizer.zero_grad()
                loss = self.training_step(batch)
                loss.backward()
                self.optimizer.step()
                self.steps += 1
            print(f"epoch {epoch} loss {loss.item():.4f}", flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, default=Path(tempfile.gettempdir()) / "sqlite_orders")
    parser.add_argument("--prepare", action="store_true", help="fill the database and stop")
    parser.add_argument("--fix", action="store_true", help="index the customers first")
    args = parser.parse_args()
    path = args.data / ("indexed.db" if args.fix else "orders.db")
    if not path.exists():
        fill(path)
    if args.fix:
        with sqlite3.connect(path) as db:
            db.execute("CREATE INDEX IF NOT EXISTS by_customer ON lines (customer, placed)")
    if args.prepare:
        return
    torch.set_num_threads(1)
    trainer = Trainer(NextPurchase(), torch.device("cpu"))
    began = time.perf_counter()
    trainer.fit(DataModule(path, batch_size=20, workers=2), epochs=14)
    print(f"trained {trainer.steps} steps in {time.perf_counter() - began:.2f} s", flush=True)


if __name__ == "__main__":
    main()
