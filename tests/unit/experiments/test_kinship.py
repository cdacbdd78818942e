"""Runs of one training are recognised though seeds, lengths, names and folders of results differ, and only then."""

from __future__ import annotations

import pytest

from gpuwatch.experiments.kinship import differences


@pytest.mark.parametrize(
    ("earlier", "now", "said"),
    [
        ("python t.py photos", "python t.py photos", []),
        ("python t.py --seed 1 photos", "python t.py --seed=2 photos", ["--seed=1 (now 2)"]),
        ("python3 t.py --output_dir a", "/v/bin/python t.py --output_dir b", ["--output_dir=a (now b)"]),
        ("python t.py --max_steps 20", "python t.py --max_steps 30 --logging_steps 5", ["--max_steps=20 (now 30)", "--logging_steps=5 is new"]),
        ("yolo train data=a.yaml epochs=4 name=x", "yolo train data=a.yaml epochs=1", ["epochs=4 (now 1)", "without name=x"]),
        ("python t.py trainer.max_epochs=3 hydra.run.dir=/x", "python t.py trainer.max_epochs=2 hydra.run.dir=/x", ["trainer.max_epochs=3 (now 2)"]),
        ("accelerate launch t.py --num_train_epochs 1", "accelerate launch t.py --num_train_epochs 2", ["--num_train_epochs=1 (now 2)"]),
        ("python t.py --save --lr 1", "python t.py --lr 1", ["without --save"]),
    ],
)  # fmt: skip
def test_what_changes_neither_data_nor_step_may_differ(earlier: str, now: str, said: list[str]) -> None:
    assert differences(earlier.split(), now.split()) == said


@pytest.mark.parametrize(
    ("earlier", "now"),
    [
        ("python t.py --seed 1 photos", "python t.py --seed 2 pictures"),
        ("yolo train data=a.yaml epochs=4", "yolo train data=b.yaml epochs=4"),
        ("python t.py data.num_workers=0", "python t.py data.num_workers=2"),
        ("python t.py experiment=mnist", "python t.py experiment=imagenet"),
        ("python t.py --model_name a", "python t.py --model_name b"),
        ("python t.py --gradient_accumulation_steps 2", "python t.py --gradient_accumulation_steps 4"),
        ("python t.py --batch-size 2", "python t.py --batch-size 4"),
        ("python t.py --train-out-folder a", "python t.py --train-out-folder b"),
        ("python t.py --epochs all", "python t.py --epochs few"),
        ("python -m a.train", "python -m b.train"),
        ("bash a.sh", "bash b.sh"),
        ("python t.py --amp", "python t.py"),
    ],
)
def test_another_training_stays_another(earlier: str, now: str) -> None:
    assert differences(earlier.split(), now.split()) is None
