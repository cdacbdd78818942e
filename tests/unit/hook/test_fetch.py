from __future__ import annotations

import numpy as np
import pytest
import torch

from gpuwatch.hook import attributes
from gpuwatch.hook.event_log import columns, spool
from gpuwatch.hook.operations import instruments as hook_instruments
from gpuwatch.hook.worker_process import fetch as hook_fetch
from tests.unit.hook.loaded import in_workers, loaded

pytestmark = pytest.mark.timeout(400)  # the program runs inside the first test that asks for it
EVERYWHERE = [*in_workers(), pytest.param((0, "fork"), id="trainer")]


def _timed(how):
    """Pair each Timed fetch with what its dataset measured of the same four samples."""
    run = loaded(*how)
    logs = run.seen.workers("Timed") or [run.seen.trainer]
    fetches = [fetch for log in logs for fetch in log.all("fetch") if fetch["collate_ns"] > 15e6]
    truth = {entry["index"]: entry for entry in run.truth["Timed"]}
    return [(fetch, [truth[4 * fetch["index"] + k] for k in range(4)]) for fetch in fetches]


# What a fetch takes beyond its samples: the truth being written to a file, on a machine that is busy with other tests.
SLACK_NS = 30e6


@pytest.mark.parametrize("how", EVERYWHERE)
def test_wall_cpu_and_collate_match_what_the_dataset_measured(how):
    pairs = _timed(how)
    assert len(pairs) == 3
    for fetch, samples in pairs:
        made = fetch["t1"] - fetch["t0"] - fetch["collate_ns"]
        wall, cpu = (1e9 * sum(sample[key] for sample in samples) for key in ("wall", "cpu"))
        assert wall <= made <= wall + SLACK_NS + fetch["delay_ns"]
        assert cpu <= fetch["cpu_ns"] <= cpu + SLACK_NS
        assert fetch["t0"] <= 1e9 * samples[0]["t0"] <= fetch["t1"] - fetch["collate_ns"]
        assert fetch["collate_ns"] >= 20e6


@pytest.mark.parametrize("how", EVERYWHERE)
def test_sleep_is_neither_cpu_nor_run_queue_delay(how):
    for fetch, _samples in _timed(how):
        blocked = fetch["t1"] - fetch["t0"] - fetch["cpu_ns"] - fetch["delay_ns"]
        # Four sleeping samples, one sleeping collate; on a busy machine the kernel books some of a sleep as delay.
        assert blocked >= 0.85 * (4 * 6e6 + 20e6)
        assert fetch["process_cpu_ns"] >= fetch["cpu_ns"] * 0.99


@pytest.mark.parametrize("how", EVERYWHERE)
def test_the_slowest_sample_is_found(how):
    for fetch, samples in _timed(how):
        slowest = 1e9 * max(sample["wall"] for sample in samples)
        assert fetch["samples"] == 4
        assert slowest <= fetch["slowest_ns"] <= slowest + SLACK_NS + fetch["delay_ns"]


def _of(dataset):
    return [fetch for log in loaded(2, "fork").seen.workers(dataset) for fetch in log.all("fetch")]


def test_who_makes_whole_batches():
    seen = loaded(2, "fork").seen
    batched = {
        event["name"]: {fetch["batched"] for fetch in log.all("fetch")}
        for log in seen.workers("Batched")
        for event in log.all("op")
    }
    # ConcatDataset asks for one sample after the other, Subset hands the whole list on.
    assert batched == {"Batched.__getitem__": {0}, "Batched.__getitems__": {1}}
    assert {fetch["samples"] for fetch in _of("Batched")} == {4}


def test_a_stream_is_counted_as_it_comes_and_its_end_is_no_batch():
    for log in loaded(2, "fork").seen.workers("Stream"):
        assert [fetch["samples"] for fetch in log.all("fetch")] == [2, 2, 2, 1]


def test_the_dataset_is_named_once_with_its_own_line():
    for log in loaded(2, "fork").seen.workers("Images"):
        (event,) = [event for event in log.all("op") if event["kind"] == "dataset"]
        assert (event["name"], event["function"]) == ("Images.__getitem__", "__getitem__")
        source = open(event["file"]).read().splitlines()  # noqa: SIM115
        assert source[event["line"] - 1].strip() == "def __getitem__(self, index):"


def test_the_trainers_fetches_are_numbered_per_loader():
    fetches = loaded(0, "fork").seen.trainer.all("fetch")
    assert {fetch["worker"] for fetch in fetches} == {-1}
    assert [fetch["index"] for fetch in fetches[:7]] == [0, 1, 2, 0, 1, 2, 3]
    assert all(fetch["idle_t0"] is None for fetch in fetches)


def test_the_user_finds_own_objects_inside_the_dataset():
    for how in ((2, "fork"), (0, "fork")):
        facts = loaded(*how).truth["Inspecting"]
        assert len(facts) == 4
        for fact in facts:
            assert fact["same"] and fact["isinstance"] and fact["pickled"]
            assert fact["function"] and fact["scripted"] == 4.0


def test_bytes_read_are_counted(tmp_path):
    from gpuwatch.hook.event_log import counters

    before = counters.process_io()
    path = tmp_path / "file"
    path.write_bytes(bytes(100_000))
    path.read_bytes()
    after = counters.process_io()
    assert 100_000 <= after[0] - before[0] < 150_000


def test_a_day_in_the_trainer_changes_its_classes_a_few_hundred_times(monkeypatch):
    now = [0]
    monkeypatch.setattr(hook_instruments, "_now", lambda: now[0])
    instruments = hook_instruments.Instruments()
    measured = 0
    for _ in range(86_400 * 2):
        now[0] += 500_000_000
        if instruments.enter():
            measured += 1
            instruments.leave()
    # Twice as many versions of each class, of which CPython 3.13 gives a thousand before it stops caching methods.
    assert 100 < measured < 450


class Odd(torch.utils.data.Dataset):
    def __len__(self):
        return 6

    def __getitem__(self, index):
        return index


def test_batches_of_indices_that_are_no_list(tmp_path, monkeypatch):
    folder = tmp_path / "spool"
    folder.mkdir()
    spool.use_folder(str(folder))
    rows = []
    monkeypatch.setattr(spool, "later", lambda _line, row, _at_ns: rows.append(row))
    try:
        loader = torch.utils.data.DataLoader(Odd(), batch_sampler=[(0, 1), np.array([2, 3]), torch.tensor([4, 5])])
        fetcher = torch.utils.data._utils.fetch._MapDatasetFetcher(loader.dataset, True, list, False)
        original = attributes.original(type(fetcher).fetch)
        batches = [hook_fetch.measured(original)(fetcher, indices) for indices in loader.batch_sampler]
    finally:
        spool.use_folder(None)
    assert [[int(one) for one in batch] for batch in batches] == [[0, 1], [2, 3], [4, 5]]
    told = [dict(zip(columns.COLUMNS["fetch"], row, strict=True)) for row in rows]
    assert [(row["samples"], row["batched"], row["slowest_ns"]) for row in told] == [(2, 0, None)] * 3
