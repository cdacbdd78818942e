"""Train static embeddings with a contrastive loss, as sentence-transformers' examples do."""

import sys

from datasets import load_dataset
from sentence_transformers import (
    SentenceTransformer,
    SentenceTransformerTrainer,
    SentenceTransformerTrainingArguments,
)
from sentence_transformers.evaluation import InformationRetrievalEvaluator
from sentence_transformers.losses import MatryoshkaLoss, MultipleNegativesRankingLoss
from sentence_transformers.models import StaticEmbedding
from sentence_transformers.training_args import BatchSamplers
from tokenizers import Tokenizer
from transformers import HfArgumentParser

data = sys.argv.pop(1)
(args,) = HfArgumentParser(SentenceTransformerTrainingArguments).parse_args_into_dataclasses()
args.batch_sampler = BatchSamplers.NO_DUPLICATES

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
