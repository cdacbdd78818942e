from __future__ import annotations

import collections

import numpy as np
import pytest
import torch

from gpuwatch.hook.worker_process import serialise
from tests.unit.hook.loaded import in_workers, loaded

Pair = collections.namedtuple("Pair", "a b")

pytestmark = pytest.mark.timeout(400)  # the program runs inside the first test that asks for it


class Boxes:
    """A batch class of the user's own."""

    def __init__(self):
        self.boxes = torch.zeros(4, 4, dtype=torch.int64)
        self.label = "x"


@pytest.mark.parametrize(
    ("batch", "expected"),
    [
        (torch.zeros(2, 3), (1, 24, 24, 24)),
        ([torch.zeros(4, dtype=torch.uint8), torch.zeros(2, dtype=torch.float64)], (2, 20, 16, 20)),
        ({"x": torch.zeros(2), "y": {"z": [torch.zeros(3, dtype=torch.int64)]}}, (2, 32, 8, 32)),
        (Pair(torch.zeros(1), (torch.zeros(1), "name")), (2, 8, 8, 8)),
        (Pair(1, torch.zeros(1)), (1, 4, 4, 4)),
        (("name", torch.zeros(1), 3), (1, 4, 4, 4)),
        # A part of a larger tensor; two parts of one; a tensor without a storage.
        (torch.zeros(100)[:10], (1, 40, 40, 400)),
        (list(torch.zeros(2, 50).unbind()), (2, 400, 400, 400)),
        (torch.zeros(2, 2).to_sparse(), (1, 16, 16, 16)),
        (Boxes(), (1, 128, 0, 128)),
        (np.zeros(100), (0, 0, 0, 0)),
        (list(range(1000)), (0, 0, 0, 0)),
        (None, (0, 0, 0, 0)),
    ],
)
def test_contents(batch, expected):
    assert serialise.contents(batch) == expected


def test_contents_of_a_huge_batch_are_bounded():
    tensor = torch.zeros(1)
    tensors, _, _, storages = serialise.contents([[tensor, [1, "x"]] for _ in range(50_000)])
    assert 0 < tensors < 20_000
    assert storages > 0


@pytest.mark.parametrize("how", in_workers())
def test_each_batch_sent_is_told_after_it_was_fetched(how):
    for log in loaded(*how).seen.workers("Timed"):
        fetched = {event["index"]: event for event in log.all("fetch")}
        for sent in log.all("send"):
            fetch = fetched[sent["index"]]
            assert fetch["t1"] <= sent["t0"] <= sent["t1"]
            assert sent["write_ns"] > 0 and sent["cpu_ns"] > 0
            assert (sent["tensors"], sent["tensor_bytes"], sent["float_bytes"]) == (1, 48, 48)
            assert sent["bytes"] > 0
            assert sent["storage_bytes"] >= 48


def test_tensors_of_a_nested_batch():
    sent = [event for log in loaded(2, "fork").seen.workers("Heavy") for event in log.all("send")]
    assert {event["tensors"] for event in sent} == {4}
    assert {event["tensor_bytes"] - event["float_bytes"] for event in sent} == {4 * 3 * 8 * 8}
    assert {event["float_bytes"] for event in sent} == {3 * 4 * 5 * 4}


def test_others_use_of_the_pickler_is_left_alone():
    class Genuine:
        extra = 5

        @staticmethod
        def dumps(obj, protocol=None):
            return repr((obj, protocol)).encode()

    pickler = serialise.Pickler(Genuine)
    assert pickler.dumps((1, 2), protocol=4) == b"((1, 2), 4)"
    assert pickler.extra == 5
