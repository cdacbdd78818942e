"""Hugging Face accelerate around a loader whose dataset parses a JSON file again for each sample."""

import json
import time

import torch
from _common import Network, made, options, report
from accelerate import Accelerator
from torch.utils.data import DataLoader, Dataset


def write(folder):
    notes = {str(i): {"values": [i % 97, i % 89, i % 83] * 4, "label": i % 10} for i in range(1500)}
    (folder / "notes.json").write_text(json.dumps(notes))


class Notes(Dataset):
    def __init__(self, path, once):
        self.path = path
        self.notes = json.loads(path.read_text()) if once else None

    def __len__(self):
        return 560

    def __getitem__(self, index):
        notes = self.notes or json.loads(self.path.read_text())  # <- cause
        note = notes[str(index)]
        return torch.tensor(note["values"]).float(), note["label"]


def main():
    args = options(__doc__)
    path = made(args.data, write) / "notes.json"
    accelerator = Accelerator(cpu=True)
    loader = DataLoader(Notes(path, args.fix), batch_size=7, shuffle=True, num_workers=2)
    model = Network(12, device_ms=9)
    optimizer = torch.optim.AdamW(model.parameters())
    model, optimizer, loader = accelerator.prepare(model, optimizer, loader)
    started, steps = time.perf_counter(), 0
    for x, y in loader:
        loss = torch.nn.functional.cross_entropy(model(x), y)
        accelerator.backward(loss)
        optimizer.step()
        optimizer.zero_grad()
        steps += 1
    report(steps, started)


if __name__ == "__main__":
    main()
