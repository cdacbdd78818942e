"""What an iterator's attributes say of its dataset."""

from __future__ import annotations

from pathlib import Path

from gpuwatch.hook.trainer import describe

ImageFolder = type("ImageFolder", (), {"__module__": "tv.folder"})
FakeData = type("FakeData", (), {"__module__": "tv.fake"})
LIBRARY = "/env/lib/python3.11/site-packages/torchvision/datasets/folder.py"


def test_a_librarys_dataset_is_made_where_its_class_is_called_once(tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text("from tv import ImageFolder\n\ndata = ImageFolder('photos')\n")
    assert describe.dataset_place(ImageFolder, LIBRARY, str(script)) == [str(script), 3]
    assert describe.dataset_place(FakeData, LIBRARY, str(script)) is None
    assert describe.dataset_place(ImageFolder, str(script), str(script)) is None, "the user's own class has a place"


def test_a_class_called_twice_is_not_guessed_at(tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text("train = ImageFolder('a')\nvalid = ImageFolder('b')\n")
    assert describe.dataset_place(ImageFolder, LIBRARY, str(script)) is None
