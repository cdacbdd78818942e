"""When the state of the training process is read, and the `state` event that it becomes.

With the first step that reads the meters, then half a second later and at intervals that double: a few readings tell what
the process is set to after the warm-up and late, and what keeps growing. After each one the next backward pass and the next
optimizer step are looked at once: some switches are on inside of them only.
"""

from __future__ import annotations

import sys
import time

from ..event_log import spool
from ..process import process
from ..source_code.setters import sole_setter
from . import compiler, debug_switches, explicit_collections, settings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_FIRST_NS, _LONGEST_NS = 500_000_000, 600_000_000_000
# How a tensor or a module is asked to call something; so many more of these calls since the last reading are many.
_HOOKING = (
    "register_hook",
    "register_post_accumulate_grad_hook",
    "register_forward_hook",
    "register_forward_pre_hook",
    "register_full_backward_hook",
    "register_full_backward_pre_hook",
)
_FEW_HOOKS = 10
_now_ns = time.monotonic_ns


class Schedule:
    """`due_ns`: when the next reading is due; `in_backward`, `in_optimizer`: whether the next one of these is looked at;
    `hooks`: how many handles there were at the last one."""

    __slots__ = ("due_ns", "hooks", "in_backward", "in_optimizer", "interval_ns")

    def __init__(self) -> None:
        self.after_fork()

    def after_fork(self) -> None:
        """Begin again: the child trains, if it does, from now on."""
        self.due_ns = 0
        self.interval_ns = _FIRST_NS
        self.in_backward = self.in_optimizer = False
        self.hooks: int | None = None


schedule = process.own(Schedule())


def read(at_ns: int) -> None:
    """Write the state as it is between two steps, and set when to read it next."""
    schedule.due_ns = at_ns + schedule.interval_ns
    schedule.interval_ns = min(2 * schedule.interval_ns, _LONGEST_NS)
    schedule.in_backward = schedule.in_optimizer = True
    _write("step", _whole_state)
    explicit_collections.write()


def read_in_backward() -> None:
    """Write the switches that are on while a backward pass runs."""
    schedule.in_backward = False
    _write("backward", lambda: {"switches": debug_switches.read()})


def read_in_optimizer(optimizer: Any) -> None:
    """Write what an optimizer updates."""
    schedule.in_optimizer = False
    _write("optimizer", lambda: settings.of_optimizer(optimizer))


def read_at_exit() -> None:
    """Write the counters as they are in the end; what was switched on may be off by now."""
    if schedule.due_ns:
        _write("exit", _counters)
    explicit_collections.write()


def _whole_state() -> dict[str, Any]:
    return {"switches": debug_switches.read(), **settings.read(), **_counters()}


def _counters() -> dict[str, Any]:
    handles = getattr(sys.modules.get("torch.utils.hooks"), "RemovableHandle", None)
    hooks, before = getattr(handles, "next_id", None), schedule.hooks
    schedule.hooks = hooks
    grew = before is not None and hooks is not None and hooks > before + _FEW_HOOKS
    return {
        "hooks": hooks,
        "hooks_set": sole_setter(_HOOKING) if grew else None,
        "compiler": compiler.read(),
    }


def _write(during: str, facts: Any) -> None:
    try:
        spool.event("state", _now_ns(), during, facts())
    except Exception as error:
        spool.error("state", error)
