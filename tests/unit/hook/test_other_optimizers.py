"""Optimizers that are none of torch's: the method that updates the weights is the optimizer's phase all the same."""

from __future__ import annotations

from pathlib import Path

import pytest

from .hooked import run

SLOW = "import time\n"
# Each as its library has it: the class, and who defines the method.
LIBRARIES = {
    "fastai.optimizer": SLOW
    + """
class Optimizer:
    def step(self, closure=None):
        time.sleep(0.004)
        return closure
""",
    "keras.src.backend.torch.optimizers.torch_optimizer": SLOW
    + """
class BaseOptimizer:
    def apply(self, grads, trainable_variables=None):
        time.sleep(0.004)
        return trainable_variables

class TorchOptimizer(BaseOptimizer): pass

class Optimizer(TorchOptimizer): pass
""",
}
SCRIPT = """
import importlib, sys, time
import torch
from torch.utils.data import DataLoader, TensorDataset

name, method = sys.argv[1:]
module = importlib.import_module(name)
step = getattr(module.Optimizer(), method)
model = torch.nn.Linear(4, 1)
for (x,) in DataLoader(TensorDataset(torch.ones(12, 4))):
    model(x).sum().backward()
    assert step(None) is None
    time.sleep(0.002)
try:
    step(1, 2, 3, 4)
except TypeError as error:
    assert "positional argument" in str(error)
"""


@pytest.mark.parametrize(("name", "method"), zip(LIBRARIES, ("step", "apply")))
def test_the_method_is_the_optimizers_phase(tmp_path: Path, name: str, method: str) -> None:
    pytest.importorskip("torch")
    folder = tmp_path
    for part in name.split("."):
        (folder / "__init__.py").touch()
        folder = folder / part
        folder.mkdir()
    folder.rmdir()
    folder.with_suffix(".py").write_text(LIBRARIES[name])
    batches = run(SCRIPT, tmp_path / "run", name, method).trainer.of("batch")[1:-1]
    assert [batch["optimizer_n"] for batch in batches] == [1] * len(batches)
    assert all(batch["optimizer_ns"] >= 4e6 and batch["other_ns"] >= 2e6 for batch in batches)
    assert all(batch["backward_n"] == 1 for batch in batches)
