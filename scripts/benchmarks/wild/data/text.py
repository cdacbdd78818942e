"""Write texts of made words, spread as words are in a language, and a byte-pair tokenizer trained on them.

Usage: text.py FOLDER KIND DOCUMENTS WORDS VOCABULARY. KIND is one of: labelled (train.csv and test.csv with text and label),
plain (train.jsonl and test.jsonl with text), pairs (train.jsonl and test.jsonl with anchor and positive).
WORDS is the mean length of a document. The tokenizer is written to FOLDER/tokenizer as transformers reads one.
"""

from __future__ import annotations

import csv
import itertools
import json
import random
import sys
from collections.abc import Iterator
from pathlib import Path

SYLLABLES = [c + v + e for c in "bdfgklmnprstvw" for v in "aeiou" for e in ("", "n", "r", "s", "l")]
TEST_SHARE = 0.1


class Language:
    """Made words with the frequencies of Zipf's law, in topics that favour some of them."""

    def __init__(self, seed: int = 7, size: int = 12_000) -> None:
        self.random = random.Random(seed)
        self.words = sorted({"".join(self.random.choices(SYLLABLES, k=self.random.randint(1, 4))) for _ in range(size)})
        self.random.shuffle(self.words)
        self.cumulative = list(itertools.accumulate(1 / rank for rank in range(1, len(self.words) + 1)))

    def text(self, topic: int, words: int) -> str:
        """Return sentences of some 14 words each, about half as long to twice as long as `words` together."""
        count = max(4, int(words * self.random.lognormvariate(0, 0.4)))
        chosen = self.random.choices(self.words, cum_weights=self.cumulative, k=count)
        favoured = self.words[200 + 40 * topic : 240 + 40 * topic]
        chosen = [self.random.choice(favoured) if self.random.random() < 0.15 else word for word in chosen]
        return " ".join(sentence.capitalize() + "." for sentence in self.sentences(chosen))

    def sentences(self, words: list[str]) -> Iterator[str]:
        """Yield the words in pieces of 6 to 22."""
        rest = iter(words)
        while piece := list(itertools.islice(rest, self.random.randint(6, 22))):
            yield " ".join(piece)


def labelled(language: Language, documents: int, words: int) -> list[dict[str, str | int]]:
    """Return texts about one of four topics each."""
    return [{"text": language.text(i % 4, words), "label": i % 4} for i in range(documents)]


def plain(language: Language, documents: int, words: int) -> list[dict[str, str | int]]:
    """Return texts about many topics."""
    return [{"text": language.text(i % 50, words)} for i in range(documents)]


def pairs(language: Language, documents: int, words: int) -> list[dict[str, str | int]]:
    """Return a question and an answer about the same topic."""
    return [
        {"anchor": language.text(i % 90, words // 4), "positive": language.text(i % 90, words)}
        for i in range(documents)
    ]


def write(folder: Path, kind: str, rows: list[dict[str, str | int]]) -> None:
    """Write the rows in the files that `kind` has."""
    cut = int(len(rows) * TEST_SHARE)
    for name, part in (("test", rows[:cut]), ("train", rows[cut:])):
        if kind == "labelled":
            with (folder / f"{name}.csv").open("w", newline="") as stream:
                table = csv.DictWriter(stream, fieldnames=list(part[0]))
                table.writeheader()
                table.writerows(part)
        else:
            (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in part))


def write_tokenizer(folder: Path, texts: Iterator[str], vocabulary: int) -> None:
    """Train a byte-pair tokenizer and write it with the special tokens of BERT and GPT."""
    from tokenizers import ByteLevelBPETokenizer
    from tokenizers.processors import TemplateProcessing

    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "<|endoftext|>"]
    tokenizer = ByteLevelBPETokenizer()
    tokenizer.train_from_iterator(texts, vocab_size=vocabulary, special_tokens=special, show_progress=False)
    ends = [(token, tokenizer.token_to_id(token)) for token in ("[CLS]", "[SEP]")]
    tokenizer._tokenizer.post_processor = TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B [SEP]", special_tokens=ends
    )
    folder.mkdir()
    tokenizer.save(str(folder / "tokenizer.json"))
    names = ("pad_token", "unk_token", "cls_token", "sep_token", "mask_token", "eos_token")
    tokens = {"bos_token": special[-1], **dict(zip(names, special, strict=True))}
    config = {"tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": 512, **tokens}
    (folder / "tokenizer_config.json").write_text(json.dumps(config))


def main() -> None:
    """Write the texts and the tokenizer that the arguments describe."""
    folder, kind, (documents, words, vocabulary) = Path(sys.argv[1]), sys.argv[2], map(int, sys.argv[3:])
    folder.mkdir(parents=True, exist_ok=True)
    made = {"labelled": labelled, "plain": plain, "pairs": pairs}[kind]
    rows = made(Language(), documents, words)
    write(folder, kind, rows)
    sample = (str(text) for row in rows[:2000] for text in row.values())
    write_tokenizer(folder / "tokenizer", sample, vocabulary)


if __name__ == "__main__":
    main()
