"""Where a project's environment, data and runs lie, and how its commands are written out."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from scripts.benchmarks.wild import catalogue
from scripts.benchmarks.wild.project import Project

# No training may fetch anything, ask for an account or open a window.
QUIET = {
    "HF_HUB_OFFLINE": "1",
    "HF_DATASETS_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "WANDB_MODE": "disabled",
    "MPLBACKEND": "Agg",
    "YOLO_OFFLINE": "true",
    "YOLO_AUTOINSTALL": "false",
    "PYTHONUNBUFFERED": "1",
}
# What of the caller's environment would change the training, or is another Python's.
FOREIGN = ("PYTHONPATH", "PYTHONHOME", "PYTHONDONTWRITEBYTECODE", "VIRTUAL_ENV", "UV_PROJECT_ENVIRONMENT")


@dataclass(frozen=True, slots=True)
class Workplace:
    """All folders of one project, below one of its own."""

    project: Project
    folder: Path

    @property
    def environment(self) -> Path:
        return self.folder / "env"

    @property
    def python(self) -> Path:
        return self.environment / "bin" / "python"

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def work(self) -> Path:
        return self.folder / "work"

    def written(self, words: Sequence[str]) -> list[str]:
        """Return the words of a command with this machine's folders in it."""
        return [self.placed(word) for word in words]

    def placed(self, word: str) -> str:
        """Return a word with `{data}`, `{files}` and `{work}` replaced."""
        known = {"{data}": self.data, "{files}": catalogue.files(self.project), "{work}": self.work}
        for name, path in known.items():
            word = word.replace(name, str(path))
        return word

    def variables(self, extra: Sequence[tuple[str, str]] = ()) -> dict[str, str]:
        """Return the environment of a training: the caller's without what is foreign, a home of its own."""
        home = self.folder / "home"
        home.mkdir(parents=True, exist_ok=True)
        kept = {
            name: value
            for name, value in os.environ.items()
            if name not in FOREIGN and not name.startswith("GPUWATCH_")
        }
        path = os.pathsep.join([str(self.environment / "bin"), os.environ.get("PATH", "")])
        own = {name: self.placed(value) for name, value in [*self.project.environment, *extra]}
        return {**kept, **QUIET, "PATH": path, "HOME": str(home), "XDG_CACHE_HOME": str(home / ".cache"), **own}

    def working_folder(self) -> Path:
        """Return the empty folder in which a command runs."""
        shutil.rmtree(self.work, ignore_errors=True)
        self.work.mkdir(parents=True)
        return self.work

    def masked(self, text: str) -> str:
        """Return a text without the paths of this machine."""
        known = ((self.data, "{data}"), (catalogue.files(self.project), "{files}"), (self.folder, "{out}"))
        for path, name in known:
            text = text.replace(str(path), name)
        return text.replace(str(catalogue.FOLDER.parents[3]), "{repository}").replace(str(Path.home()), "~")
