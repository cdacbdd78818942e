"""Train a classifier of photos, as transformers' guide of image classification shows it."""

import sys

import numpy as np
from datasets import load_dataset
from torchvision.transforms import Compose, Normalize, RandomResizedCrop, ToTensor
from transformers import (
    AutoModelForImageClassification,
    DefaultDataCollator,
    HfArgumentParser,
    Trainer,
    TrainingArguments,
    ViTConfig,
    ViTImageProcessor,
)

data = sys.argv.pop(1)
(training_args,) = HfArgumentParser(TrainingArguments).parse_args_into_dataclasses()

photos = load_dataset("imagefolder", data_dir=data, split="train").train_test_split(test_size=0.1, seed=0)
labels = photos["train"].features["label"].names

image_processor = ViTImageProcessor(size={"height": 112, "width": 112})
normalize = Normalize(mean=image_processor.image_mean, std=image_processor.image_std)
size = (image_processor.size["height"], image_processor.size["width"])
_transforms = Compose([RandomResizedCrop(size), ToTensor(), normalize])


def transforms(examples):
    examples["pixel_values"] = [_transforms(img.convert("RGB")) for img in examples["image"]]
    del examples["image"]
    return examples


photos = photos.with_transform(transforms)


def compute_metrics(eval_pred):
    predictions, labels = eval_pred
    return {"accuracy": float((np.argmax(predictions, axis=1) == labels).mean())}


config = ViTConfig(
    hidden_size=192,
    num_hidden_layers=4,
    num_attention_heads=3,
    intermediate_size=768,
    image_size=112,
    patch_size=16,
    num_labels=len(labels),
)
model = AutoModelForImageClassification.from_config(config)

trainer = Trainer(
    model=model,
    args=training_args,
    data_collator=DefaultDataCollator(),
    train_dataset=photos["train"],
    eval_dataset=photos["test"],
    processing_class=image_processor,
    compute_metrics=compute_metrics,
)
trainer.train()
