"""Marks of a dataset's plain values when an iterator is made: which of them the training changes from pass to pass.

Workers that persist keep the copy of the dataset that they started with.
"""

from __future__ import annotations

import zlib

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_PLAIN = (int, float, str, bool, type(None))
_MOST, _LONGEST = 32, 200


def marks(dataset: Any) -> dict[str, int]:
    """Return a checksum of each plain value of a dataset, by its name; the values themselves are not recorded."""
    fields = list(getattr(dataset, "__dict__", {}).items())
    plain = [(name, value) for name, value in fields if type(value) in _PLAIN and len(str(value)) <= _LONGEST]
    return {name: zlib.crc32(repr(value).encode("utf-8", "replace")) for name, value in plain[:_MOST]}
