"""Whose line a call of the hook is: of stacks whose files are in an environment, below its console script, or the user's."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gpuwatch.hook.source_code import callers, current_line, origins

CONSOLE = "import sys\nfrom ultralytics.cfg import entrypoint\nsys.exit(entrypoint())\n"


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An environment whose console script was started."""
    folder = tmp_path / "v"
    (folder / "bin").mkdir(parents=True)
    (folder / "bin" / "yolo").write_text(CONSOLE)
    monkeypatch.setattr(origins, "command_line", lambda: ["python", str(folder / "bin" / "yolo"), "train"])
    for cached in (origins._program, origins.is_programs, origins.is_user_file):
        cached.cache_clear()
    yield folder
    for cached in (origins._program, origins.is_programs, origins.is_user_file):
        cached.cache_clear()


class Frame:
    """A frame without anything above it but what it is given."""

    def __init__(self, file: str, line: int, back: Frame | None) -> None:
        self.f_code = type(
            "Code", (), {"co_filename": file, "co_name": "f", "co_qualname": "C.f", "co_firstlineno": 1}
        )()
        self.f_lineno, self.f_back, self.f_globals = line, back, {"__name__": "m"}


def frames(*places: tuple[str, int]) -> Any:
    found: Frame | None = None
    for file, line in places:
        found = Frame(file, line, found)
    return found


def test_the_nearest_line_of_the_program_is_its_place(environment: Path) -> None:
    site = f"{environment}/lib/python3.12/site-packages"
    bin_yolo = f"{environment}/bin/yolo"
    stack = frames(
        (bin_yolo, 10), (f"{site}/ultralytics/models/yolo/model.py", 5), (f"{site}/ultralytics/engine/trainer.py", 400),
        (f"{site}/tqdm/std.py", 1181), (f"{site}/torch/utils/data/dataloader.py", 700),
    )  # fmt: skip
    assert callers._place_from(stack)[:2] == (f"{site}/ultralytics/engine/trainer.py", 400)
    assert origins.user_frame(stack)[:2] == (f"{site}/ultralytics/engine/trainer.py", 400)
    assert current_line.line_of(stack, in_worker=False)[0][:2] == (f"{site}/ultralytics/engine/trainer.py", 400)


def test_a_script_of_the_users_goes_before_the_package_that_it_calls(environment: Path) -> None:
    site = f"{environment}/lib/python3.12/site-packages"
    stack = frames(("/home/me/train.py", 7), (f"{site}/ultralytics/engine/trainer.py", 400))
    assert callers._place_from(stack)[:2] == ("/home/me/train.py", 7)


def test_a_console_script_is_not_even_the_outermost_line(environment: Path) -> None:
    site = f"{environment}/lib/python3.12/site-packages"
    stack = frames((f"{environment}/bin/other", 10), (f"{site}/other/main.py", 5), (f"{site}/PIL/Image.py", 9))
    (environment / "bin" / "other").write_text(CONSOLE.replace("ultralytics", "other"))
    assert current_line.line_of(stack, in_worker=False)[0][:2] == (f"{site}/other/main.py", 5)
