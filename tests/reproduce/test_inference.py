"""The parts of the inference study: lean preprocessing, the engine, low-resolution training, what is judged."""

from __future__ import annotations

import sys
import threading

import numpy as np
import pytest
from PIL import Image
from study import originals, textures
from study.options import Options

from tests.reproduce.conftest import REPRODUCE

sys.path.insert(0, str(REPRODUCE / "trainings"))
# Skips, with the name, where torch, torchvision or OpenCV is missing.
torch = pytest.importorskip("torch")
pipelines = pytest.importorskip("pipelines")
engine = pytest.importorskip("engine")
low_resolution = pytest.importorskip("low_resolution")

with_regions = pytest.mark.skipif(not pipelines.can_decode_regions(), reason="nvImageCodec is not installed")


@pytest.fixture(scope="module")
def photo(tmp_path_factory):
    path = tmp_path_factory.mktemp("photo") / "1.jpg"
    textures.textured(3, 7).save(path, quality=90)
    return path


@with_regions
@pytest.mark.parametrize("size", [(500, 375), (375, 500), (215, 161), (64, 64), (257, 100)])
def test_region_is_the_centre_of_the_whole(size, tmp_path):
    path = tmp_path / "1.jpg"
    textures.textured(3, 7).resize(size).save(path, quality=90)
    left, top, side = pipelines.square(*size)
    whole = np.asarray(Image.open(path).convert("RGB"))
    found = pipelines.jpeg_centre(path.read_bytes())
    assert found.shape == (side, side, 3)
    # Colours at the edge of the region are taken from its own blocks only.
    apart = np.abs(found.astype(int) - whole[top : top + side, left : left + side])
    assert np.median(apart) == 0 and (apart > 4).mean() < 0.02


def test_one_pass_is_what_the_steps_come_to(photo):
    out = np.empty((pipelines.SIDE, pipelines.SIDE, 3), np.float32)
    pipelines.prepare(photo, out)
    stepwise = (pipelines.small(photo.read_bytes()).astype(np.float32) / 255 - pipelines.MEAN) / pipelines.SPREAD
    assert np.allclose(out, stepwise, atol=1e-5)


def test_lean_pipeline_sees_what_the_usual_one_sees(photo):
    out = np.empty((pipelines.SIDE, pipelines.SIDE, 3), np.float32)
    pipelines.prepare(photo, out)
    usual = pipelines.usual()(photo).numpy().transpose(1, 2, 0)
    # Torchvision resizes before it crops and smooths on the way down: alike, not equal.
    assert np.corrcoef(out.ravel(), usual.ravel())[0, 1] > 0.97


def test_png_is_decoded_without_region(tmp_path):
    image = textures.textured(1, 2).resize((215, 161))
    image.save(tmp_path / "1.png")
    left, top, side = pipelines.square(215, 161)
    found = pipelines.centre((tmp_path / "1.png").read_bytes())
    assert np.array_equal(found, np.asarray(image)[top : top + side, left : left + side])


def numbers(file, out):
    out[:] = file


@pytest.mark.parametrize("count", [1, 4, 5, 23])
@pytest.mark.parametrize("threads", [1, 3])
def test_engine_keeps_the_order_and_reuses_its_buffers(count, threads):
    made = engine.Engine(list(range(count)), numbers, (2, 2, 3), batch=4, threads=threads, in_flight=2)
    places, seen = set(), []
    for images in made:
        places.add(images.data_ptr())
        assert images.shape[1:] == (3, 2, 2)
        seen += images[:, 0, 0, 0].tolist()
    assert seen == list(range(count)) and len(places) <= 2
    assert len(made) == -(-count // 4)


def test_engine_makes_no_more_than_in_flight_ahead():
    begun = []

    def note(file, out):
        begun.append(file)

    batches = iter(engine.Engine(list(range(40)), note, (1, 1, 3), batch=4, threads=2, in_flight=3))
    next(batches)
    assert max(begun) < 12
    batches.close()


def test_engine_raises_what_a_thread_raised_and_ends_its_threads():
    def fail(file, out):
        raise OSError(f"{file}: torn")

    before = threading.active_count()
    with pytest.raises(OSError, match="torn"):
        list(engine.Engine(list(range(9)), fail, (1, 1, 3), batch=2, threads=2))
    assert threading.active_count() == before


def test_engine_left_early_ends_its_threads():
    before = threading.active_count()
    batches = iter(engine.Engine(list(range(100)), numbers, (1, 1, 3), batch=2, threads=2))
    next(batches)
    batches.close()
    assert threading.active_count() == before


def test_down_and_up_takes_detail_away_and_keeps_the_rest():
    image = np.asarray(textures.textured(0, 1))[:224, :224]
    low = low_resolution.down_and_up(image, 56)
    detail = image.astype(float) - low
    assert low.shape == image.shape and detail.std() > 4
    assert abs(detail.mean()) < 1


def test_small_resnet_learns(tmp_path):
    torch.manual_seed(0)
    random = np.random.default_rng(0)
    labels = np.arange(32) % 2
    images = np.where(labels[:, None, None, None] == 1, 200, 60) + random.integers(0, 20, (32, 224, 224, 3))
    images = images.astype(np.uint8)
    network = low_resolution.resnet(8, 2)
    low_resolution.train(network, images, labels, 3, 3e-3, low=141, batch=8)
    assert (low_resolution.predict(network, images) == labels).all()


def test_made_thumbnails_have_the_published_short_side(tmp_path):
    folder = textures.folder(tmp_path, 0, 8)
    sizes = {
        name: {Image.open(path).size for path in (folder / "test" / short).rglob(f"*.{ending}")}
        for name, (short, ending, _) in textures.FORMATS.items()
    }
    assert sizes["full size"] == {(500, 375)} and all(sizes[name] == {(215, 161)} for name in sizes if "161" in name)
    assert len(list((folder / "test" / "png").iterdir())) == textures.CLASSES


def test_imagenet_folders_become_formats(tmp_path):
    for part in ("train", "val"):
        for name in ("n01", "n02"):
            (tmp_path / "data" / part / name).mkdir(parents=True)
            textures.textured(0, 1).save(tmp_path / "data" / part / name / "1.JPEG")
    folder = originals.classes(Options("small", tmp_path / "data", tmp_path / "out"), 4, 4)
    assert len(list((folder / "train" / "full").rglob("*.jpg"))) == 2
    assert Image.open(next((folder / "test" / "q75").rglob("*.jpg"))).size == (215, 161)


def test_data_without_classes_is_told(tmp_path):
    with pytest.raises(SystemExit, match="no folder per class"):
        originals.classes(Options("small", tmp_path, tmp_path / "out"), 4, 4)
