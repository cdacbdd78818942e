"""What the run would win if a line cost nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from gpuwatch.analyze import throughput
from gpuwatch.analyze.lines.frames import ASKING
from gpuwatch.analyze.lines.samples import LOADER_WORK
from gpuwatch.model.hot_lines import INPUT, HotLine
from gpuwatch.model.profile import Costs

# Of the step: less, beside the model in the same line, is what the samples cannot tell from none.
LEAST_OWN = 0.05


def speedups_if_free(lines: Sequence[HotLine], costs: Costs | None, own_loop: bool) -> list[float | None]:
    """Return each line's: by the throughput model for loader lines, by the step for others; None where nothing tells.

    What the threads of a loop without a DataLoader make (`own_loop`) is no part of the model's costs."""
    apart = LOADER_WORK if own_loop else ()
    return [None if costs is None or line.activity in apart else _speedup(line, costs) for line in lines]


def _speedup(line: HotLine, costs: Costs) -> float | None:
    basis: Literal["line free"] = "line free"
    if line.activity in LOADER_WORK and costs.wrapper_ms and line.process_role == "trainer":
        after = throughput.with_step(costs, costs.device_ms - line.share * costs.wrapper_ms)
        return throughput.predict(costs, after, basis).predicted
    if line.activity in LOADER_WORK:
        return throughput.predict(costs, throughput.without_operation(costs, min(line.share, 0.999)), basis).predicted
    if line.is_of_step or line.activity == INPUT:
        # What a framework's call runs of the model is the training itself.
        model = line.model_share or 0.0
        own = line.share * (1.0 - model)
        if model and own < LEAST_OWN:
            return None
        own_ms = own * (costs.device_ms + costs.index_ms)
        if any(call.function.rpartition(".")[2] == ASKING for call in line.stack if call.function):
            after = replace(costs, index_ms=max(costs.index_ms - own_ms, 0.0))
        else:
            after = throughput.with_step(costs, costs.device_ms - own_ms)
        return throughput.predict(costs, after, basis).predicted
    return None
