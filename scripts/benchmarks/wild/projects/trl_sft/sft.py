"""Train a small language model on texts with trl's SFTTrainer."""

import sys

from datasets import load_dataset
from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM
from trl import SFTConfig, SFTTrainer, TrlParser

data = sys.argv.pop(1)
(training_args,) = TrlParser(SFTConfig).parse_args_and_config()

dataset = load_dataset("json", data_files={"train": f"{data}/train.jsonl", "test": f"{data}/test.jsonl"})
tokenizer = AutoTokenizer.from_pretrained(f"{data}/tokenizer")
config = LlamaConfig(
    vocab_size=len(tokenizer),
    hidden_size=128,
    intermediate_size=352,
    num_hidden_layers=2,
    num_attention_heads=4,
    num_key_value_heads=2,
    pad_token_id=tokenizer.pad_token_id,
    eos_token_id=tokenizer.eos_token_id,
)
model = LlamaForCausalLM(config)

trainer = SFTTrainer(
    model=model,
    args=training_args,
    train_dataset=dataset["train"],
    eval_dataset=dataset["test"],
    processing_class=tokenizer,
)
trainer.train()
