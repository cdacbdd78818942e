"""What the studies share: made data, paired timing, claims, the table in docs/studies.md."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from study import data, figures, originals, timing
from study.options import Options, parse, parser
from study.result import CLAIM_ONLY, Result, Table, read

from tests.reproduce.conftest import REPRODUCE


@pytest.fixture
def result() -> Result:
    made = Result("a_study", "A <study>", "Somebody: Something", "small", "2 cores")
    made.claim("Faster", "up to 4×", "3.9×", True)
    made.claim("Cheaper | better", CLAIM_ONLY, "0.9×", False)
    made.claim("Both", CLAIM_ONLY, "too small", True, judged=False)
    made.tables.append(Table("Times", ("", "ms"), (("a", "1.0"),)))
    return made


def all_script():
    loader = importlib.machinery.SourceFileLoader("reproduce_all", str(REPRODUCE / "all"))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("reproduce_all", loader))
    loader.exec_module(module)
    return module


def test_photos_have_the_size_asked_for_and_are_made_once(tmp_path):
    first = data.photos(tmp_path, 2, 64, 48)
    stamps = [path.stat().st_mtime_ns for path in first]
    assert [Image.open(path).size for path in first] == [(64, 48)] * 2
    assert [path.stat().st_mtime_ns for path in data.photos(tmp_path, 2, 64, 48)] == stamps


def test_half_made_data_is_made_again(tmp_path):
    path = data.photos(tmp_path, 1, 64, 48)[0]
    (path.parent / data.COMPLETE).unlink()
    path.write_bytes(b"torn")
    assert Image.open(data.photos(tmp_path, 1, 64, 48)[0]).size == (64, 48)


def test_cifar_files_read_back_as_they_were_written(tmp_path):
    folder = data.cifar10(tmp_path, 30, 10)
    assert (folder / "data_batch_1.bin").stat().st_size == 30 * 3073
    images, labels = data.read_cifar10([folder / "data_batch_1.bin"])
    assert images.shape == (30, 32, 32, 3) and images.dtype == np.uint8
    assert set(labels) <= set(range(10)) and len(set(labels)) > 4
    raw = (folder / "data_batch_1.bin").read_bytes()
    assert labels[1] == raw[3073] and images[1, 0, 0].tolist() == [raw[3074], raw[3074 + 1024], raw[3074 + 2048]]


def test_torn_cifar_file_is_told(tmp_path):
    (tmp_path / "data_batch_1.bin").write_bytes(b"\0" * 5000)
    with pytest.raises(SystemExit, match="no whole number of CIFAR-10 records"):
        data.read_cifar10([tmp_path / "data_batch_1.bin"])


def test_folder_without_photos_is_told(tmp_path):
    with pytest.raises(SystemExit, match="no JPEG files"):
        data.found(tmp_path)


def test_boxes_of_made_coco_lie_in_their_images(tmp_path):
    import json

    whole = json.loads((data.coco(tmp_path, 3, 80, 60) / "annotations.json").read_text())
    assert len(whole["images"]) == 3
    for box in whole["annotations"]:
        left, top, width, height = box["bbox"]
        assert left >= 0 and top >= 0 and left + width <= 80 and top + height <= 60 and width > 0 and height > 0


def test_open_images_boxes_become_pixels(tmp_path):
    import json

    (tmp_path / "train").mkdir()
    data.picture(64, 48, 1).save(tmp_path / "train" / "abc.jpg")
    head = "ImageID,Source,LabelName,Confidence,XMin,XMax,YMin,YMax"
    rows = ["abc,x,/m/1,1,0.25,0.5,0.5,1.0", "absent,x,/m/1,1,0,1,0,1"]
    (tmp_path / "train-annotations-bbox.csv").write_text("\n".join([head, *rows]))
    folder = originals.detection(Options("small", tmp_path, tmp_path / "out"))
    whole = json.loads((folder / "annotations.json").read_text())
    assert [image["file_name"] for image in whole["images"]] == [str(tmp_path / "train" / "abc.jpg")]
    assert [box["bbox"] for box in whole["annotations"]] == [[16.0, 24.0, 16.0, 24.0]]


def test_coco_keeps_the_images_that_are_there(tmp_path):
    import json

    (tmp_path / "val2017").mkdir()
    data.picture(64, 48, 1).save(tmp_path / "val2017" / "1.jpg")
    images = [{"id": n, "file_name": f"{n}.jpg", "width": 64, "height": 48} for n in (1, 2)]
    (tmp_path / "instances_val2017.json").write_text(json.dumps({"images": images, "annotations": []}))
    folder = originals.detection(Options("small", tmp_path, tmp_path / "out"))
    assert [image["id"] for image in json.loads((folder / "annotations.json").read_text())["images"]] == [1]


def test_data_without_boxes_is_told(tmp_path):
    data.picture(8, 8, 1).save(tmp_path / "1.jpg")
    with pytest.raises(SystemExit, match="neither COCO's"):
        originals.detection(Options("small", tmp_path, tmp_path / "out"))


def test_every_case_runs_once_per_round_and_once_unmeasured():
    calls = []
    times = timing.interleaved({"a": lambda: calls.append("a"), "b": lambda: calls.append("b")}, 3)
    assert {name: len(values) for name, values in times.items()} == {"a": 3, "b": 3}
    assert all(set(calls[i : i + 2]) == {"a", "b"} for i in range(0, 8, 2)) and len(calls) == 8


def test_ratio_is_paired_by_round():
    # The machine was ten times slower in the last round: that round's ratio is the same.
    assert timing.ratio([2.0, 4.0, 20.0], [1.0, 2.0, 10.0]).median == 2.0


def test_claim_that_cannot_be_judged_is_neither_reproduced_nor_not(result):
    assert [claim.verdict for claim in result.claims] == ["reproduced", "not reproduced", "not judged"]


def test_markdown_has_a_row_per_claim(result):
    rows = all_script().markdown([result]).splitlines()
    assert rows[2] == "| `a_study.py` | Faster | up to 4× | 3.9× | reproduced |"
    assert rows[3].startswith("| `a_study.py` | Cheaper \\| better |")


def test_studies_on_one_machine_share_a_line(result):
    other = replace(result, study="other", other_cores=0.44)
    assert all_script().markdown([result, other]).splitlines()[-2:] == [
        "Measured on 2 cores, small size.",
        "Other programs used up to 0.4 cores meanwhile.",
    ]


def test_result_reads_back(result, tmp_path):
    again = read(result.write(tmp_path))
    assert again.claims == result.claims and again.machine == result.machine


def test_page_escapes_and_needs_no_other_file(result, tmp_path):
    result.figures.append(figures.lines("Rates", {"a": ([1, 2], [3.0, None])}, "x", "y"))
    page = figures.page(result)
    assert "A &lt;study&gt;" in page and "Plotly.newPlot" in page and "plotly.js v" in page
    assert "<script src" not in page and "<link" not in page


def test_front_keeps_what_nothing_beats():
    points = [(8.0, 0.9), (10.0, 0.5), (7.0, 0.8), (9.0, 0.6), (9.0, 0.4)]
    assert figures.front(points) == [(10.0, 0.5), (9.0, 0.6), (8.0, 0.9)]


@pytest.mark.parametrize("text", ["1.0", "93%", "2.21 [1.44, 4.50]", "–", "-3"])
def test_numbers_stand_on_the_right(text):
    assert figures.NUMBER.fullmatch(text)


@pytest.mark.parametrize("text", ["161 PNG", "flip", "", "3000×5000"])
def test_names_stand_on_the_left(text):
    assert not figures.NUMBER.fullmatch(text)


def test_sizes_pick_their_values(tmp_path):
    assert [Options(size, None, tmp_path).pick(1, 2, 3) for size in ("smallest", "small", "full")] == [1, 2, 3]
    assert parse(parser(""), ["--full", "--out", str(tmp_path)]).size == "full"


def test_data_that_is_no_folder_is_told(tmp_path, capsys):
    with pytest.raises(SystemExit):
        parse(parser(""), ["--data", str(tmp_path / "absent"), "--out", str(tmp_path)])
    assert "not a folder" in capsys.readouterr().err


def test_index_names_failures_and_counts_what_was_reproduced(result):
    page = all_script().index([result], {"input_overhead": "status 1: no <data>"})
    assert "1 of 3 claims reproduced" in page and "failed: status 1: no &lt;data&gt;" in page


def test_resume_takes_results_of_the_size_asked_for_only(result, tmp_path):
    from argparse import Namespace

    result.write(tmp_path)
    kept = all_script().kept
    assert kept("a_study", Namespace(size=[], out=tmp_path))
    assert not kept("a_study", Namespace(size=["--full"], out=tmp_path))
    (tmp_path / "torn.json").write_text("{")
    assert not kept("torn", Namespace(size=[], out=tmp_path)) and not kept("none", Namespace(size=[], out=tmp_path))


def test_all_refuses_a_study_that_is_none(tmp_path):
    call = [sys.executable, str(REPRODUCE / "all"), "nonsense", "--out", str(tmp_path)]
    ended = subprocess.run(call, capture_output=True, text=True, check=False)
    assert ended.returncode == 2 and "there is no study nonsense; there are augmentation_order" in ended.stderr
