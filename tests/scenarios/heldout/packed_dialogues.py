"""Dialogue turns packed into one row: who may attend to whom is worked out while a batch is put together."""

import argparse
import random

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset

VOCABULARY, LONGEST = 5000, 144


class Dialogues(Dataset):
    """Token ids beside the number of the turn that each token belongs to."""

    def __init__(self, count):
        rng = random.Random(17)
        self.rows = []
        for _ in range(count):
            length = rng.randint(LONGEST // 2, LONGEST)
            tokens = [rng.randrange(1, VOCABULARY) for _ in range(length)]
            self.rows.append((tokens, [position // 18 for position in range(length)], rng.randrange(4)))

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, index):
        return self.rows[index]


def batch_of_dialogues(rows):
    longest = max(len(tokens) for tokens, _turns, _label in rows)
    ids = torch.zeros(len(rows), longest, dtype=torch.long)
    allowed = np.zeros((len(rows), longest, longest), dtype=bool)
    for number, (tokens, turns, _label) in enumerate(rows):
        ids[number, : len(tokens)] = torch.tensor(tokens)
        for query in range(len(turns)):
            for key in range(query + 1):
                allowed[number, query, key] = turns[query] - turns[key] < 4 and tokens[key] != 0  # <- cause
    mask = torch.from_numpy(allowed)
    mask[:, :, 0] = True
    return ids, mask, torch.tensor([label for _tokens, _turns, label in rows])


class TurnClassifier(nn.Module):
    def __init__(self, width=32):
        super().__init__()
        self.embed = nn.Embedding(VOCABULARY, width)
        self.qkv = nn.Linear(width, 3 * width)
        self.classify = nn.Linear(width, 4)

    def forward(self, ids, mask):
        q, k, v = self.qkv(self.embed(ids)).chunk(3, dim=-1)
        mixed = nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        return self.classify(mixed.mean(1))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", help="not needed: the dialogues are made up in memory")
    parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    loader = DataLoader(Dialogues(2240), batch_size=16, shuffle=True, num_workers=2, collate_fn=batch_of_dialogues)
    model = TurnClassifier()
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-4)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, total_iters=50)
    for epoch in range(2):
        for step, (ids, mask, label) in enumerate(loader):
            loss = nn.functional.cross_entropy(model(ids, mask), label)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            if step % 50 == 0:
                print(f"{epoch}/{step}: {loss.item():.3f}", flush=True)


if __name__ == "__main__":
    main()
