"""Topics of press articles with the Hugging Face Trainer: batches are made of articles of similar length."""

import argparse
import random
import tempfile
import time
from pathlib import Path

import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers
from torch.utils.data import Dataset
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    DataCollatorWithPadding,
    PreTrainedTokenizerFast,
    Trainer,
    TrainingArguments,
)
from transformers.trainer_pt_utils import LengthGroupedSampler

TOPICS = ("trade", "weather", "theatre", "courts", "schools")


def print_articles(folder, count=3400):
    folder.mkdir(parents=True)
    rng = random.Random(103)
    syllables = [first + second for first in "bdfgklmnprst" for second in ("a", "e", "i", "o", "u", "an", "or", "est")]
    words = ["".join(rng.choices(syllables, k=rng.randrange(2, 5))) for _ in range(4000)]
    lines = []
    for _ in range(count):
        topic = rng.randrange(len(TOPICS))
        article = [TOPICS[topic], *rng.choices(words, k=rng.randrange(60, 700))]
        lines.append(f"{topic}\t{' '.join(article)}\n")
    (folder / "articles.tsv").write_text("".join(lines), encoding="utf-8")
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    special = ["[UNK]", "[PAD]", "[CLS]", "[SEP]"]
    tokenizer.train_from_iterator(
        (line.split("\t")[1] for line in lines[:300]),
        trainers.WordPieceTrainer(vocab_size=2000, special_tokens=special),
    )
    tokenizer.save(str(folder / "tokenizer.json"))


class Articles(Dataset):
    """Tokenise each article when it is asked for; only its beginning goes into the network."""

    def __init__(self, path, tokenizer, length=48):
        lines = [line.split("\t") for line in path.read_text(encoding="utf-8").splitlines()]
        self.topics = [int(topic) for topic, _ in lines]
        self.texts = [text for _, text in lines]
        self.tokenizer = tokenizer
        self.length = length

    def __len__(self):
        return len(self.texts)

    def __getitem__(self, index):
        encoded = self.tokenizer(self.texts[index], truncation=True, max_length=self.length)  # <- cause
        return {**encoded, "labels": self.topics[index]}


class KnownLengths(Trainer):
    """Give the sampler the lengths, which the words of each article are enough for."""

    def _get_train_sampler(self, train_dataset=None):
        lengths = [min(text.count(" ") + 1, self.train_dataset.length) for text in self.train_dataset.texts]
        return LengthGroupedSampler(self.args.train_batch_size, lengths=lengths)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, default=Path(tempfile.gettempdir()) / "press_archive")
    parser.add_argument("--prepare", action="store_true", help="print the articles and stop")
    parser.add_argument("--fix", action="store_true", help="give the sampler the lengths")
    args = parser.parse_args()
    if not args.data.exists():
        print_articles(args.data)
    if args.prepare:
        return
    torch.set_num_threads(1)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_file=str(args.data / "tokenizer.json"), unk_token="[UNK]", pad_token="[PAD]", cls_token="[CLS]"
    )
    model = BertForSequenceClassification(
        BertConfig(
            vocab_size=2000,
            hidden_size=96,
            num_hidden_layers=2,
            num_attention_heads=4,
            intermediate_size=192,
            num_labels=len(TOPICS),
        )
    )
    settings = TrainingArguments(
        output_dir=str(args.data / "out"),
        max_steps=200,
        per_device_train_batch_size=16,
        learning_rate=1e-3,
        train_sampling_strategy="group_by_length",  # <- cause
        dataloader_num_workers=1,
        logging_steps=100,
        save_strategy="no",
        report_to=[],
        use_cpu=True,
        disable_tqdm=True,
    )
    trainer = (KnownLengths if args.fix else Trainer)(
        model=model,
        args=settings,
        train_dataset=Articles(args.data / "articles.tsv", tokenizer),
        data_collator=DataCollatorWithPadding(tokenizer),
    )
    began = time.perf_counter()
    trainer.train()  # <- cause
    print(f"trained {trainer.state.global_step} steps in {time.perf_counter() - began:.2f} s", flush=True)


if __name__ == "__main__":
    main()
