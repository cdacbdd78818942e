"""What keeping items would take: told by what they hold."""

from __future__ import annotations

import torch
from torch.utils.data import TensorDataset

from gpuwatch.hook.experiment.outputs import _size
from gpuwatch.hook.experiment.remedy_data import Remembering


def test_a_view_counts_for_what_it_holds() -> None:
    rows = TensorDataset(torch.zeros(10_000, 100))
    assert 400 <= Remembering(rows).item_bytes() < 1_000


def test_sizes_are_written_with_two_digits() -> None:
    assert [_size(count) for count in (5.22e9, 47.5e6, 480e6, 3_000)] == ["5.2 GB", "48 MB", "480 MB", "3 kB"]
