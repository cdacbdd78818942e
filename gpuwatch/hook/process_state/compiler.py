"""What torch's compiler has done in this process so far. It is asked only if it is imported: importing it costs seconds."""

from __future__ import annotations

import re
import sys

from ..source_code.setters import sole_assignment

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_LONGEST_REASON = 300
# The attribute, or the argument, that a guard on a value names: L['self'].calls == 3, beta == 0.5.
_GUARDED = re.compile(r"([\w.\[\]'\"]+) == ")
# A frame that was compiled so often has a guard that keeps failing.
_OFTEN = 3
_COMPILING = ("_compile.compile_inner", "_compile")


def read() -> dict[str, Any] | None:
    """Return how often frames were compiled and how long that took, and the one that was compiled most; None without it.

    `limit`: how often one frame may be compiled before it runs as plain Python for good; `worst`: name, file, line, times,
    reason, and what that guards; `assigned`: the line that alone gives that a new value."""
    frames = sys.modules.get("torch._dynamo.convert_frame")
    utils = sys.modules.get("torch._dynamo.utils")
    if frames is None or utils is None:
        return None
    counts, worst = dict(frames.FRAME_COMPILE_COUNTER), _worst(utils)
    return {
        "compiled": sum(counts.values()),
        "frames": len(counts),
        "most": max(counts.values(), default=0),
        "limit": _limit(),
        "seconds": _seconds(utils),
        "worst": worst,
        "assigned": sole_assignment(worst[-1]) if worst is not None and worst[-1] and worst[3] >= _OFTEN else None,
    }


def _limit() -> int | None:
    config = sys.modules.get("torch._dynamo.config")
    limit = getattr(config, "recompile_limit", None) or getattr(config, "cache_size_limit", None)
    return int(limit) if isinstance(limit, int) else None


def _seconds(utils: Any) -> float | None:
    times = getattr(utils, "compilation_time_metrics", {})
    for name in _COMPILING:
        if times.get(name):
            return round(float(sum(times[name])), 4)
    return None


def _worst(utils: Any) -> list[Any] | None:
    """Return the frame that was compiled most, of the newest compilations, which are all that torch keeps."""
    ask = getattr(utils, "get_compilation_metrics", None)
    newest = list(ask()) if ask is not None else []
    found: dict[tuple[Any, ...], list[Any]] = {}
    for one in newest:
        key = tuple(getattr(one, name, None) for name in ("co_name", "co_filename", "co_firstlineno"))
        reason = getattr(one, "recompile_reason", None)
        entry = found.setdefault(key, [0, None])
        entry[0] += 1
        entry[1] = reason or entry[1]
    if not found:
        return None
    key = max(found, key=lambda key: found[key][0])
    times, reason = found[key]
    reason = " ".join(str(reason).split())[:_LONGEST_REASON] if reason else None
    return [*key, times, reason, _guarded(reason)]


def _guarded(reason: str | None) -> str | None:
    """Return the last name of what a guard compares with a value."""
    found = _GUARDED.search(reason or "")
    names = re.findall(r"[A-Za-z_]\w*", found.group(1)) if found else []
    return names[-1] if names else None
