"""Source is changed where its form is known for certain, and left alone elsewhere; what comes out still parses."""

from __future__ import annotations

import ast
import textwrap

import pytest

from gpuwatch.experiments import rewriting


def source(text: str) -> str:
    return textwrap.dedent(text).lstrip("\n")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("DataLoader(data)", "DataLoader(data, num_workers=4)"),
        ("DataLoader(data, num_workers=args.workers)", "DataLoader(data, num_workers=4)"),
        ("DataLoader(data, **kwargs)", "DataLoader(data, **{**kwargs, 'num_workers': 4})"),
        ("make(data, batch_size=8)", "make(data, batch_size=8, num_workers=4)"),
        ("Loader(*args)", None),
        ("make(data)", None),
        ("DataLoader(DataLoader(data))", None),
        ("DataLoader(data, 8, True, None, None, 2)", None),
    ],
)
def test_a_loader_gets_its_settings_at_its_call(before: str, after: str | None) -> None:
    assert rewriting.with_keywords(before, 1, {"num_workers": "4"}) == after


def test_a_call_is_found_by_its_name_and_only_when_there_is_one() -> None:
    text = "arguments = TrainingArguments(\n    output_dir='out',\n)\nmodel.train()\n"
    changed = rewriting.with_keywords_of(text, "TrainingArguments", {"dataloader_num_workers": "4"})
    assert changed is not None and "output_dir='out', dataloader_num_workers=4,\n" in changed
    assert rewriting.with_keywords_of(text, "train", {"workers": "4"}) is None, "it passes nothing"
    assert rewriting.with_keywords_of(text + text, "TrainingArguments", {"a": "4"}) is None


def test_a_class_of_the_framework_gets_them_in_its_own_constructor() -> None:
    text = source("""
        class Images(keras.utils.PyDataset):
            def __init__(self, files, **kwargs):
                super().__init__(**kwargs)
                self.files = files
    """)
    changed = rewriting.with_base_keywords(text, "PyDataset", {"workers": "4"})
    assert changed is not None and "super().__init__(**{**kwargs, 'workers': 4})" in changed
    assert rewriting.with_base_keywords(text.replace("PyDataset", "Sequence"), "PyDataset", {"workers": "4"}) is None


@pytest.mark.parametrize(
    ("before", "line", "after"),
    [
        (
            "def read(path):\n    return Image.open(path).convert('RGB')\n", 2,
            "def read(path):\n    image = Image.open(path)\n    image.draft('RGB', (image.width // 2, image.height // 2))\n"
            "    return image.convert('RGB')\n",
        ),
        (
            "with Image.open(path) as photo:\n    photo.load()\n", 1,
            "with Image.open(path) as photo:\n    photo.draft('RGB', (photo.width // 2, photo.height // 2))\n    photo.load()\n",
        ),
        (
            "image = 1\nsample = transform(PIL.Image.open(io.BytesIO(data)))\n", 2,
            "image = 1\nsample = PIL.Image.open(io.BytesIO(data))\n"
            "sample.draft('RGB', (sample.width // 2, sample.height // 2))\nsample = transform(sample)\n",
        ),
        (
            "with open(path, 'rb') as file:\n    image = Image.open(file)\n    image.load()\n", 2,
            "with open(path, 'rb') as file:\n    image = Image.open(file)\n"
            "    image.draft('RGB', (image.width // 2, image.height // 2))\n    image.load()\n",
        ),
        (
            "image = 1\nsave(Image.open(path), name)\n", 2,
            "image = 1\nopened = Image.open(path)\nopened.draft('RGB', (opened.width // 2, opened.height // 2))\n"
            "save(opened, name)\n",
        ),
        ("images = [Image.open(path) for path in paths]\n", 1, None),
        ("reader = lambda path: Image.open(path)\n", 1, None),
        ("image = Image.open(path) if path else None\n", 1, None),
        ("if path: image = Image.open(path)\n", 1, None),
        ("pair = Image.open(one), Image.open(two)\n", 1, None),
        ("file = open(path)\n", 1, None),
    ],
)  # fmt: skip
def test_an_image_is_drafted_between_its_open_and_its_use(before: str, line: int, after: str | None) -> None:
    changed = rewriting.drafted(before, line, 2)
    assert changed == after
    if changed:
        ast.parse(changed)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("cv2.imread(path)", "cv2.imread(path, cv2.IMREAD_REDUCED_COLOR_4)"),
        ("cv2.imdecode(data, cv2.IMREAD_COLOR)", "cv2.imdecode(data, cv2.IMREAD_REDUCED_COLOR_4)"),
        ("cv2.imread(path, cv2.IMREAD_GRAYSCALE)", None),
        ("imread(path)", None),
    ],
)
def test_opencv_reads_at_a_part_of_the_size(before: str, after: str | None) -> None:
    assert rewriting.reduced(before, 1, 4) == after


def test_a_function_comes_after_the_imports() -> None:
    text = '"""About."""\nimport torch\nfrom a import (\n    b,\n)\n\nx = 1\n'
    changed = rewriting.with_function(text, "def f():\n    pass\n")
    assert changed is not None and changed.index("    b,\n)") < changed.index("def f()") < changed.index("x = 1")
    ast.parse(changed)
