"""Entering Pythons of every version, however they are started, and leaving them as they were."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from gpuwatch.hook.entry import inject

from .hooked import environment, read_logs

ROOT = Path(__file__).parents[3]
PYTHONS = sorted((Path.home() / ".pyenv/versions").glob("*/bin/python"))
TORCH = {
    "torch/__init__.py": "__version__ = '0.0.fake'\nfrom torch.serialization import save\nimport torch.autograd\nimport torch.utils.data\n",
    "torch/autograd.py": "def backward(tensors):\n    return tensors\n",
    "torch/serialization.py": "def save(obj, f):\n    'Save.'\n    return f\n",
    "torch/utils/__init__.py": "",
    "torch/utils/data/__init__.py": "from .dataloader import DataLoader\n",
    "torch/utils/data/dataloader.py": """
class _BaseDataLoaderIter:
    def __init__(self, loader):
        self._items = iter(loader.dataset)
        self._num_yielded = 0
        self._dataset_kind = 0
    def _next_data(self):
        return next(self._items)
    def __iter__(self):
        return self
    def __next__(self):
        data = self._next_data()
        self._num_yielded += 1
        return data

class DataLoader:
    num_workers = 0
    def __init__(self, dataset):
        self.dataset = dataset
    def __iter__(self):
        return _BaseDataLoaderIter(self)
""",
}
TRAIN = """
import torch, sys, json
batches = list(torch.utils.data.DataLoader([1, 2, 3]))
torch.save(1, 2)
torch.autograd.backward(4)
print(json.dumps([batches, [e for e in sys.path if "boot" in e], type(sys.meta_path[0]).__name__]))
"""


def version(python: Path) -> tuple[int, ...]:
    return tuple(int(part) for part in python.parts[-3].split(".")[:2])


MODERN = [python for python in PYTHONS if version(python) >= (3, 8)]
OLD = [python for python in PYTHONS if version(python) < (3, 8)]


@pytest.fixture
def torch(tmp_path: Path) -> Path:
    for name, source in TORCH.items():
        path = tmp_path / "packages" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source)
    return tmp_path / "packages"


def start(command: list[str], run_dir: Path, text: str | None = None, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        env=environment(run_dir, **more),
        cwd=run_dir.parent,
        input=text,
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.mark.parametrize("python", MODERN, ids=lambda python: python.parts[-3])
def test_every_supported_python_is_entered(python: Path, tmp_path: Path, torch: Path) -> None:
    (tmp_path / "train.py").write_text(TRAIN)
    done = start([str(python), "train.py"], tmp_path / "run", PYTHONPATH=str(torch))
    assert done.returncode == 0, done.stderr
    batches, traces, _finder = json.loads(done.stdout)
    assert (batches, traces) == ([1, 2, 3], [])
    (log,) = read_logs(tmp_path / "run")
    assert [row["end"] for row in log.of("batch")] == [0, 0, 0, 1]
    assert log.header["python"].startswith("%d.%d." % version(python))
    assert (log.of("span")[0]["file"], log.of("span")[0]["line"]) == (str(tmp_path / "train.py"), 4)
    assert log.of("iterator")[0]["line"] == 3
    assert log.facts()["torch"] == "0.0.fake" and log.facts()["exit"] == "atexit"
    assert "hook_error" not in log.facts()
    assert log.of("tail")[0]["backward_n"] == 1


@pytest.mark.parametrize("python", OLD, ids=lambda python: python.parts[-3])
def test_older_pythons_are_left_alone_silently(python: Path, tmp_path: Path) -> None:
    source = "import sys; print('_gpuwatch' in sys.modules, [e for e in sys.path if 'boot' in e])"
    done = start([str(python), "-c", source], tmp_path / "run")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.replace("('", "").replace("', ", " ").strip(")\n") in ("False []", "(False, [])", "(False, []")
    assert read_logs(tmp_path / "run") == []


@pytest.mark.parametrize("way", ["script", "-c", "-m", "stdin", "-O -s", "-P"])
def test_every_way_of_starting_is_entered(way: str, tmp_path: Path, torch: Path) -> None:
    (tmp_path / "train.py").write_text(TRAIN)
    arguments = {"script": ["train.py"], "-c": ["-c", TRAIN], "-m": ["-m", "train"], "stdin": ["-"]}.get(
        way, [*way.split(), "train.py"]
    )
    done = start(
        [sys.executable, *arguments], tmp_path / "run", TRAIN if way == "stdin" else None, PYTHONPATH=str(torch)
    )
    assert done.returncode == 0, done.stderr
    assert len(read_logs(tmp_path / "run")[0].of("batch")) == 4


@pytest.mark.parametrize("way", ["-I", "-E", "-S"])
def test_a_python_that_looks_away_runs_as_ever(way: str, tmp_path: Path) -> None:
    done = start([sys.executable, way, "-c", "import sys; print('_gpuwatch' in sys.modules)"], tmp_path / "run")
    assert (done.stdout, done.stderr) == ("False\n", "")


@pytest.mark.parametrize("python", PYTHONS, ids=lambda python: python.parts[-3])
def test_the_users_own_sitecustomize_still_runs(python: Path, tmp_path: Path) -> None:
    (tmp_path / "site").mkdir()
    (tmp_path / "site/sitecustomize.py").write_text("import sys\nsys.users_own = __name__\n")
    source = "import sys, sitecustomize; sys.stdout.write(sys.users_own + ' ' + sitecustomize.__file__)"
    done = start([str(python), "-c", source], tmp_path / "run", PYTHONPATH=str(tmp_path / "site"))
    assert done.stdout.startswith("sitecustomize " + str(tmp_path / "site")), done.stderr


def test_an_error_in_the_users_sitecustomize_is_reported_as_without_us(tmp_path: Path) -> None:
    (tmp_path / "site").mkdir()
    (tmp_path / "site/sitecustomize.py").write_text("import no_such_module\n")
    done = start([sys.executable, "-c", "print(1)"], tmp_path / "run", PYTHONPATH=str(tmp_path / "site"))
    assert done.stdout == "1\n" and "no_such_module" in done.stderr


def test_a_command_within_a_wrapped_command_belongs_to_the_inner_run(tmp_path: Path, torch: Path) -> None:
    (tmp_path / "train.py").write_text(TRAIN)
    inject.install_boot(str(tmp_path / "inner"))
    inner = inject.child_environment(environment(tmp_path / "outer", PYTHONPATH=str(torch)), str(tmp_path / "inner"))
    assert str(tmp_path / "outer") not in inner["PYTHONPATH"]
    subprocess.run([sys.executable, "train.py"], env=inner, cwd=tmp_path, check=True, capture_output=True, timeout=60)
    assert read_logs(tmp_path / "outer") == [] and len(read_logs(tmp_path / "inner")) == 1


def test_an_empty_entry_of_the_users_path_is_kept(tmp_path: Path) -> None:
    """It means the working folder."""
    child = inject.child_environment({"PYTHONPATH": "/a::/b"}, str(tmp_path))
    assert child["PYTHONPATH"].endswith("boot:/a::/b")
    assert inject.child_environment({}, str(tmp_path))["PYTHONPATH"].endswith("/boot")


def test_a_hook_that_fails_leaves_the_training_running_and_says_so(tmp_path: Path, torch: Path) -> None:
    (tmp_path / "train.py").write_text(TRAIN)
    (torch / "torch/utils/data/dataloader.py").write_text("class DataLoader(list):\n    pass\n")
    wanted = environment(tmp_path / "run", PYTHONPATH=str(torch))
    broken = tmp_path / "run/boot/_gpuwatch/hook/trainer/spans.py"
    broken.write_text("raise RuntimeError('planted')\n")
    del wanted["GPUWATCH_DEBUG"]
    done = subprocess.run(
        [sys.executable, "train.py"], env=wanted, cwd=tmp_path, capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, "")
    (log,) = read_logs(tmp_path / "run")
    said = [(row["key"], row["value"]) for row in log.of("meta")]
    assert ("hook_error", "trainer.spans on torch.serialization: RuntimeError: planted") in said
    assert ("missing_seam", "torch.utils.data.dataloader._BaseDataLoaderIter") in said


def test_a_missing_boot_package_is_no_trouble_of_the_trainings(tmp_path: Path) -> None:
    wanted = environment(tmp_path / "run")
    for path in (tmp_path / "run/boot/_gpuwatch").rglob("*.py"):
        path.unlink()
    del wanted["GPUWATCH_DEBUG"]
    done = subprocess.run([sys.executable, "-c", "print(2)"], env=wanted, capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr, done.returncode) == ("2\n", "", 0)


FINDER = """
import importlib.util, inspect, sys, threading
print(importlib.util.find_spec("torch.serialization").loader.__class__.__name__)
errors = []
def load():
    try:
        import torch.utils.data.dataloader
        import torch.serialization
    except Exception as error:
        errors.append(error)
threads = [threading.Thread(target=load) for _ in range(8)]
[t.start() for t in threads]; [t.join() for t in threads]
import torch, pickle, copyreg
print(errors, inspect.getsource(torch.save).splitlines()[0], torch.save is torch.serialization.save, pickle.loads(pickle.dumps(torch.save)) is torch.save)
print(torch.save.__doc__, torch.serialization.__spec__.loader.__class__.__name__, "exec_module" in vars(torch.serialization.__spec__.loader))
print(len(list(torch.utils.data.DataLoader([1]))))
"""


def test_the_finder_leaves_modules_as_torch_made_them(tmp_path: Path, torch: Path) -> None:
    done = start([sys.executable, "-c", FINDER], tmp_path / "run", PYTHONPATH=str(torch))
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "SourceFileLoader",
        "[] def save(obj, f): True True",
        "Save. SourceFileLoader False",
        "1",
    ]


def test_torch_imported_before_us_is_hooked(tmp_path: Path, torch: Path) -> None:
    source = (
        "import torch, sys; sys.path.insert(0, sys.argv[1]); import _gpuwatch as b; b.arm(b.PLACED); "
        + TRAIN.replace("\n", ";").strip(";")
    )
    wanted = environment(tmp_path / "run", PYTHONPATH=str(torch))
    boot, _, wanted["PYTHONPATH"] = wanted["PYTHONPATH"].partition(":")
    done = subprocess.run(
        [sys.executable, "-c", source, boot], env=wanted, cwd=tmp_path, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    (log,) = read_logs(tmp_path / "run")
    assert len(log.of("batch")) == 4 and len(log.of("span")) == 1


def test_a_module_that_fails_to_import_can_be_imported_again(tmp_path: Path, torch: Path) -> None:
    good = (torch / "torch/serialization.py").read_text()
    (torch / "torch/serialization.py").write_text(
        "import os\nif not os.environ.pop('FIXED', None):\n    os.environ['FIXED'] = '1'\n    1 / 0\n" + good
    )
    source = "try:\n    import torch\nexcept ZeroDivisionError:\n    print('failed')\nimport torch\ntorch.save(1, 2)\n"
    done = start([sys.executable, "-c", source], tmp_path / "run", PYTHONPATH=str(torch))
    assert done.stdout == "failed\n", done.stderr
    assert len(read_logs(tmp_path / "run")[0].of("span")) == 1


EVERY_MODULE = """
import importlib, pkgutil, sys
sys.path.insert(0, sys.argv[1])
import _gpuwatch.hook as hook
names = [module.name for module in pkgutil.walk_packages(hook.__path__, hook.__name__ + ".")]
for name in names:
    importlib.import_module(name)
print(len(names))
"""


@pytest.mark.parametrize("python", MODERN, ids=lambda python: python.parts[-3])
def test_every_module_of_the_hook_can_be_imported(python: Path, tmp_path: Path) -> None:
    boot = inject.install_boot(str(tmp_path / "run"))
    command = [str(python), "-B", "-I", "-c", EVERY_MODULE, boot]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 50
