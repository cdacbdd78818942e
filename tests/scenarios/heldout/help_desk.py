"""Requests to a help desk, sorted by urgency: a small BERT reads them, tokenised to the length that it can read."""

import argparse
import random
import tempfile
import time
from pathlib import Path

import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers
from torch.utils.data import DataLoader, Dataset
from transformers import BertConfig, BertForSequenceClassification, DataCollatorWithPadding, PreTrainedTokenizerFast

URGENCY = ("can wait", "today", "now")
CAUSES = ("printer", "password", "network", "screen", "account", "phone", "laptop", "badge")


def collect(path, count=1600):
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = random.Random(131)
    filler = [f"{first}{second}" for first in ("re", "un", "in", "con", "de") for second in ("port", "form", "tain")]
    with open(path, "w", encoding="utf-8") as file:
        for _ in range(count):
            urgency = rng.randrange(len(URGENCY))
            words = [rng.choice(CAUSES), *rng.choices(filler, k=rng.choice((5, 7, 9, 12, 16, 30))), URGENCY[urgency]]
            file.write(f"{urgency}\t{' '.join(words)}\n")


def train_tokenizer(texts):
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    special = ["[UNK]", "[PAD]", "[CLS]", "[SEP]", "[MASK]"]
    tokenizer.train_from_iterator(texts, trainers.WordPieceTrainer(vocab_size=400, special_tokens=special))
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, unk_token="[UNK]", pad_token="[PAD]", cls_token="[CLS]", model_max_length=128
    )


class Requests(Dataset):
    def __init__(self, texts, labels, tokenizer, padding):
        self.encodings = tokenizer(texts, truncation=True, padding=padding)  # <- cause
        self.labels = labels

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, index):
        item = {name: torch.tensor(values[index]) for name, values in self.encodings.items()}
        return {**item, "labels": torch.tensor(self.labels[index])}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, default=Path(tempfile.gettempdir()) / "help_desk")
    parser.add_argument("--prepare", action="store_true", help="collect the requests and stop")
    parser.add_argument("--fix", action="store_true", help="pad each batch to its longest request")
    args = parser.parse_args()
    path = args.data / "requests.tsv"
    if not path.exists():
        collect(path)
    if args.prepare:
        return
    torch.set_num_threads(1)
    torch.manual_seed(137)
    rows = [line.split("\t") for line in path.read_text(encoding="utf-8").splitlines()]
    texts, labels = [text for _, text in rows], [int(label) for label, _ in rows]
    tokenizer = train_tokenizer(texts)
    dataset = Requests(texts, labels, tokenizer, padding=False if args.fix else "max_length")  # <- cause
    collate = DataCollatorWithPadding(tokenizer) if args.fix else None
    loader = DataLoader(dataset, batch_size=16, shuffle=True, num_workers=1, collate_fn=collate, drop_last=True)
    model = BertForSequenceClassification(
        BertConfig(
            vocab_size=400,
            hidden_size=128,
            num_hidden_layers=2,
            num_attention_heads=4,
            intermediate_size=256,
            max_position_embeddings=128,
            num_labels=len(URGENCY),
        )
    )
    model.train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-4)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.1, total_iters=100)
    steps, began = 0, time.perf_counter()
    for epoch in range(1):
        total = 0.0
        for batch in loader:
            loss = model(**batch).loss
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            total += loss.item()
            steps += 1
        print(f"epoch {epoch}: loss {total / len(loader):.4f}", flush=True)
    print(f"trained {steps} steps in {time.perf_counter() - began:.2f} s", flush=True)


if __name__ == "__main__":
    main()
