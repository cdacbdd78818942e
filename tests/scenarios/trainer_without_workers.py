"""The Hugging Face Trainer with its default of no loader workers, on texts that are cleaned and hashed when read."""

import tempfile
import time
import zlib

import torch
from _common import Network, options, report, sentences
from torch import nn
from torch.utils.data import Dataset
from transformers import Trainer, TrainingArguments


class Hashed(Dataset):
    def __init__(self, length):
        self.texts = sentences(50, 1500)
        self.length = length

    def __len__(self):
        return self.length

    def __getitem__(self, index):
        counts = [0.0] * 512
        for word in self.texts[index % 50].lower().replace(",", " ").replace(".", " ").split():
            counts[zlib.crc32(word.encode()) % 512] += 1
        return {"counts": torch.tensor(counts), "labels": index % 10}


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.network = Network(512, device_ms=20)

    def forward(self, counts, labels):
        scores = self.network(counts)
        return {"loss": torch.nn.functional.cross_entropy(scores, labels), "logits": scores}


def main():
    args = options(__doc__)
    arguments = TrainingArguments(
        output_dir=tempfile.mkdtemp(),
        per_device_train_batch_size=16,
        max_steps=90,
        dataloader_num_workers=2 if args.fix else 0,  # <- cause
        use_cpu=True,
        report_to=[],
        save_strategy="no",
        logging_strategy="no",
        disable_tqdm=True,
        max_grad_norm=0.0,
    )
    trainer = Trainer(Model(), arguments, train_dataset=Hashed(1440))
    started = time.perf_counter()
    trainer.train()  # <- cause
    report(trainer.state.global_step, started)


if __name__ == "__main__":
    main()
