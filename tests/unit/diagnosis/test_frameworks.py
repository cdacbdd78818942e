"""What the user of a library that makes the loader, or opens the files, is told to change."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from gpuwatch.diagnosis.examples.parts import make_loader, make_operation
from gpuwatch.diagnosis.examples.runs import run_of
from gpuwatch.diagnosis.frameworks import draft_edit, loader_edit, maker_of, opened_by_user, place_of_decode, who_set
from gpuwatch.model.findings import Finding
from gpuwatch.model.loader_profile import LoaderProfile
from gpuwatch.model.measures import Place
from gpuwatch.rules.no_worker_processes.rule import RULE as no_worker_processes

LIBRARIES = "/env/lib/python3.11/site-packages/"
WORKERS = {"num_workers": 2, "persistent_workers": True}


def made_by(module: str, line: int = 212, **changes: Any) -> LoaderProfile:
    file = f"{LIBRARIES}{module.replace('.', '/')}.py"
    return make_loader(attributes={"made_by": [module, file, line]}, **changes)


def test_the_users_own_loader_takes_the_options_of_torch() -> None:
    loader = make_loader(attributes={"made_by": None, "loader_class": "torch.utils.data.dataloader.DataLoader"})
    assert maker_of(loader) is None and who_set(loader) == ""
    assert loader_edit(loader, WORKERS) == "DataLoader(..., num_workers=2, persistent_workers=True)"


@pytest.mark.parametrize(
    ("module", "edit"),
    [
        ("keras.src.trainers.data_adapters.data_adapter_utils", "PyDataset(..., workers=2, use_multiprocessing=True)"),
        (
            "transformers.trainer",
            "TrainingArguments(..., dataloader_num_workers=2, dataloader_persistent_workers=True)",
        ),
        ("ultralytics.data.build", "train(..., workers=2)"),
        ("recbole.data.utils", "config: worker=2"),
        ("some_lab.loops", "the option of some_lab for num_workers=2, persistent_workers=True"),
    ],
)
def test_a_librarys_loader_takes_the_librarys_options(module: str, edit: str) -> None:
    assert loader_edit(made_by(module), WORKERS) == edit


def test_the_findings_name_the_librarys_option_and_the_line_that_decides() -> None:
    profile = run_of(workers=0, loader={"attributes": made_by("lightly_train._loader").attributes})
    finding = no_worker_processes.evaluate(profile)
    assert isinstance(finding, Finding) and finding.edit == "train(..., num_workers=3)"
    assert finding.advice == (
        "Load in 3 worker processes: train(..., num_workers=3). lightly_train/_loader.py:212 makes the DataLoader, with"
        " num_workers=0."
    )


def test_workers_are_no_advice_where_the_library_takes_none() -> None:
    attributes = made_by("ultralytics.data.build").attributes
    on_the_cpu = no_worker_processes.evaluate(run_of(workers=0, loader={"attributes": attributes}, devices=()))
    assert isinstance(on_the_cpu, Finding) and (on_the_cpu.severity, on_the_cpu.speedup) == ("info", None)
    assert on_the_cpu.advice == (
        "Make a sample cost less. On a GPU ultralytics uses the workers that you pass. ultralytics/data/build.py:212 makes"
        " the DataLoader, with num_workers=0."
    )


def test_opencv_decodes_at_a_part_of_the_size_by_a_flag() -> None:
    for name, given in (("cv2.imread", "path"), ("cv2.imdecode", "data")):
        decode = make_operation(name, kind="decode")
        assert draft_edit(decode, 4) == f"{name}({given}, cv2.IMREAD_REDUCED_COLOR_4)"


def test_fastais_own_loader_is_known_by_its_class() -> None:
    loader = make_loader(attributes={"loader_class": "fastai.data.load._FakeLoader"})
    assert loader_edit(loader, {"num_workers": 4}) == "DataLoaders(..., num_workers=4)"


def test_who_set_the_number_of_workers_is_said() -> None:
    assert who_set(made_by("ultralytics.data.build", workers=0)) == (
        " ultralytics/data/build.py:212 makes the DataLoader, with num_workers=0."
    )
    assert who_set(made_by("some_lab.loops", 7, workers=1)) == (
        " some_lab/loops.py:7 makes the DataLoader, with num_workers=1."
    )


@pytest.mark.parametrize(
    ("module", "edit"),
    [
        ("streaming.base.format.mds.encodings", 'sample["image"].draft("RGB", (width // 4, height // 4))'),
        (
            "datasets.features.image",
            'dataset.cast_column("image", Image(decode=False)), then PIL.Image.open the path or bytes, and'
            ' .draft("RGB", (width // 4, height // 4))',
        ),
        (
            "some_lab.io",
            "some_lab/io.py:9 opens the file: have some_lab hand over the path or bytes, open it, and"
            ' .draft("RGB", (width // 4, height // 4))',
        ),
    ],
)
def test_where_a_library_opens_the_file_the_edit_is_the_librarys(module: str, edit: str) -> None:
    place = Place(f"{LIBRARIES}{module.replace('.', '/')}.py", 9)
    decode = make_operation("PIL.JpegImageFile.load", kind="decode", opened_by=module, opened_where=place)
    assert draft_edit(decode, 4) == edit and opened_by_user(decode) is None


def test_where_the_users_code_opens_the_file_that_line_is_the_place() -> None:
    place = Place("/home/me/project/data.py", 9)
    decode = make_operation("PIL.JpegImageFile.load", kind="decode", opened_by="__main__", opened_where=place)
    assert draft_edit(decode, 4) is None and opened_by_user(decode) == place


def test_a_decode_below_the_call_that_drives_the_training_is_placed_in_the_users_own_part_of_the_fetch() -> None:
    driver, call = Place("/home/me/train.py", 64, "<module>"), Place("/home/me/train.py", 31, "transforms")
    crop = Place("/home/me/train.py", 27, "RandomResizedCrop")
    decode = make_operation(name="PIL.JpegImageFile.load", kind="decode", where=driver)
    resize = make_operation(name="RandomResizedCrop", kind="transform", where=crop)
    convert = make_operation(name="PIL.Image.convert", kind="decode", where=call)
    library = Place(f"{LIBRARIES}datasets/arrow_dataset.py", 3156)
    loader = make_loader(
        operations=(decode, resize, convert), iterated_where=driver, dataset_where=library, created_where=driver
    )
    assert place_of_decode(loader, decode) == call
    made = Place("/home/me/train.py", 12, "ImageFolder")
    assert place_of_decode(replace(loader, operations=(decode, resize), dataset_where=made), decode) == made
    assert place_of_decode(replace(loader, operations=(decode, resize)), decode) == crop
    assert place_of_decode(replace(loader, operations=(decode,)), decode) == driver
    assert place_of_decode(replace(loader, iterated_where=None), decode) == driver
