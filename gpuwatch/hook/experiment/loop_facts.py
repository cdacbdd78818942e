"""What an experiment knows of the loop that it drives: its loader's settings, the ranks, the files it was run from."""

from __future__ import annotations

import os
import sys

from ..process import TYPE_CHECKING
from ..source_code import construction_sites, origins
from . import step_remedies, windows

if TYPE_CHECKING:
    from typing import Any

_MOST_FILES = 2000


def loaded_code() -> list[str]:
    """Return the files of the user's own modules that this process has loaded."""
    # Not by getattr: it has a module that is imported when it is used imported now, and raise what that raises.
    files = [getattr(module, "__dict__", {}).get("__file__") for module in list(sys.modules.values())]
    mine = {os.path.abspath(file) for file in files if isinstance(file, str) and origins.is_user_file(file)}
    boot = os.path.dirname(origins.HOOK.rstrip(os.sep)) + os.sep  # what starts the hook lies beside it
    return sorted(file for file in mine if file.endswith(".py") and os.path.isfile(file) and not file.startswith(boot))[
        :_MOST_FILES
    ]


def describe(loader: Any) -> dict[str, Any]:
    """Return what an experiment needs to know of the user's loader."""
    names = ("num_workers", "batch_size", "prefetch_factor", "persistent_workers", "pin_memory", "in_order")
    facts = {name: getattr(loader, name, None) for name in names}
    try:
        facts["length"] = len(loader)
    except Exception:
        facts["length"] = None
    facts["cores"] = len(os.sched_getaffinity(0))
    facts["ranks"] = ranks()
    facts["cuda"] = windows.cuda() is not None
    facts["made"] = construction_sites.place_of(loader)
    facts["optimizers"] = sorted({type(optimizer).__name__ for optimizer in step_remedies.optimizers()})
    return facts


def _group() -> Any:
    """Return torch.distributed where this process is in a group; None elsewhere."""
    module = getattr(sys.modules.get("torch"), "distributed", None)
    try:
        return module if module is not None and module.is_initialized() else None
    except Exception:
        return None


def rank() -> int:
    """Return this process's rank: of its process group if there is one, else of the environment."""
    group = _group()
    return int(group.get_rank() if group is not None else os.environ.get("RANK", "0"))


def ranks() -> int:
    group = _group()
    return int(group.get_world_size() if group is not None else os.environ.get("WORLD_SIZE", "1"))
