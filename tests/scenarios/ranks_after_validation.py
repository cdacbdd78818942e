"""A recommender: each epoch ends with a validation, and with the ranks of what it found, pair by pair."""

import time

import torch
from _common import Network, options, report
from torch.utils.data import DataLoader, TensorDataset


def mean_rank(scores, fast):
    if fast:
        return float((scores[:, None] < scores[None, :]).sum(1).float().mean())
    values, total = scores.tolist(), 0
    for one in values:
        total += sum(one < other for other in values)  # <- cause
    return total / len(values)


def main():
    args = options(__doc__)
    train = TensorDataset(torch.randn(600, 64), torch.arange(600) % 10)
    held = TensorDataset(torch.randn(4000, 64), torch.arange(4000) % 10)
    loader = DataLoader(train, batch_size=10, shuffle=True, num_workers=1, persistent_workers=True)
    validation = DataLoader(held, batch_size=400)
    model = Network(64, device_ms=10)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    started, steps = time.perf_counter(), 0
    for _epoch in range(6):
        for values, labels in loader:
            loss = torch.nn.functional.cross_entropy(model(values), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            steps += 1
        found = []
        with torch.no_grad():
            for values, _labels in validation:
                found.append(model(values)[:, 0])
        rank = mean_rank(torch.cat(found), args.fix)
        print(f"mean rank {rank:.1f}", flush=True)
    report(steps, started)


if __name__ == "__main__":
    main()
