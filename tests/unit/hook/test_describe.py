"""What an iterator's attributes say of its dataset."""

from __future__ import annotations

from pathlib import Path

from gpuwatch.hook.source_code import callers, dataset_values
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


class Made:
    """Constructed like a loader: it asks who called the constructor."""

    def __init__(self):
        self.library = callers.constructing_library(self)


class MoreMade(Made):
    def __init__(self):
        super().__init__()


def test_a_librarys_call_of_the_constructor_is_told_with_its_module_and_line():
    file = "/env/lib/python3.11/site-packages/some_lab/loops.py"
    scope = {"__name__": "some_lab.loops", "MoreMade": MoreMade}
    exec(compile("\ndef make():\n    return MoreMade()", file, "exec"), scope)
    assert scope["make"]().library == ("some_lab.loops", file, 3)


def test_the_users_own_call_of_the_constructor_is_no_librarys():
    assert MoreMade().library is None


class Batches:
    """A dataset of the user's own, as Keras takes it."""

    def __getitem__(self, index):
        return index


def test_the_users_dataset_is_found_behind_a_librarys_generator():
    file = "/env/lib/python3.11/site-packages/some_lab/data.py"
    source = (
        "class Adapter:\n    def __init__(self, x):\n        self.data = x\n"
        "    def batches(self):\n        yield self.data[0]\n"
        "class Handed:\n    def __init__(self, iterable):\n        self.iterable = iterable\n"
        "    def __iter__(self):\n        yield from self.iterable\n"
    )
    scope = {"__name__": "some_lab.data"}
    exec(compile(source, file, "exec"), scope)
    behind = describe._behind_generator(scope["Handed"](scope["Adapter"](Batches()).batches()))
    assert behind is Batches
    assert describe._behind_generator(scope["Handed"]([1, 2])) is None


class Curriculum:
    def __init__(self):
        self.epoch, self.name, self.rows, self.secret = 0, "easy", [1, 2], "x" * 500


def test_a_datasets_plain_values_are_marked_not_recorded():
    dataset = Curriculum()
    before = dataset_values.marks(dataset)
    dataset.epoch += 1
    dataset.rows.append(3)
    after = dataset_values.marks(dataset)
    assert set(before) == {"epoch", "name"} and {name for name in before if before[name] != after[name]} == {"epoch"}
