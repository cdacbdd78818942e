"""Real notebooks: what `%%gpuwatch` shows of a training in a cell."""

from __future__ import annotations

import html
import json
import re
from pathlib import Path

import pytest

from tests.notebooks.executed import Executed, execute

pytest.importorskip("torch")

LOAD = """\
%load_ext gpuwatch
from gpuwatch.integrations.notebook.live import LivePanel
drawn, update = [], LivePanel._update
LivePanel._update = lambda panel, shown: (drawn.append(shown), update(panel, shown))
"""
DATA = """\
import time
import torch
from torch.utils.data import DataLoader, Dataset
torch.set_num_threads(1)

class Rows(Dataset):
    def __len__(self):
        return 160
    def __getitem__(self, index):
        row = torch.ones(8) * index
        total = sum(n * n for n in range(60_000))
        return row + total % 3, index % 2

model = torch.nn.Linear(8, 2)
optimizer = torch.optim.SGD(model.parameters(), 0.1)
"""
SLOW = "total = sum(n * n for n in range(60_000))"
TRAIN = """\
%%gpuwatch --name planted
loader = DataLoader(Rows(), 4, num_workers=1)
for epoch in range(60):
    if epoch > 2 and any("Where the time went" in one for one in drawn):
        break
    for x, y in loader:
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(model(x), y).backward()
        optimizer.step()
print("trained")
6 * 7
"""
FAILING = """\
%%gpuwatch --no-live --no-timeline --no-stacks
for x, y in DataLoader(Rows(), 4):
    raise KeyError("mine")
"""
WRONG = "%%gpuwatch --nonsense\n1"
AFTER = """\
import json, threading
import gpuwatch
print(json.dumps([x is not None, [t.name for t in threading.enumerate() if "gpuwatch" in t.name]]))
gpuwatch.load("planted")
"""


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Executed:
    return execute([LOAD, DATA, TRAIN, FAILING, WRONG, AFTER], tmp_path_factory.mktemp("notebook"))


def line_of(source: str, cell: str) -> int:
    return next(number for number, line in enumerate(cell.splitlines(), 1) if source in line)


def plain(shown: str) -> str:
    return html.unescape(re.sub(r"<style>.*?</style>|<[^>]+>", "", shown, flags=re.DOTALL))


def test_the_card_names_the_cells_line_and_shows_it(done: Executed) -> None:
    assert done.error(3) is None
    (card,) = [shown for shown in map(plain, done.html(3)) if "What to do" in shown]
    assert f"cell [2], line {line_of(SLOW, DATA)}" in card
    assert f"{line_of(SLOW, DATA)}          {SLOW}" in card  # numbered, as it stands in the cell
    assert "slow-dataset-code" in card
    assert "notebook cell 3" in card and "prove it" not in card


def test_workers_that_the_kernel_forks_are_measured(done: Executed) -> None:
    (card,) = [shown for shown in map(plain, done.html(3)) if "What to do" in shown]
    assert "1 worker busy" in card
    (table,) = re.findall(r"<tbody>(.*?)</tbody>", "".join(done.html(3)))
    assert re.findall(r"<td>(.*?)</td>", table)[:4] == ["training", "Rows", "1", "4"]


def test_the_panel_is_put_in_place_while_the_cell_runs(done: Executed) -> None:
    panels = list(map(plain, done.updates))
    assert any("still running" in one and "Where the time went" in one for one in panels)
    assert "the card is below" in panels[-1]
    assert not any("What to do" in shown for shown in panels)


def test_the_timeline_is_shown_by_plotly(done: Executed) -> None:
    assert "application/vnd.plotly.v1+json" in done.kinds(3)
    assert any("<polyline" in shown and "input wait" in shown.lower() for shown in done.html(3))  # for other viewers


def test_the_cell_does_what_it_does_without_the_magic(done: Executed) -> None:
    assert done.text(3) == "trained\n"
    assert done.values(3) == ["42"]
    assert json.loads(done.text(6)) == [True, []]


def test_an_exception_passes_through_and_the_card_is_shown(done: Executed) -> None:
    error = done.error(4)
    assert error is not None and error[0] == "KeyError"
    assert any("ended by KeyError" in shown for shown in map(plain, done.html(4)))


def test_a_wrong_option_says_so(done: Executed) -> None:
    error = done.error(5)
    assert error is not None and error[0] == "UsageError"
    assert "unrecognized arguments: --nonsense" in error[1]


def test_a_report_shows_itself(done: Executed) -> None:
    assert any("What to do" in shown for shown in map(plain, done.html(6)))


def test_nothing_goes_to_the_cells_stderr(done: Executed) -> None:
    assert done.text(3, "stderr") == ""


def test_the_card_runs_nothing_and_asks_for_nothing(done: Executed) -> None:
    for shown in [*done.updates, *(one for one in done.html(3) if 'class="gpuwatch"' in one)]:
        assert not re.search(r"<script|src=|url\(|@import|<link", shown)


def test_runs_are_kept_where_they_are_asked_for(tmp_path: Path) -> None:
    cell = "%%gpuwatch --dir kept --no-live --no-timeline --no-stacks --name brief\n1 + 1"
    shown = execute([LOAD, cell], tmp_path)
    assert shown.values(2) == ["2"]
    assert [path.name.partition("-brief")[1] for path in (tmp_path / "kept").iterdir()] == ["-brief"]
