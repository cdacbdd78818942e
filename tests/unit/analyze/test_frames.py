"""Which line of the user's a stack stands on."""

from __future__ import annotations

from gpuwatch.analyze.lines.frames import Frame, transform_frame


def test_a_librarys_transform_is_the_line_that_made_it() -> None:
    made = {"ColorJitter": Frame("<module>", "/home/me/train.py", 13)}
    site = "/venv/lib/python3.11/site-packages"
    stack = (
        Frame("_MapDatasetFetcher.fetch", f"{site}/torch/utils/data/_utils/fetch.py", 54),
        Frame("DatasetFolder.__getitem__", f"{site}/torchvision/datasets/folder.py", 247),
        Frame("ColorJitter.forward", f"{site}/torchvision/transforms/transforms.py", 1285),
        Frame("adjust_hue", f"{site}/torchvision/transforms/functional.py", 959),
    )
    assert transform_frame(stack, made) == (made["ColorJitter"], stack[2:])
    assert transform_frame((*stack, Frame("mine", "/home/me/hue.py", 3)), made) is None
    assert transform_frame(stack[:2], made) is None
    assert transform_frame(stack, made, program="torchvision") is None
