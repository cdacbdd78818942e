"""Write photographs with captions of made words, and a small CLIP model's configuration.

    captions.py ROOT [--train 320] [--val 32] [--size 1024x768]

ROOT/train.csv and ROOT/val.csv have the columns filepath and caption; ROOT/model/open_clip_config.json the model. Needs
numpy and Pillow.
"""

import argparse
import csv
import json
from pathlib import Path

import numpy
from photos import photograph, size

COLOURS = ("red", "green", "blue", "yellow", "grey", "brown", "white", "black")
THINGS = ("dog", "house", "river", "bicycle", "table", "mountain", "market", "window", "train", "garden")
MANNERS = ("in the rain", "at night", "seen from above", "behind a fence", "with two people", "in an old photograph")
MODEL = {
    "embed_dim": 256,
    "vision_cfg": {"image_size": 128, "layers": 4, "width": 256, "patch_size": 32},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 128, "heads": 4, "layers": 2},
}


def caption(random: "numpy.random.Generator") -> str:
    colour, thing, other, manner = (random.choice(words) for words in (COLOURS, THINGS, THINGS, MANNERS))
    return f"A photo of a {colour} {thing} beside a {other}, {manner}."


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("root", type=Path)
    parser.add_argument("--train", type=int, default=320)
    parser.add_argument("--val", type=int, default=32)
    parser.add_argument("--size", type=size, default=(1024, 768))
    args = parser.parse_args()
    random = numpy.random.default_rng(0)
    for split, count in (("train", args.train), ("val", args.val)):
        folder = args.root / split
        folder.mkdir(parents=True)
        with (args.root / f"{split}.csv").open("w", newline="") as stream:
            table = csv.writer(stream)
            table.writerow(["filepath", "caption"])
            for number in range(count):
                file = folder / f"{number:04d}.jpg"
                photograph(random, *args.size).save(file, quality=90)
                table.writerow([file, caption(random)])
    (args.root / "model").mkdir()
    (args.root / "model" / "open_clip_config.json").write_text(json.dumps({"model_cfg": MODEL}))


if __name__ == "__main__":
    main()
