"""Changes of the training step: they act while a window runs, leave nothing behind, and say what they do to the losses."""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch.utils.data import BatchSampler, DataLoader, RandomSampler, TensorDataset

from gpuwatch.hook.experiment import loader_clones, remedy_sampler, step_outputs, step_remedies
from gpuwatch.hook.experiment.active import Unsuitable
from gpuwatch.hook.experiment.step_remedies import Switches


class Training:
    """A small training on images, whose step is that of a user's loop."""

    def __init__(self, dropout: float = 0.0) -> None:
        torch.manual_seed(0)
        self.model = torch.nn.Sequential(
            torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4), torch.nn.Dropout(dropout), torch.nn.Flatten(), torch.nn.Linear(144, 2)
        )  # fmt: skip
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=0.1)
        self.batches = [(torch.randn(2, 3, 8, 8), torch.tensor([0, 1])) for _ in range(4)]

    def step(self, batch: Any) -> None:
        x, y = batch
        loss = torch.nn.functional.cross_entropy(self.model(x), y)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()

    def compared(self, name: str, **parameters: Any) -> dict[str, Any]:
        order = {"arm": "a", "kind": "losses", "remedies": [[name, parameters]]}
        window = step_outputs.Losses(order, self.batches, Switches())
        while not window.is_over():
            self.step(window.batch())
        return window.end()


@pytest.fixture
def training(monkeypatch: pytest.MonkeyPatch) -> Iterator[Training]:
    training = Training()
    monkeypatch.setattr(step_remedies, "optimizers", lambda: [training.optimizer])
    training.step(training.batches[0])
    yield training


@pytest.mark.parametrize("name", ["gc-freeze", "zero-grad-to-none"])
def test_what_does_not_compute_anything_else_leaves_the_losses_identical(training: Training, name: str) -> None:
    assert training.compared(name) == {
        "max": 0.0,
        "mean": 0.0,
        "scale": pytest.approx(1, rel=10),
        "losses": 4,
        "draws": 0.0,
    }


@pytest.mark.parametrize("name", ["foreach-optimizer", "fused-optimizer", "channels-last"])
def test_another_way_to_compute_the_step_changes_them_little_and_everything_is_put_back(
    training: Training, name: str
) -> None:
    before = {key: value.clone() for key, value in training.model.state_dict().items()}
    momentum = [state["exp_avg"].clone() for state in training.optimizer.state.values()]
    found = training.compared(name)
    assert found["losses"] == 4 and found["max"] < 1e-3
    assert all(torch.equal(value, before[key]) for key, value in training.model.state_dict().items())
    kept = [state["exp_avg"] for state in training.optimizer.state.values()]
    assert all(torch.equal(one, other) for one, other in zip(kept, momentum, strict=True))
    assert not any(group["foreach"] or group["fused"] for group in training.optimizer.param_groups)
    assert training.model[0].weight.is_contiguous()
    training.step(training.batches[1])


def test_random_draws_are_told_from_a_change(monkeypatch: pytest.MonkeyPatch) -> None:
    """Dropout draws by the layout of memory, so that another layout gives other draws of the same distribution."""
    training = Training(dropout=0.2)
    monkeypatch.setattr(step_remedies, "optimizers", lambda: [training.optimizer])
    found = training.compared("channels-last")
    assert found["draws"] > 0 and found["max"] < 10 * found["draws"]
    assert training.compared("gc-freeze")["max"] == 0.0


def test_a_change_that_matters_is_told(training: Training, monkeypatch: pytest.MonkeyPatch) -> None:
    def faster(_parameters: object) -> Any:
        for group in training.optimizer.param_groups:
            group["lr"] = 1.0
        return lambda: None

    monkeypatch.setitem(step_remedies.SWITCHES, "gc-freeze", faster)
    found = training.compared("gc-freeze")
    assert found["max"] > 0.01 and 0 < found["mean"] <= found["max"]
    assert training.optimizer.param_groups[0]["lr"] == 0.1


def test_switches_undo_what_the_window_before_them_had() -> None:
    switches, threads = Switches(), torch.get_num_threads()
    switches.use([["trainer-threads", {"threads": threads + 1}]])
    assert torch.get_num_threads() == threads + 1
    switches.use([["gc-freeze", {}], ["scaled-decode", {}]])
    assert torch.get_num_threads() == threads and gc.get_freeze_count() > 0
    switches.rest()
    assert gc.get_freeze_count() == 0


@pytest.mark.parametrize(
    ("name", "why"),
    [("fused-optimizer", "no optimizer of this training has a fused step"), ("channels-last", "no convolution")],
)
def test_what_does_not_fit_says_why(monkeypatch: pytest.MonkeyPatch, name: str, why: str) -> None:
    monkeypatch.setattr(step_remedies, "optimizers", list)
    with pytest.raises(Unsuitable, match=why):
        Switches().use([[name, {}]])


def test_copies_need_a_gpu() -> None:
    if torch.cuda.is_available():
        pytest.skip("this machine has one")
    with pytest.raises(Unsuitable, match="uses no GPU"):
        Switches().use([["non-blocking-copies", {}]])


def test_copies_of_pinned_memory_do_not_wait_and_nothing_is_left_on_the_class(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[dict[str, object]] = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.Tensor, "is_pinned", lambda self: True)
    monkeypatch.setattr(torch.Tensor, "to", lambda self, *args, **kwargs: seen.append(kwargs))
    switches = Switches()
    switches.use([["non-blocking-copies", {}]])
    torch.zeros(2).to("cpu")
    torch.zeros(2).to("cpu", non_blocking=False)
    torch.zeros(2).to("cpu", torch.float16, True)
    switches.rest()
    assert seen == [{"non_blocking": True}, {"non_blocking": False}, {}]
    assert "cuda" not in vars(torch.Tensor)


def test_a_loader_is_not_touched_by_a_change_of_the_step() -> None:
    loader = DataLoader(TensorDataset(torch.arange(4.0)))
    clone = loader_clones.make(loader, {"remedies": [["gc-freeze", {}]]})
    assert clone.dataset is loader.dataset


def test_indices_drawn_ahead_are_the_same_in_the_same_order_and_the_thread_ends() -> None:
    data = TensorDataset(torch.arange(400.0))

    def loader() -> DataLoader[Any]:
        sampler = RandomSampler(data, generator=torch.Generator().manual_seed(1))
        return DataLoader(data, batch_sampler=BatchSampler(sampler, 4, False))

    clone = loader_clones.make(loader(), {"remedies": [["prefetched-sampler", {}]]})
    assert len(clone) == 100
    assert all(torch.equal(one[0], other[0]) for one, other in zip(loader(), clone, strict=True))
    left = iter(clone)
    next(left)
    del left
    gc.collect()
    for thread in [each for each in threading.enumerate() if "_draw" in each.name]:
        thread.join(5)
    assert not [each for each in threading.enumerate() if "_draw" in each.name]


def test_an_error_of_the_sampler_comes_where_it_is_drawn() -> None:
    def broken() -> Iterator[int]:
        yield 1
        raise ValueError("no more")

    drawn = iter(remedy_sampler.Ahead(broken()))
    assert next(drawn) == 1
    with pytest.raises(ValueError, match="no more"):
        next(drawn)
