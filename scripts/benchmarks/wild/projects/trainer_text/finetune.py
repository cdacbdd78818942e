"""Fine-tune a classifier of reviews, as transformers' guide of text classification shows it."""

import sys

import numpy as np
from datasets import load_dataset
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    DataCollatorWithPadding,
    DistilBertConfig,
    HfArgumentParser,
    Trainer,
    TrainingArguments,
)

data = sys.argv.pop(1)
(training_args,) = HfArgumentParser(TrainingArguments).parse_args_into_dataclasses()

reviews = load_dataset("csv", data_files={"train": f"{data}/train.csv", "test": f"{data}/test.csv"})
tokenizer = AutoTokenizer.from_pretrained(f"{data}/tokenizer")


def preprocess_function(examples):
    return tokenizer(examples["text"], truncation=True)


tokenized_reviews = reviews.map(preprocess_function, batched=True)
data_collator = DataCollatorWithPadding(tokenizer=tokenizer)


def compute_metrics(eval_pred):
    predictions, labels = eval_pred
    predictions = np.argmax(predictions, axis=1)
    return {"accuracy": float((predictions == labels).mean())}


config = DistilBertConfig(vocab_size=len(tokenizer), dim=96, hidden_dim=384, n_layers=2, n_heads=4, num_labels=4)
model = AutoModelForSequenceClassification.from_config(config)

trainer = Trainer(
    model=model,
    args=training_args,
    train_dataset=tokenized_reviews["train"],
    eval_dataset=tokenized_reviews["test"],
    processing_class=tokenizer,
    data_collator=data_collator,
    compute_metrics=compute_metrics,
)
trainer.train()
