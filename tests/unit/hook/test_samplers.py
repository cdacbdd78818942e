"""The loader's sampler: how long it takes, with workers and without, and whose code it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from .hooked import run

SAMPLING = """
import sys, time
from torch.utils.data import BatchSampler, DataLoader, Sampler

class Slow(Sampler):
    def __init__(self): pass
    def __len__(self): return 40
    def __iter__(self):
        time.sleep(0.05)
        for number in range(40):
            time.sleep(0.01)
            yield number

if __name__ == "__main__":
    workers, wrap = int(sys.argv[1]), sys.argv[2] == "wrapped"
    sampler = Slow()
    loader = (DataLoader(range(40), batch_sampler=BatchSampler(sampler, 2, False), num_workers=workers) if wrap
              else DataLoader(range(40), 2, sampler=sampler, num_workers=workers))
    for _ in loader:
        time.sleep(0.001)
"""


@pytest.mark.parametrize(("workers", "how"), [("0", "plain"), ("2", "plain"), ("2", "wrapped")])
def test_the_time_in_a_sampler_is_recorded_of_each_batch_and_of_the_start(
    tmp_path: Path, workers: str, how: str
) -> None:
    script = tmp_path / "sampling.py"
    script.write_text(SAMPLING)
    log = run(script, tmp_path / "run", workers, how).trainer
    (iterator,) = log.of("iterator")
    # Two samples a batch; of two workers with two batches each, four are drawn while they start.
    drawn = {"0": 0, "2": 4}[workers]
    assert (iterator["index_ns"] >= 0.02e9 * drawn + 0.05e9) == bool(drawn)
    spent = [batch["index_ns"] for batch in log.of("batch") if not batch["timed"]]
    assert sum(spent) + iterator["index_ns"] == pytest.approx(0.45e9, rel=0.5)
    recorded = iterator["attributes"]
    assert (recorded["sampler_name"], Path(recorded["sampler_file"]).name) == ("Slow", "sampling.py")
    assert script.read_text().splitlines()[recorded["sampler_line"] - 1].strip().startswith("def __iter__")


OWN = """
from torch.utils.data import DataLoader
for number in DataLoader(range(40), 2, shuffle=True):
    pass
"""


def test_a_sampler_of_torch_has_a_name_and_no_line_of_the_users(tmp_path: Path) -> None:
    (iterator,) = run(OWN, tmp_path / "run").trainer.of("iterator")
    recorded = iterator["attributes"]
    assert (recorded["sampler_name"], recorded["sampler_file"]) == ("BatchSampler", None)


ASKING = """
from torch.utils.data import DataLoader
batches = iter(DataLoader(range(40), 2))
for _ in range(5):
    next(batches)
for batch in batches:
    pass
for batch in DataLoader(range(40), 2):
    pass
"""


def test_the_line_that_asks_for_batches_is_recorded_where_another_made_the_iterator(tmp_path: Path) -> None:
    log = run(ASKING, tmp_path / "run").trainer
    (asked,) = log.of("asked")
    assert (asked["iterator"], asked["line"]) == (log.of("iterator")[0]["iterator"], 5)
