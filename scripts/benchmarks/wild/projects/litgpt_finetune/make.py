"""Write instructions with answers of made words, and a small model as litgpt's checkpoints are: make.py FOLDER PAIRS WORDS."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import torch
from litgpt.config import Config
from litgpt.model import GPT
from litgpt.utils import save_config

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "data"))

from text import Language, pairs, write_tokenizer

VOCABULARY = 4000
CONFIG = Config(
    name="made",
    block_size=512,
    vocab_size=VOCABULARY,
    padded_vocab_size=4096,
    n_layer=2,
    n_head=4,
    n_embd=128,
    n_query_groups=2,
    rotary_percentage=1.0,
    parallel_residual=False,
    bias=False,
    norm_class_name="RMSNorm",
    mlp_class_name="LLaMAMLP",
    intermediate_size=352,
)


def main() -> None:
    """Write FOLDER/instructions.json and FOLDER/model."""
    folder, count, words = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    folder.mkdir(parents=True)
    rows = pairs(Language(), count, words)
    asked = [{"instruction": row["anchor"], "input": "", "output": row["positive"]} for row in rows]
    (folder / "instructions.json").write_text(json.dumps(asked))
    write_tokenizer(folder / "model", (str(text) for row in rows for text in row.values()), VOCABULARY)
    torch.manual_seed(0)
    torch.save(GPT(CONFIG).state_dict(), folder / "model" / "lit_model.pth")
    save_config(CONFIG, folder / "model")


main()
