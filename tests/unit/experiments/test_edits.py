"""An edit stands on the user's own lines where they can be read, and is a general line where not."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from gpuwatch.experiments import edits, rewriting
from gpuwatch.experiments.sweep import Setting
from gpuwatch.model.experiment import LoaderTrial
from gpuwatch.model.measures import Interval, Place

SCRIPT = """import torch
from torchvision import transforms as T

def make(data, args):
    steps = T.Compose([
        T.ColorJitter(0.4, hue=0.1),  # strong
        T.RandomHorizontalFlip(),
        T.Resize((224, 224)),
        T.ToTensor(),
    ])
    name = "größer"; loader = torch.utils.data.DataLoader(data, batch_size=32, num_workers=args.workers)
    several = torch.utils.data.DataLoader(
        data,
        batch_size=32,
    )
    unknown = torch.utils.data.DataLoader(data, **args.loader)
    return loader, several, unknown, steps

def read(path):
    image = Image.open(path).convert("RGB")
    return image
"""


@pytest.fixture
def script(tmp_path: Path) -> str:
    path = tmp_path / "train.py"
    path.write_text(SCRIPT)
    return str(path)


def test_a_known_argument_is_replaced_and_a_new_one_added(script: str) -> None:
    edit = edits.loader_call((script, 11), {"num_workers": 8, "persistent_workers": True}).splitlines()
    assert edit[0] == f"{script}:11"
    assert edit[1].startswith('- name = "größer"; loader = ') and edit[1].endswith("num_workers=args.workers)")
    assert edit[2].endswith("batch_size=32, num_workers=8, persistent_workers=True)")


def test_a_call_over_several_lines_shows_only_the_line_that_changes(script: str) -> None:
    edit = edits.loader_call((script, 12), {"num_workers": 4})
    assert edit == f"{script}:14\n- batch_size=32,\n+ batch_size=32, num_workers=4,"


@pytest.mark.parametrize("line", [1, 20])
def test_a_call_that_cannot_be_edited_gives_the_general_line(script: str, line: int) -> None:
    assert edits.loader_call((script, line), {"in_order": False}) == "+ DataLoader(..., in_order=False)"


def test_a_file_that_is_gone_gives_the_general_line() -> None:
    assert edits.loader_call(("/gone.py", 1), {"num_workers": 2}) == "+ DataLoader(..., num_workers=2)"
    assert edits.loader_call(None, {"num_workers": 2}) == "+ DataLoader(..., num_workers=2)"


def test_the_shrinking_entry_moves_before_the_early_ones(script: str) -> None:
    edit = edits.moved_first(Place(script, 8), "Resize", ["ColorJitter", "RandomHorizontalFlip"])
    new = SCRIPT
    assert "+ T.Resize((224, 224)),  # strong" in edit and edit.startswith(script)
    changed = rewriting.reordered(new, 8, "Resize", ["ColorJitter"])
    assert changed is not None
    order = [changed.index(name) for name in ("T.Resize", "T.ColorJitter", "T.RandomHorizontalFlip", "T.ToTensor")]
    assert order == sorted(order)
    ast.parse(changed)


def test_an_open_gets_a_draft_before_its_use(script: str) -> None:
    edit = edits.scaled_decode(Place(script, 20), 4)
    assert edit.splitlines()[1:] == [
        '- image = Image.open(path).convert("RGB")',
        "+ image = Image.open(path)",
        "+ image.draft('RGB', (image.width // 4, image.height // 4))",
        '+ image = image.convert("RGB")',
    ]


def row(workers: int, rate: float, startup_s: float = 0.1, knee: bool = True) -> LoaderTrial:
    return LoaderTrial(workers, None, None, 50.0, Interval(rate, rate, rate, 4), startup_s, None, knee)


def test_the_sweep_edits_only_what_differs_and_keeps_workers_whose_start_costs(script: str) -> None:
    assert edits.for_sweep([row(2, 50)], Setting(2), {}) is None
    long = edits.for_sweep([row(4, 50)], Setting(2), {"made": [script, 11, "make"], "length": 10_000})
    short = edits.for_sweep([row(4, 50)], Setting(2), {"made": [script, 11, "make"], "length": 20})
    assert long is not None and short is not None
    assert "num_workers=4" in long and "persistent_workers" not in long
    assert "persistent_workers=True" in short
