"""One small loader, its start method from the command line; prints the sum of each batch."""

import json
import sys

import torch
from torch.utils.data import DataLoader, Dataset


class Numbers(Dataset):
    def __len__(self):
        return 8

    def __getitem__(self, index):
        return torch.tensor(float(index))


if __name__ == "__main__":
    loader = DataLoader(Numbers(), batch_size=4, num_workers=1, multiprocessing_context=sys.argv[1])
    print(json.dumps([float(batch.sum()) for batch in loader]))
