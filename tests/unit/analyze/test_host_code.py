"""Host code is told by the library that a stack ends in, or by the source of the line and its function."""

from __future__ import annotations

from pathlib import Path

import pytest

from gpuwatch.analyze.lines.frames import Frame
from gpuwatch.analyze.lines.host_code import is_host_line
from gpuwatch.analyze.lines.model_calls import part_of

SITE = "/v/lib/python3.11/site-packages"
MAIN = Frame("main", "/home/me/train.py", 9)
MODULE = Frame("Module._call_impl", f"{SITE}/torch/nn/modules/module.py", 1700)
ENGINE = Frame("_engine_run_backward", f"{SITE}/torch/autograd/graph.py", 800)
SOURCE = """\
import math
import time
import numpy as np
import torch
import torch.nn.functional as F


def attention(q, k, v):
    scores = q @ k.transpose(-2, -1) / math.sqrt(q.size(-1))
    half = (q @ k) * (1.0 / np.sqrt(64))
    return F.softmax(scores, -1) @ v + half


def noise(self, x):
    drawn = self.random.standard_normal((100, x.numel()))
    return torch.from_numpy(drawn)


def assign(costs):
    pairs = []
    for _ in range(costs.shape[1]):
        row = int(np.argmin(costs))
        pairs.append(row)
        costs[row, :] = np.inf
    return pairs


def distance(a, b):
    row = list(range(len(b) + 1))
    for i, x in enumerate(a):
        for j, y in enumerate(b):
            row[j + 1] = min(row[j] + 1, row[j + 1])
    return row[-1]


def move(self, milliseconds):
    end = time.thread_time() + milliseconds / 1000
    while time.thread_time() < end:
        pass
    self.moves += 1


def timed(self, x):
    began = time.time()
    while time.time() < began + 1:
        folded = x @ self.weights
    return folded


def unrolled(self, x):
    for at in range(x.shape[1]):
        state = x[:, at] @ self.weights
    return state


def mine(distances, triplets):
    for anchor, positive, negative in triplets:
        nearer = distances[anchor, negative] - distances[anchor, positive]
        if 0 < nearer < 0.3:
            yield anchor


def soften(table, scale):
    for row in range(len(table)):
        for column in range(len(table)):
            table[row, column] = table[row, column] / scale


def clusters(points, nearest, most):
    for cluster in most:
        inside = points[nearest == cluster]
        if len(inside) > 3:
            yield inside


def converges(loss_of, most):
    loss = loss_of()
    while loss > most:
        loss = loss_of()


def attends(q, k, masks):
    for head in range(len(q)):
        weights = q[head] * k[head]
        if masks is not None and masks[head] is not None:
            weights = weights * masks[head]
    return weights
"""


@pytest.fixture
def source(tmp_path: Path) -> str:
    path = tmp_path / "model.py"
    path.write_text(SOURCE)
    return str(path)


def line_of(text: str) -> int:
    return next(number for number, line in enumerate(SOURCE.splitlines(), 1) if text in line)


@pytest.mark.parametrize(
    "text",
    [
        "standard_normal",
        "np.argmin",
        "costs[row, :]",
        "min(row[j] + 1",
        "< end:",
        "pass",
        "nearer = ",
        "if 0 < nearer",
        "/ scale",
    ],
)
def test_lines_of_the_host_are_told_by_their_source(source: str, text: str) -> None:
    assert is_host_line(source, line_of(text))


@pytest.mark.parametrize(
    "text",
    [
        "scores = q @",
        "half = (q @ k)",
        "F.softmax",
        "from_numpy",
        "state = x",
        "folded = x",
        "inside = points",
        "while loss",
        "loss = loss_of()",
        "weights = q",
        "weights = weights",
    ],
)
def test_operations_on_tensors_are_not_the_hosts(source: str, text: str) -> None:
    assert not is_host_line(source, line_of(text))


def test_host_code_inside_a_module_is_no_part_of_the_forward(source: str) -> None:
    forward = Frame("Net.forward", source, line_of("from_numpy"))
    assert part_of((MAIN, MODULE, forward)) == "forward"
    assert part_of((MAIN, MODULE, forward, Frame("Net.noise", source, line_of("standard_normal")))) == "host"
    assert part_of((MAIN, MODULE, forward, Frame("histogram", f"{SITE}/numpy/lib/histograms.py", 700))) == "host"
    assert part_of((MAIN, MODULE, forward, Frame("rearrange", f"{SITE}/einops/einops.py", 500))) == "forward"


def test_a_hook_is_no_part_of_the_backward_pass() -> None:
    look = Frame("look", "/home/me/watch.py", 18)
    apply = Frame("Function.apply", f"{SITE}/torch/autograd/function.py", 300)
    assert part_of((MAIN, ENGINE, look)) == "hook"
    assert part_of((MAIN, ENGINE, apply, look)) == "backward"
    assert part_of((MAIN, ENGINE)) == "backward"
