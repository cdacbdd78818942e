"""Train static embeddings with a contrastive loss, as sentence-transformers' examples do."""

import argparse

from datasets import load_dataset
from sentence_transformers import (
    SentenceTransformer,
    SentenceTransformerTrainer,
    SentenceTransformerTrainingArguments,
)
from sentence_transformers.base.sampler import BatchSamplers
from sentence_transformers.sentence_transformer.evaluation import InformationRetrievalEvaluator
from sentence_transformers.sentence_transformer.losses import MatryoshkaLoss, MultipleNegativesRankingLoss
from sentence_transformers.sentence_transformer.modules import StaticEmbedding
from tokenizers import Tokenizer

parser = argparse.ArgumentParser()
parser.add_argument("data")
parser.add_argument("--epochs", type=int, default=2)
parser.add_argument("--batch-size", type=int, default=256)
parser.add_argument("--workers", type=int, default=0)
parser.add_argument("--no-evaluation", action="store_true")
options = parser.parse_args()
data = options.data

args = SentenceTransformerTrainingArguments(
    output_dir="model",
    num_train_epochs=options.epochs,
    per_device_train_batch_size=options.batch_size,
    learning_rate=2e-1,
    warmup_steps=10,
    batch_sampler=BatchSamplers.NO_DUPLICATES,
    eval_strategy="no" if options.no_evaluation else "epoch",
    save_strategy="epoch",
    logging_steps=10,
    report_to="none",
    use_cpu=True,
    dataloader_num_workers=options.workers,
)

tokenizer = Tokenizer.from_file(f"{data}/tokenizer/tokenizer.json")
model = SentenceTransformer(modules=[StaticEmbedding(tokenizer, embedding_dim=256)], device="cpu")

train_dataset = load_dataset("json", data_files=f"{data}/train.jsonl", split="train")
test_dataset = load_dataset("json", data_files=f"{data}/test.jsonl", split="train")

loss = MatryoshkaLoss(model, MultipleNegativesRankingLoss(model), matryoshka_dims=[32, 64, 128, 256])
evaluator = InformationRetrievalEvaluator(
    queries={str(i): text for i, text in enumerate(test_dataset["anchor"])},
    corpus={str(i): text for i, text in enumerate(test_dataset["positive"])},
    relevant_docs={str(i): {str(i)} for i in range(len(test_dataset))},
    name="made",
)

trainer = SentenceTransformerTrainer(
    model=model,
    args=args,
    train_dataset=train_dataset,
    loss=loss,
    evaluator=evaluator,
)
trainer.train()
