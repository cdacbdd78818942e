"""Whose code a file holds: judged alike by the hook, the sampler and the analysis, from one set of tables."""

from __future__ import annotations

import os
import re
import sysconfig
from pathlib import Path

import pytest

from gpuwatch.hook.source_code import origins
from gpuwatch.words import source_code

PACKAGE = Path(__file__).parents[2] / "gpuwatch"
SITE = "/venv/lib/python3.11/site-packages"
STANDARD = sysconfig.get_path("stdlib")


@pytest.mark.parametrize(
    ("file", "library", "package"),
    [
        ("/home/me/train.py", False, "train"),
        ("/home/me/lib/data.py", False, "data"),
        ("/home/me/python3/data.py", False, "data"),
        (f"{SITE}/PIL/Image.py", True, "PIL"),
        ("/usr/lib/python3/dist-packages/yaml/__init__.py", True, "yaml"),
        (f"{SITE}/six.py", True, "six"),
        ("C:\\venv\\Lib\\site-packages\\PIL\\Image.py", True, "PIL"),
        (f"{STANDARD}/threading.py", True, "threading"),
        (f"{STANDARD}/json/decoder.py", True, "json"),
        ("/runs/1/boot/_gpuwatch/hook/trainer/loader.py", True, "loader"),
        ("/src/gpuwatch/hook/trainer/loader.py", True, "loader"),
        ("/tmp/torchinductor_me/ab/cabc.py", True, "cabc"),
        ("/home/me/torchinductor_notes.py", False, "torchinductor_notes"),
        ("<frozen importlib._bootstrap>", True, "<frozen importlib._bootstrap>"),
        ("<__array_function__ internals>", True, "<__array_function__ internals>"),
    ],
)
def test_a_file_is_the_users_or_a_librarys(file: str, library: bool, package: str) -> None:
    assert source_code.is_library(file) is library
    assert source_code.package_of(file) == package


@pytest.mark.parametrize(
    "file",
    ["/home/me/train.py", f"{SITE}/PIL/Image.py", f"{STANDARD}/threading.py", "<frozen os>", source_code.__file__],
)
def test_the_hook_judges_as_the_analysis_does(file: str) -> None:
    # From a checkout, the words are told from the hook's by a running process alone.
    assert origins.is_user_file(file) is not (source_code.is_library(file) or file == source_code.__file__)


def test_our_own_folder_is_that_of_the_hook_and_of_the_words_with_it() -> None:
    assert Path(source_code.OWN_FOLDER) == PACKAGE
    assert origins.__file__.startswith(origins.HOOK)


def test_a_frameworks_code_is_told_by_its_modules_name() -> None:
    assert source_code.is_framework("torch.utils.data") and source_code.is_framework("lightning")
    assert not source_code.is_framework("torchvision.datasets") and not source_code.is_framework(None)


@pytest.mark.parametrize(
    ("file", "function", "idle"),
    [
        ("threading.py", "wait", True),
        ("threading.py", "run", False),
        ("multiprocessing/connection.py", "_poll", True),
        ("multiprocessing/popen_fork.py", "poll", True),
        ("multiprocessing/synchronize.py", "__enter__", False),
        ("socket.py", "accept", True),
        ("json/decoder.py", "decode", False),
    ],
)
def test_a_thread_that_waits_for_work_is_idle(file: str, function: str, idle: bool) -> None:
    assert source_code.is_idle(os.path.join(STANDARD, file), function) is idle


def test_a_wait_for_others_is_told_by_its_file() -> None:
    assert source_code.hands_over(f"{STANDARD}/queue.py")
    assert source_code.hands_over("C:\\Lib\\multiprocessing\\queues.py")
    assert not source_code.hands_over(f"{STANDARD}/socket.py")
    assert source_code.locks_processes(f"{SITE}/filelock/_unix.py")
    assert not source_code.locks_processes(f"{STANDARD}/queue.py")


def test_a_program_that_is_started_and_waited_for_is_told_by_the_function() -> None:
    assert source_code.runs_program(f"{STANDARD}/subprocess.py", "run")
    assert source_code.runs_program(f"{STANDARD}/subprocess.py", "Popen.communicate")
    assert not source_code.runs_program(f"{STANDARD}/subprocess.py", "Popen.__init__")
    assert not source_code.runs_program(f"{STANDARD}/asyncio/runners.py", "run")


def test_an_import_is_told_by_its_frames() -> None:
    assert source_code.is_importing("<frozen importlib._bootstrap>", "_find_and_load")
    assert not source_code.is_importing("/home/me/importlib.py", "_find_and_load")
    assert not source_code.is_importing("<frozen importlib._bootstrap>", "__enter__")


def test_the_tables_have_no_second_home() -> None:
    table = re.compile(r"site-packages|multiprocessing/queues\.py|torchdata/stateful_dataloader/|frozen importlib")
    # What a page shows of a path is the view's own affair; examples are data.
    elsewhere = ("words/source_code.py", "views/", "diagnosis/examples/", "rules/")
    code = (path for path in PACKAGE.rglob("*.py") if not str(path.relative_to(PACKAGE)).startswith(elsewhere))
    assert [str(path) for path in code if table.search(path.read_text())] == []


CONSOLE = "#!/v/bin/python\nimport re\nimport sys\nfrom {module} import {function}\nif __name__ == '__main__':\n    sys.exit({function}())\n"


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    """The folder of programs of an environment."""
    folder = tmp_path / "v" / "bin"
    folder.mkdir(parents=True)
    for name, module in (("yolo", "ultralytics.cfg"), ("accelerate", "accelerate.commands.accelerate_cli")):
        (folder / name).write_text(CONSOLE.format(module=module, function="main"))
    loaded = "import sys\nfrom importlib.metadata import distribution\nload_entry_point('open-clip', 'console_scripts', 'x')\n"
    (folder / "old").write_text(loaded)
    (folder / "copied").write_text(f"#!{folder}/python3\nimport torch\nfor step in range(9):\n    print(step)\n")
    (folder / "train").write_text("import torch\nfrom mine import net\nfor step in range(9):\n    net(step)\n")
    return folder


def test_a_console_script_is_no_code_of_the_users(programs: Path, tmp_path: Path) -> None:
    assert source_code.is_library(str(programs / "yolo")) and source_code.is_library(str(programs / "old"))
    assert not origins.is_user_file(str(programs / "yolo"))
    assert source_code.is_library(str(programs / "copied")), "an installer's copy, with its environment's interpreter"
    assert not source_code.is_library(str(programs / "train")), "a training of the user's own, in a folder of that name"
    script = tmp_path / "train.py"
    script.write_text(CONSOLE.format(module="mine", function="main"))
    assert not source_code.is_library(str(script)), "written by the user, in a folder of his own"


def test_of_another_machines_console_script_the_path_tells() -> None:
    assert source_code.is_library("/gone/v/bin/yolo") and not source_code.is_library("/gone/repo/bin/train.py")


@pytest.mark.parametrize(
    ("command", "package"),
    [
        ("python {bin}/yolo detect train", "ultralytics"),
        ("python {bin}/old", "open_clip"),
        ("python -u -m open_clip_train.main --lr 1", "open_clip_train"),
        ("python -um litgpt", "litgpt"),
        ("python -W ignore -X dev -m litgpt", "litgpt"),
        ("python -m torch.distributed.run train.py", None),
        ("python {bin}/accelerate launch train.py", None),
        ("python {bin}/train", None),
        ("python -u src/train.py -m trainer=gpu", None),
        ("python -m ipykernel_launcher -f kernel.json", None),
        ("python -c print(1) -m litgpt", None),
        ("python", None),
    ],
)
def test_the_program_is_what_a_python_was_started_to_run(programs: Path, command: str, package: str | None) -> None:
    assert source_code.program_of(command.format(bin=programs).split(" ")) == package


def test_the_programs_files_are_its_packages() -> None:
    assert source_code.is_of_program(f"{SITE}/ultralytics/data/base.py", "ultralytics")
    assert not source_code.is_of_program(f"{SITE}/torch/nn/modules/module.py", "ultralytics")
    assert not source_code.is_of_program("/home/me/ultralytics/train.py", None)


@pytest.mark.parametrize("file", ["/tmp/ipykernel_9732/3117947820.py", "<ipython-input-3-5f2a>", "<stdin>"])
def test_a_cell_and_the_console_are_the_users(file: str) -> None:
    assert not source_code.is_library(file) and origins.is_user_file(file)


def test_a_long_statement_is_quoted_by_its_beginning() -> None:
    assert source_code.excerpt("x = f(\n    a,\n)") == "x = f( a, )"
    long = source_code.excerpt("out = pipeline(" + ", ".join(f"argument_{n}={n}" for n in range(30)) + ")")
    assert long.startswith("out = pipeline(argument_0=0") and long.endswith("…") and len(long) <= 72
