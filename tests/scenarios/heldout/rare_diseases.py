"""Rare diseases in lab values: a balanced sampler counts the classes anew, row by row, each time an epoch begins."""

import argparse
import time

import numpy as np
import pandas as pd
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset, Sampler


class LabValues(Dataset):
    def __init__(self, patients, features=48):
        rng = np.random.default_rng(13)
        disease = rng.choice(6, patients, p=[0.6, 0.2, 0.1, 0.06, 0.03, 0.01])
        self.frame = pd.DataFrame({"patient": np.arange(patients), "disease": disease, "site": patients % 7})
        self.values = torch.from_numpy(rng.normal(size=(patients, features)).astype(np.float32))
        self.labels = torch.from_numpy(disease)

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, index):
        return self.values[index] + 0.02 * torch.randn(self.values.shape[1]), self.labels[index]

    def get_label(self, index):
        return self.frame.iloc[index]["disease"]  # <- cause


class ImbalancedSampler(Sampler):
    """Draw with replacement so that every disease is seen as often as every other."""

    def __init__(self, dataset, num_samples, remember):
        self.dataset = dataset
        self.num_samples = num_samples
        self.remember = remember
        self.labels = None

    def __len__(self):
        return self.num_samples

    def __iter__(self):
        if self.labels is None or not self.remember:
            self.labels = [self.dataset.get_label(index) for index in range(len(self.dataset))]  # <- cause
        counts = pd.Series(self.labels).value_counts()
        weights = torch.tensor([1.0 / counts[label] for label in counts.index.sort_values()])
        chances = weights[torch.tensor(self.labels)].double()
        return iter(torch.multinomial(chances, self.num_samples, replacement=True).tolist())


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", help="not needed: the values are drawn in memory")
    parser.add_argument("--fix", action="store_true", help="collect the labels once")
    args = parser.parse_args()
    torch.set_num_threads(1)
    dataset = LabValues(18000)
    sampler = ImbalancedSampler(dataset, num_samples=1600, remember=args.fix)
    loader = DataLoader(dataset, batch_size=64, sampler=sampler, num_workers=2, persistent_workers=True)
    model = nn.Sequential(nn.Linear(48, 128), nn.ReLU(), nn.Dropout(0.2), nn.Linear(128, 6))
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    steps, began = 0, time.perf_counter()
    for epoch in range(8):
        model.train()
        for values, labels in loader:
            loss = nn.functional.cross_entropy(model(values), labels)
            optimizer.zero_grad()
            loss.backward()
            time.sleep(0.015)  # a larger network, on a device
            optimizer.step()
            steps += 1
        print(f"epoch {epoch}: {loss.item():.4f}", flush=True)
    print(f"trained {steps} steps in {time.perf_counter() - began:.2f} s", flush=True)


if __name__ == "__main__":
    main()
