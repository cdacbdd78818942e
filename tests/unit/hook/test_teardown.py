"""How workers come to their end: by whose line, how long it takes, and what they leave behind."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from .hooked import Run, run

STOPS = """
import sys, threading, time
from torch.utils.data import DataLoader

def start(worker):
    if sys.argv[1] == "left":
        threading.Thread(target=time.sleep, args=(0.6,), name="ship").start()
    threading.Thread(target=time.sleep, args=(0.6,), daemon=True).start()

if __name__ == "__main__":
    loader = DataLoader(range(8), 2, num_workers=2, worker_init_fn=start, persistent_workers=sys.argv[1] == "drop")
    for epoch in range(2):
        for batch in loader:
            pass
        loader._iterator = None
"""


def stops_of(tmp_path: Path, how: str) -> tuple[Run, list[dict[str, Any]]]:
    script = tmp_path / "stops.py"
    script.write_text(STOPS)
    ran = run(script, tmp_path / "run", how)
    assert ran.done.returncode == 0, ran.done.stderr
    return ran, ran.trainer.of("workers_stop")


def test_the_end_of_an_epoch_stops_its_workers_at_the_loops_line(tmp_path: Path) -> None:
    ran, stops = stops_of(tmp_path, "plain")
    assert [(s["workers"], s["exhausted"], s["line"], s["by"]) for s in stops] == [(2, True, 13, None)] * 2
    assert [s["iterator"] for s in stops] == [row["iterator"] for row in ran.trainer.of("iterator")]
    assert all(end["left"] == [] for log in ran.logs for end in log.of("worker_end"))


def test_a_dropped_iterator_stops_its_workers_at_the_line_that_dropped_it(tmp_path: Path) -> None:
    _, stops = stops_of(tmp_path, "drop")
    assert [(s["exhausted"], s["line"]) for s in stops] == [(False, 15)] * 2


def test_a_thread_that_a_worker_leaves_running_is_recorded_with_the_line_that_started_it(tmp_path: Path) -> None:
    ran, stops = stops_of(tmp_path, "left")
    left = [one for log in ran.logs for end in log.of("worker_end") for one in end["left"]]
    assert [(name, Path(file).name, line, function) for name, file, line, function in left] == [
        ("ship", "stops.py", 7, "start")
    ] * 4
    assert all((s["t1"] - s["t0"]) >= 0.4e9 for s in stops)
