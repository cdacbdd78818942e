"""The `batch` event: of a loader's batch, or of a step in a loop without a loader."""

from __future__ import annotations

from ..event_log import columns
from ..lines import in_process_sampler
from .step_sampling import sampling

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .activity import Activity

LINE = '["batch",' + ",".join(["%s"] * len(columns.COLUMNS["batch"])) + "]\n"
# `cpu_ns`, `delay_ns`
NOT_READ: tuple[int | None, int | None] = (None, None)
_OTHER = columns.ACTIVITY.index("other_ns")


def count(account: Activity, at_ns: int, parts: tuple[int | None, ...]) -> None:
    """Have the sampling of lines, or that of steps, go by a step that was just written; `parts`: its columns.ACTIVITY."""
    if in_process_sampler.state.sampler is not None:
        in_process_sampler.given(at_ns)
    elif parts[_OTHER] is not None:
        sampling.count_sampled_step(account, at_ns, account.own_cost_ns)
