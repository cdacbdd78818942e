"""What helps becomes a diff of the user's files, which stay as they are; what cannot has its reason."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from gpuwatch.diagnosis.examples.parts import make_loader, make_profile
from gpuwatch.errors import GpuwatchError
from gpuwatch.experiments import patching, remedies, scratch_copy, unified_diff
from gpuwatch.experiments.changes import Change
from gpuwatch.experiments.remedy import Remedy
from gpuwatch.model.experiment import Answer
from gpuwatch.model.measures import Interval, Place
from tests.builders import make_report

SCRIPT = """import torch
from torchvision import transforms as T

from reading import read

steps = T.Compose([
    T.ColorJitter(0.4),
    T.Resize((224, 224)),
    T.ToTensor(),
])
loader = torch.utils.data.DataLoader(data, batch_size=32)
"""
READING = """from PIL import Image


def read(path):
    return Image.open(path).convert("RGB")
"""
ANSWER = Answer(("shrink-first",), None, None, "ms a step", Interval(2.5, 2.2, 2.8, 4), "identical (16 samples)")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "train.py").write_text(SCRIPT)
    (tmp_path / "reading.py").write_text(READING)
    (tmp_path / "images").mkdir()
    return tmp_path


def four(project: Path) -> list[Remedy]:
    script, reading = str(project / "train.py"), str(project / "reading.py")
    return [
        Remedy("workers=4", change=Change("loader", script, 11, words={"num_workers": "4"})),
        Remedy("single-threaded-workers", change=Change("one thread", script, 11)),
        Remedy("shrink-first", change=Change("order", script, 8, name="Resize", early=("ColorJitter",))),
        Remedy("scaled-decode", change=Change("draft", reading, 5, scale=2)),
    ]


def test_changes_of_several_files_become_one_diff_that_git_applies(project: Path) -> None:
    patch = patching.make(four(project), {}, [], project)
    assert not patch.missing and set(patch.remedies) == {r.name for r in four(project)}
    assert (project / "train.py").read_text() == SCRIPT, "the user's files stay"
    file = project / "fix.patch"
    written = patching.write(file, patch, ANSWER)
    assert (written.file, written.root) == (str(file), str(project)) and "2.5× (2.20-2.80)" in file.read_text()
    hunks = unified_diff.read(file.read_text())
    texts = {"train.py": SCRIPT, "reading.py": READING}
    changed = unified_diff.apply_all(texts, hunks)
    assert "batch_size=32, num_workers=4, worker_init_fn=one_thread)" in changed["train.py"]
    assert changed["train.py"].index("T.Resize") < changed["train.py"].index("T.ColorJitter")
    assert "image.draft('RGB', (image.width // 2, image.height // 2))" in changed["reading.py"]
    if shutil.which("git"):
        subprocess.run(["git", "apply", str(file)], cwd=project, check=True, capture_output=True)
        assert {name: (project / name).read_text() for name in texts} == changed


def test_what_no_program_can_change_has_its_reason_and_the_rest_is_written(project: Path) -> None:
    cache = Remedy("cache-items", change=Change("by hand", why="memory is yours"))
    lost = Remedy("workers=2", change=Change("loader", str(project / "train.py"), 3, words={"num_workers": "2"}))
    patch = patching.make([cache, lost, four(project)[2]], {}, [], project)
    assert patch.remedies == ("shrink-first",)
    reasons = {each.remedy: each.why for each in patch.missing}
    assert reasons["cache-items"] == "memory is yours"
    assert reasons["workers=2"].endswith("train.py:3 is not one plain call of a DataLoader")


def test_nothing_that_can_be_written_writes_no_file(project: Path) -> None:
    patch = patching.make([Remedy("cache-items", change=Change("by hand", why="w"))], {}, [], project)
    written = patching.write(project / "none.patch", patch, ANSWER)
    assert written.file is None and not (project / "none.patch").exists()


def test_a_library_that_makes_the_loader_is_told_in_its_own_words(project: Path) -> None:
    (project / "train.py").write_text("arguments = TrainingArguments(output_dir='out')\n")
    made_by = ["transformers.trainer", "/site-packages/transformers/trainer.py", 9]
    report = make_report(make_profile(make_loader(attributes={"made_by": made_by})))
    (remedy,) = remedies.named(["workers=4"], report)
    patch = patching.make([remedy], {}, [str(project / "reading.py"), str(project / "train.py")], project)
    assert "+arguments = TrainingArguments(output_dir='out', dataloader_num_workers=4)" in patch.text
    nowhere = patching.make([remedy], {}, [str(project / "reading.py")], project)
    assert "pass dataloader_num_workers=4" in nowhere.missing[0].why


def test_the_experiment_tells_the_call_where_no_profile_does(project: Path) -> None:
    remedy = Remedy("workers=4", change=Change("loader", words={"num_workers": "4"}))
    assert patching.make([remedy], {"made": [str(project / "train.py"), 11, "main"]}, [], project).remedies
    assert patching.make([remedy], {}, [], project).missing[0].why == "the line to change was not recorded"


def test_a_patch_of_other_lines_does_not_fit(project: Path) -> None:
    hunks = unified_diff.read(patching.make(four(project), {}, [], project).text)
    with pytest.raises(GpuwatchError, match="does not fit reading"):
        unified_diff.apply_all({"train.py": SCRIPT, "reading.py": "x = 1\n"}, hunks)
    moved = unified_diff.apply_all({"train.py": "# more\n" + SCRIPT, "reading.py": READING}, hunks)
    assert "num_workers=4" in moved["train.py"], "lines above it do no harm"
    with pytest.raises(GpuwatchError, match="no unified diff"):
        unified_diff.read("hello\n")


@pytest.mark.parametrize("end", ["", "\n"])
def test_the_end_of_a_file_is_kept(end: str) -> None:
    before, after = f"a = 1\nb = 2{end}", f"a = 1\nb = 3{end}"
    diff = unified_diff.written("x.py", before, after)
    assert unified_diff.apply_all({"x.py": before}, unified_diff.read(diff)) == {"x.py": after}


def test_a_copy_has_its_own_code_and_the_same_data(project: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    package = project / "src" / "mine"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "data.py").write_text("old\n")
    copy = tmp_path_factory.mktemp("copy")
    scratch_copy.make(project, {"src/mine/data.py": "new\n", "train.py": SCRIPT}, copy)
    assert (copy / "src/mine/data.py").read_text() == "new\n" and (package / "data.py").read_text() == "old\n"
    assert (copy / "images").is_symlink() and (copy / "src/mine/__init__.py").is_symlink()
    assert not (copy / "train.py").is_symlink()
    path = scratch_copy.import_path(["src/mine/data.py"], project, copy, str(project / "lib"))
    assert path.split(":") == [str(copy / "src"), str(copy / "lib")]
    command = ["python", str(project / "train.py"), "--x"]
    assert scratch_copy.command_in(command, project, ["train.py"], copy)[1] == str(copy / "train.py")


def test_every_place_is_of_a_file(project: Path) -> None:
    assert Change("loader", Place("a.py", 3).file, 3).place == "a.py:3"
