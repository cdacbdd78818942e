from __future__ import annotations

import copy
import io
import pickle
import types
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageFile  # noqa: F401  (measured once it is imported)
from torchvision import transforms as v1
from torchvision.transforms import v2

from gpuwatch.hook import attributes
from gpuwatch.hook.operations import timing
from gpuwatch.hook.operations.pixels import pixels
from gpuwatch.hook.operations.registry import registry


def brighten(image):
    return image + 1


class Crop:
    """A transform of the user's own."""

    def __call__(self, image):
        return image[..., :8, :8]


class Chain:
    """A Compose of the user's own: nothing but a list called `transforms`."""

    def __init__(self, *steps):
        self.transforms = list(steps)

    def __call__(self, image):
        for step in self.transforms:
            image = step(image)
        return image


def lazy_jpeg(width=160, height=120):
    noise = np.random.default_rng(0).integers(0, 255, (height, width, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(noise).save(file, "JPEG")
    return Image.open(io.BytesIO(file.getvalue()))


def summed():
    """End the batch; return its rows by operation name, in the order in which data passed through."""
    rows = {row[0]: row for row in timing.end()}
    return {operation.name: rows[operation.number] for operation in registry.order if operation.number in rows}


def test_order_calls_and_pixels_of_v1(measuring):
    chain = v1.Compose([v1.Resize((30, 40)), v1.RandomHorizontalFlip(p=1), v1.ToTensor(), brighten, Crop()])
    for _ in range(2):
        chain(lazy_jpeg())
    rows = summed()
    assert list(rows) == ["PIL.JpegImageFile.load", "Resize", "RandomHorizontalFlip", "ToTensor", "brighten", "Crop"]
    assert {row[1] for row in rows.values()} == {2}
    assert rows["PIL.JpegImageFile.load"][3:5] == [2 * 160 * 120, 2 * 160 * 120]
    assert rows["Resize"][3:5] == [2 * 160 * 120, 2 * 1200]
    assert rows["Crop"][3:5] == [2 * 1200, 2 * 64]


def test_v2_with_nested_containers_and_lambdas(measuring):
    inner = v2.Compose([v2.Resize((16, 16)), v2.Lambda(brighten)])
    chain = v2.Compose([v2.ToImage(), inner, torch.nn.Sequential(v2.CenterCrop(4)), lambda image: image * 2])
    chain(torch.zeros(3, 64, 64, dtype=torch.uint8))
    rows = summed()
    assert list(rows) == ["ToImage", "Resize", "Lambda", "CenterCrop", "lambda"]
    assert rows["CenterCrop"][3:5] == [256, 16]


def test_a_dict_goes_through_albumentations(measuring):
    albumentations = pytest.importorskip("albumentations")
    measuring.scan()
    chain = albumentations.Compose([albumentations.Resize(20, 30), albumentations.HorizontalFlip(p=1)])
    timing.begin()
    chain(image=np.zeros((64, 64, 3), dtype=np.uint8))
    rows = summed()
    assert list(rows) == ["Resize", "HorizontalFlip"]
    assert rows["Resize"][3:5] == [64 * 64, 600]


def test_a_random_step_takes_its_place_when_it_is_first_seen(measuring):
    maybe, chain = v1.RandomApply([v1.Grayscale()], p=0.0), None
    chain = v1.Compose([v1.Resize(10), maybe, v1.ToTensor()])
    for probability in (0.0, 1.0):
        timing.thread.counters.previous = None  # a new sample
        maybe.p = probability
        chain(lazy_jpeg())
    assert list(summed())[1:] == ["Resize", "Grayscale", "ToTensor"]


def test_a_list_of_the_users_own_is_found_in_the_dataset(measuring):
    dataset = types.SimpleNamespace(pipeline=Chain(Crop(), brighten), transform=brighten)
    measuring.transforms.visit(dataset)
    dataset.pipeline(torch.zeros(1, 16, 16))
    dataset.transform(torch.zeros(1, 16, 16))
    assert list(summed()) == ["Crop", "brighten"]


def test_own_time_leaves_out_what_is_called_inside(measuring, monkeypatch):
    now = [0]
    monkeypatch.setattr(timing, "_now", lambda: now[0])

    class Outer:
        def __init__(self):
            self.inner = Crop()

        def __call__(self, image):
            now[0] += 5
            image = self.inner(image)
            now[0] += 7
            return image

    def spend(image):
        now[0] += 100
        return image

    monkeypatch.setattr(Crop, "__call__", lambda self, image: spend(image))
    chain = Chain(Outer(), Crop())
    measuring.transforms.visit(chain)
    chain(torch.zeros(1, 4, 4))
    names = [operation.name for operation in registry.operations]
    assert sorted((names[row[0]], row[2]) for row in timing.end()) == [("Crop", 100), ("Crop", 100), ("Outer", 12)]
    measuring.patches.leave()  # before monkeypatch takes Crop back
    measuring.patches.enter()


def test_two_instances_of_a_class_are_two_operations_each_with_its_parameters(measuring):
    chain = v1.Compose([v1.Resize(50), v1.Resize(20)])
    chain(lazy_jpeg())
    timing.end()
    found = [operation.detail["params"] for operation in registry.operations if operation.name == "Resize"]
    assert [text.startswith(f"Resize(size={size},") for text, size in zip(found, (50, 20), strict=True)] == [True, True]


def test_transforms_made_anew_for_each_sample_do_not_pile_up(measuring):
    kept = [v1.Resize(10 + number) for number in range(100)]
    image = lazy_jpeg()
    for one in kept:
        one(image)
    assert sum(row[1] for row in timing.end()) == 101  # a decode among them
    assert len(registry.operations) <= 33


def test_a_subclass_calling_its_base_is_counted_once(measuring):
    class Louder(v1.Pad):
        def forward(self, image):
            return super().forward(image)

    chain = v1.Compose([Louder([1])])
    chain(torch.zeros(1, 4, 4))
    rows = summed()
    assert list(rows) == ["Louder"] and rows["Louder"][1] == 1


def test_operations_say_where_they_are_written(measuring):
    chain = v1.Compose([Crop(), brighten, v1.Lambda(brighten)])
    chain(torch.zeros(1, 16, 16))
    timing.end()
    places = {operation.name: operation.place for operation in registry.operations}
    lines = open(__file__).read().splitlines()  # noqa: SIM115
    for name, text in (("Crop", "def __call__"), ("brighten", "def brighten"), ("Lambda", "def brighten")):
        assert places[name][0] == __file__
        assert text in lines[places[name][1] - 1]


def test_a_librarys_transform_is_placed_where_the_user_makes_it(measuring, tmp_path):
    source = tmp_path / "train.py"
    source.write_text("a = 1\nsteps = [v1.GaussianBlur(3)]  # GaussianBlur(5)\n")
    measuring.transforms.user_files = {str(source)}
    v1.GaussianBlur(3)(torch.zeros(1, 8, 8))
    timing.end()
    assert registry.operations[0].place == (str(source), 2, "GaussianBlur")


def test_stand_ins_pass_for_the_function(measuring):
    chain = v1.Compose([brighten])
    chain(torch.zeros(1, 2, 2))
    stand_in = chain.transforms[0]
    assert stand_in is not brighten and isinstance(stand_in, types.FunctionType)
    assert pickle.loads(pickle.dumps(chain)).transforms[0] is brighten
    assert copy.deepcopy(chain).transforms[0] is brighten
    assert stand_in.__name__ == "brighten" and repr(stand_in) == repr(brighten)
    assert "brighten" in repr(chain)


def test_results_and_errors_pass_unchanged(measuring):
    class Broken:
        def __call__(self, image):
            raise KeyError("mine")

    chain = v1.Compose([v1.ToTensor(), Broken()])
    with pytest.raises(KeyError, match="mine"):
        chain(lazy_jpeg())
    assert timing.thread.counters.running is None
    image = torch.arange(48.0).reshape(3, 4, 4)
    torch.manual_seed(1)
    measured = v1.RandomCrop(2)(image)
    measuring.patches.leave()
    torch.manual_seed(1)
    assert torch.equal(measured, v1.RandomCrop(2)(image))
    measuring.patches.enter()


def test_everything_is_put_back(measuring):
    chain = v1.Compose([v1.Resize(8), brighten, Crop()])
    chain(torch.zeros(1, 16, 16))
    before = vars(v1.Resize)["forward"]
    measuring.patches.leave()
    try:
        assert vars(v1.Resize)["forward"] is not before
        assert chain.transforms[1] is brighten
        assert not attributes.is_measured(Crop.__call__)
        assert not attributes.is_measured(Image.Image.load)
        torch.jit.script(torch.nn.Sequential(v1.Resize([8]), v1.Normalize([0.5], [0.5])))
    finally:
        measuring.patches.enter()


def test_scripting_works_while_transforms_are_measured(measuring):
    scripted = torch.jit.script(torch.nn.Sequential(v1.CenterCrop(4), v1.Normalize([0.5], [0.5])))
    assert scripted(torch.ones(1, 8, 8)).sum() == 16
    v1.CenterCrop(4)(torch.ones(1, 8, 8))
    assert list(summed()) == ["CenterCrop"]  # measured again


def test_a_changed_list_keeps_the_users_change(measuring):
    chain = v1.Compose([brighten, Crop()])
    chain(torch.zeros(1, 16, 16))
    chain.transforms.insert(0, "new")
    measuring.patches.leave()
    assert chain.transforms[0] == "new" and chain.transforms[1] is brighten
    measuring.patches.enter()


def test_draft_is_told_from_a_full_decode(measuring):
    full, drafted = lazy_jpeg(), lazy_jpeg()
    drafted.draft("RGB", (40, 30))
    full.load()
    drafted.load()
    drafted.load()  # already decoded: nothing more
    rows = timing.end()
    facts = {operation.number: operation.detail for operation in registry.operations}
    assert [(facts[row[0]]["draft"], row[1], row[3], row[4]) for row in rows] == [
        (None, 1, 160 * 120, 160 * 120),
        (4, 1, 160 * 120, 40 * 30),
    ]
    assert all(row[5] > 500 for row in rows)


def test_files_read_by_numpy_and_cv2_are_booked_at_the_users_line(measuring, tmp_path):
    cv2 = pytest.importorskip("cv2")
    measuring.scan()
    cv2.imwrite(str(tmp_path / "image.png"), np.zeros((30, 50, 3), dtype=np.uint8))
    np.save(tmp_path / "array.npy", np.zeros(1000))
    timing.begin()
    cv2.imread(str(tmp_path / "image.png"))
    np.load(tmp_path / "array.npy")
    rows = summed()
    assert rows["cv2.imread"][4] == 1500
    assert rows["numpy.load"][5] == (tmp_path / "array.npy").stat().st_size
    assert {operation.place[:1] for operation in registry.operations} == {(__file__,)}


@pytest.mark.parametrize(
    ("value", "count"),
    [
        (Image.new("RGB", (7, 5)), 35),
        (torch.zeros(3, 7, 5), 35),
        (np.zeros((7, 5, 3)), 35),
        (np.zeros((7, 5)), 35),
        (torch.zeros(2, 3, 7, 5), 70),
        ({"image": np.zeros((7, 5, 3)), "mask": None}, 35),
        ((torch.zeros(1, 7, 5), 3), 35),
        ("text", None),
        (3, None),
        ([], None),
    ],
)
def test_pixels(value, count):
    assert pixels(value) == count


def test_copies_of_the_whole_picture_are_part_of_decoding(measuring):
    picture = lazy_jpeg().convert("RGB")
    np.asarray(picture)
    picture.resize((30, 40))
    rows = summed()
    assert list(rows) == ["PIL.JpegImageFile.load", "PIL.Image.convert", "PIL.Image.tobytes", "PIL.Image.resize"]
    kinds = {operation.name: operation.kind for operation in registry.order}
    assert kinds["PIL.Image.convert"] == kinds["PIL.Image.tobytes"] == "decode"
    assert rows["PIL.Image.convert"][1] == 1 and rows["PIL.Image.convert"][3:5] == [160 * 120, 160 * 120]
    assert rows["PIL.Image.tobytes"][3] == 160 * 120
    assert rows["PIL.JpegImageFile.load"][1] == 1


def test_who_opened_the_file_is_told(measuring):
    lazy_jpeg().load()
    load = next(operation for operation in registry.order if operation.name == "PIL.JpegImageFile.load")
    summed()
    module, file, line = load.detail["opened"]
    assert module == __name__ and "Image.open(" in Path(file).read_text().splitlines()[line - 1]
