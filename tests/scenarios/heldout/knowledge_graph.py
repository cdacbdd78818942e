"""Facts of a knowledge graph: each is held against made-up ones, which are drawn again while they are known facts."""

import argparse
import random
import tempfile
import time
from pathlib import Path

import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset

ENTITIES, RELATIONS = 4000, 30


def write_facts(folder, count=30000):
    folder.mkdir(parents=True)
    rng = random.Random(31)
    with open(folder / "train.txt", "w", encoding="utf-8") as file:
        for _ in range(count):
            head, tail = rng.randrange(ENTITIES), rng.randrange(ENTITIES)
            file.write(f"/m/{head:05d}\t/rel/{rng.randrange(RELATIONS)}\t/m/{tail:05d}\n")


class Facts(Dataset):
    """Facts as (head, relation, tail), each with `negatives` that have another tail."""

    def __init__(self, path, negatives=4, as_set=False):
        self.entity_ids, self.relation_ids = {}, {}
        self.facts = []
        for line in path.read_text(encoding="utf-8").splitlines():
            head, relation, tail = line.split("\t")
            self.facts.append((self.entity(head), self.relation(relation), self.entity(tail)))
        self.known = set(self.facts) if as_set else self.facts
        self.negatives = negatives

    def entity(self, name):
        return self.entity_ids.setdefault(name, len(self.entity_ids))

    def relation(self, name):
        return self.relation_ids.setdefault(name, len(self.relation_ids))

    def __len__(self):
        return len(self.facts)

    def corrupt(self, head, relation):
        tail = random.randrange(len(self.entity_ids))
        while (head, relation, tail) in self.known:  # <- cause
            tail = random.randrange(len(self.entity_ids))
        return tail

    def __getitem__(self, index):
        head, relation, tail = self.facts[index]
        wrong = [self.corrupt(head, relation) for _ in range(self.negatives)]  # <- cause
        return torch.tensor([head, relation, tail]), torch.tensor(wrong)


class TransE(nn.Module):
    def __init__(self, entities, relations, width=64):
        super().__init__()
        self.entities = nn.Embedding(entities, width)
        self.relations = nn.Embedding(relations, width)

    def distance(self, head, relation, tail):
        return (self.entities(head) + self.relations(relation) - self.entities(tail)).norm(p=1, dim=-1)

    def forward(self, fact, wrong):
        head, relation, tail = fact.unbind(1)
        good = self.distance(head, relation, tail)
        bad = self.distance(head[:, None], relation[:, None], wrong)
        return (1.0 + good[:, None] - bad).relu().mean()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, default=Path(tempfile.gettempdir()) / "knowledge_graph")
    parser.add_argument("--prepare", action="store_true", help="write the facts and stop")
    parser.add_argument("--fix", action="store_true", help="look the facts up in a set")
    args = parser.parse_args()
    if not args.data.exists():
        write_facts(args.data)
    if args.prepare:
        return
    torch.set_num_threads(1)
    dataset = Facts(args.data / "train.txt", as_set=args.fix)
    loader = DataLoader(
        dataset, batch_size=32, shuffle=True, num_workers=2, multiprocessing_context="spawn", persistent_workers=True
    )
    model = TransE(len(dataset.entity_ids), len(dataset.relation_ids))
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    began, running, max_steps = time.perf_counter(), 0.0, 260
    for step, (fact, wrong) in enumerate(loader, 1):
        loss = model(fact, wrong)
        optimizer.zero_grad()
        loss.backward()
        time.sleep(0.006)  # wider embeddings, on a device
        optimizer.step()
        running += loss.detach()
        if step % 50 == 0:
            print(f"step {step}: margin loss {running.item() / step:.4f}", flush=True)
        if step == max_steps:
            break
    print(f"trained {max_steps} steps in {time.perf_counter() - began:.2f} s", flush=True)


if __name__ == "__main__":
    main()
