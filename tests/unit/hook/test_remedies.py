"""Each remedy on a loader that it fits and on one that it does not; the user's own objects stay as they were."""

from __future__ import annotations

import io
import sys
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset, IterableDataset, Subset, TensorDataset
from torchvision import transforms

from gpuwatch.hook.experiment import loader_clones, outputs, remedies, remedy_batches, remedy_decoding
from gpuwatch.hook.experiment.active import active
from gpuwatch.hook.experiment.variants import Variants


def photo(seed: int, side: int = 256) -> bytes:
    """Return a JPEG of smooth waves: like a photo it survives being scaled."""
    y, x = np.mgrid[0:side, 0:side] / side
    waves = [np.sin((3 + seed % 5) * x + channel) * np.cos(4 * y) for channel in range(3)]
    file = io.BytesIO()
    Image.fromarray(((np.stack(waves, -1) + 1) * 127).astype("u1")).save(file, "JPEG", quality=95)
    return file.getvalue()


class Photos(Dataset):  # type: ignore[type-arg]
    """JPEGs in memory, decoded with PIL, through a list of transforms."""

    def __init__(self, steps: list[Any]) -> None:
        self.files = [photo(number) for number in range(20)]
        self.transform = transforms.Compose(steps)

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> Any:
        return self.transform(Image.open(io.BytesIO(self.files[index])).convert("RGB")), index


class Stream(IterableDataset):  # type: ignore[type-arg]
    def __iter__(self) -> Any:
        return iter(range(8))


STEPS = [transforms.ToTensor(), transforms.Grayscale(3), transforms.Resize((32, 32))]
ROWS = TensorDataset(torch.arange(40.0).reshape(20, 2), torch.arange(20))


def photos(*steps: Any, workers: int = 0) -> DataLoader[Any]:
    return DataLoader(Photos(list(steps or STEPS)), batch_size=4, num_workers=workers)


def compared(loader: DataLoader[Any], remedy: str, **parameters: Any) -> dict[str, Any]:
    order = {"remedies": [[remedy, parameters]]}
    return outputs.compare(loader_clones.make(loader, {}), loader_clones.make(loader, order))


def batches(clone: DataLoader[Any]) -> list[Any]:
    import torch.utils.data.dataloader as module

    variants = Variants(module, clone)
    variants.open({"arm": "a"})
    try:
        return [variants.batch("a") for _ in range(3)]
    finally:
        variants.close("a")


@pytest.mark.parametrize(
    ("remedy", "parameters", "most"),
    [
        ("scaled-decode", {"scale": 2}, 0.15),
        ("faster-decoder", {}, 0.1),
        ("shrink-first", {"shrink": "Resize", "before": ["Grayscale"]}, 0.05),
        ("shrink-first", {}, 0.1),
        ("resize-before-float", {}, 0.1),
        ("uint8-batches", {}, 0.01),
    ],
)
def test_a_remedy_of_images_changes_the_samples_a_little(remedy: str, parameters: dict[str, Any], most: float) -> None:
    found = compared(photos(), remedy, **parameters)
    assert found["samples"] == 16 and not found["random"]
    assert 0 < found["max"] < most * 20 or found["max"] == 0.0
    assert found["mean"] < most


@pytest.mark.parametrize(("remedy", "loader"), [
    ("packed-batches", photos()), ("cache-items", photos()), ("batched-fetch", DataLoader(ROWS, batch_size=4)),
    ("batched-fetch", DataLoader(Subset(ROWS, [3, 1, 2, 9]), batch_size=2)), ("packed-batches", DataLoader(ROWS, batch_size=4)),
])  # fmt: skip
def test_a_remedy_that_only_moves_data_leaves_the_samples_identical(remedy: str, loader: DataLoader[Any]) -> None:
    assert compared(loader, remedy)["max"] == 0.0


def test_random_samples_are_told_from_fixed_ones() -> None:
    found = compared(photos(transforms.RandomHorizontalFlip(), transforms.ToTensor()), "packed-batches")
    assert found["random"]


def test_what_keeping_the_items_would_take_is_told() -> None:
    assert "all 20 items take about" in compared(photos(), "cache-items")["about"]


def test_the_decoder_that_was_found_fastest_is_named() -> None:
    assert compared(photos(), "faster-decoder")["about"] in ("simplejpeg", "torchvision.io", "OpenCV")


@pytest.mark.parametrize(
    ("loader", "order", "why"),
    [
        (photos(), {"remedies": [["no-such", {}]]}, "there is no remedy 'no-such'"),
        (photos(), {"remedies": [["single-threaded-workers", {}]]}, "the loader has no workers"),
        (photos(), {"remedies": [["batched-fetch", {}]]}, "not a TensorDataset"),
        (photos(transforms.ToTensor()), {"remedies": [["shrink-first", {}]]}, "no list of transforms"),
        (photos(transforms.Resize(32), transforms.ToTensor()), {"remedies": [["resize-before-float", {}]]}, "no list of transforms"),
        (DataLoader(Stream()), {"remedies": [["cache-items", {}]]}, "an iterable data set has no items"),
        (DataLoader(ROWS, batch_size=None), {"remedies": [["packed-batches", {}]]}, "gives whole batches"),
        (photos(), {"loader": {"prefetch_factor": 8}}, "is for worker processes"),
        (photos(), {"loader": {"persistent_workers": True}}, "is for worker processes"),
        (photos(), {"loader": {"no_such_setting": 1}}, "this torch's DataLoader has no no_such_setting"),
    ],
)  # fmt: skip
def test_what_does_not_fit_says_why(loader: DataLoader[Any], order: dict[str, Any], why: str) -> None:
    with pytest.raises(remedies.Unsuitable, match=why):
        loader_clones.make(loader, order)


def test_a_faster_decoder_that_is_not_installed_does_not_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remedy_decoding, "_DECODERS", (("gone", lambda: __import__("no_such_decoder")),))
    with pytest.raises(remedies.Unsuitable, match="neither simplejpeg nor"):
        loader_clones.make(photos(), {"remedies": [["faster-decoder", {}]]})


def test_the_users_objects_stay_as_they_were() -> None:
    loader = photos()
    dataset, collate = loader.dataset, loader.collate_fn
    names = [type(step).__name__ for step in dataset.transform.transforms]  # type: ignore[attr-defined]
    before = dict(vars(loader))
    for remedy in sorted(remedies.REMEDIES):
        try:
            clone = loader_clones.make(loader, {"remedies": [[remedy, {}]]})
        except remedies.Unsuitable:
            continue
        batches(clone)
    assert vars(loader) == before
    assert loader.dataset is dataset and loader.collate_fn is collate
    assert [type(step).__name__ for step in dataset.transform.transforms] == names  # type: ignore[attr-defined]
    assert not active.remedies


def test_an_image_of_odd_size_is_decoded_at_a_part_of_it_too(monkeypatch: pytest.MonkeyPatch) -> None:
    file = io.BytesIO()
    Image.new("RGB", (255, 301)).save(file, "JPEG")
    monkeypatch.setitem(active.remedies, "scaled-decode", {"scale": 2})
    assert remedy_decoding._opening(Image.open)(io.BytesIO(file.getvalue())).size == (128, 151)


def test_comparing_samples_leaves_this_process_its_threads() -> None:
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        assert compared(photos(workers=1), "single-threaded-workers")["max"] == 0.0
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(threads)


def test_remedies_are_applied_together() -> None:
    order = {"remedies": [["scaled-decode", {"scale": 2}], ["shrink-first", {}], ["packed-batches", {}]]}
    clone = loader_clones.make(photos(), order)
    assert [name for name, _ in remedies.of(clone)] == ["scaled-decode"]
    assert type(clone.dataset.transform.transforms[0]).__name__ == "Resize"
    assert isinstance(clone.collate_fn, remedy_batches.Packing)
    assert outputs.compare(loader_clones.make(photos(), {}), clone)["samples"] == 16


def test_a_library_remedy_acts_in_the_workers_and_not_here() -> None:
    loader = photos(transforms.PILToTensor(), workers=1)
    changed = batches(loader_clones.make(loader, {"remedies": [["scaled-decode", {"scale": 2}]]}))
    assert changed[0][0].shape[-1] == 128
    assert batches(loader_clones.make(loader, {}))[0][0].shape[-1] == 256
    assert Image.open(io.BytesIO(photo(0))).size == (256, 256)


def test_a_packed_batch_comes_back_as_it_was_through_a_worker() -> None:
    loader = DataLoader(ROWS, batch_size=4, num_workers=1)
    (plain, _, _), (packed, _, _) = (
        batches(loader_clones.make(loader, order)) for order in ({}, {"remedies": [["packed-batches", {}]]})
    )
    assert type(packed) is type(plain)
    assert all(torch.equal(a, b) for a, b in zip(plain, packed, strict=True))


def test_the_same_epoch_of_two_variants_has_the_same_order() -> None:
    import torch.utils.data.dataloader as module

    variants = Variants(module, DataLoader(ROWS, batch_size=20, shuffle=True))
    for name in ("a", "b"):
        variants.open({"arm": name})
    first, second = variants.batch("a")[1], variants.batch("b")[1]
    assert torch.equal(first, second)
    assert not torch.equal(first, variants.batch("a")[1]), "the next epoch has another"
    assert "torch" in sys.modules
