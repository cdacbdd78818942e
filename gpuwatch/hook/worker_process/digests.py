"""A batch's content in two small numbers: of all of it, and of what no augmentation changes (integers and text).

A digest is taken of at most 128 elements of each array, spread over all of it. Batches are compared between processes:
hence CRC-32, which is the same in all of them.
"""

from __future__ import annotations

import sys
import zlib

from ..process import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    # CRC of a leaf's elements, whether they differ among themselves, whether they are integers or text.
    Leaf = tuple[bytes, bool, bool]

_MOST_LEAVES, _MOST_NODES, _ELEMENTS, _CHARACTERS = 64, 400, 128, 256


def digest(batch: object) -> tuple[int | None, int, int | None, int]:
    """Return (CRC, varied, CRC of integers and text, varied): None where there is nothing, `varied` 1 where the elements
    of one array, or the texts, are not all the same."""
    whole = discrete = None
    varied = discrete_varied = 0
    first: bytes | None = None
    for content, differs, is_discrete in _leaves(batch):
        whole = zlib.crc32(content, whole or 0)
        varied |= differs
        if is_discrete:
            first = content if first is None else first
            discrete = zlib.crc32(content, discrete or 0)
            discrete_varied |= differs or content != first
    return whole, int(varied or discrete_varied), discrete, int(discrete_varied)


def _leaves(batch: object) -> Iterator[Leaf]:
    pending, nodes, leaves = [batch], 0, 0
    while pending and nodes < _MOST_NODES and leaves < _MOST_LEAVES:
        part: Any = pending.pop()
        nodes += 1
        leaf = _leaf(part)
        if leaf is not None:
            leaves += 1
            yield leaf
        elif isinstance(part, dict):
            pending.extend(part.values())
        elif isinstance(part, (list, tuple)):
            pending.extend(part[:_MOST_LEAVES])
        elif type(part).__dictoffset__ and not isinstance(part, type):
            pending.extend(vars(part).values())


def _leaf(part: Any) -> Leaf | None:
    if isinstance(part, (str, bytes)):
        text = part[:_CHARACTERS]
        return (text.encode("utf-8", "replace") if isinstance(text, str) else text), False, True
    if isinstance(part, (int, float)):
        return repr(part).encode(), False, not isinstance(part, float)
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(part, torch.Tensor):
        return _of_tensor(torch, part)
    numpy = sys.modules.get("numpy")
    return _of_array(part) if numpy is not None and isinstance(part, numpy.ndarray) else None


def _of_tensor(torch: Any, part: Any) -> Leaf | None:
    count = part.numel()
    if not count or part.is_sparse or part.is_quantized:
        return None
    # In the order of memory: a view that is laid out otherwise would be copied, all of it.
    values = part.detach().as_strided((count,), (1,), part.storage_offset())[:: _stride(count)]
    if part.dtype == torch.bfloat16:
        values = values.float()
    listed = values.numpy()
    return listed.tobytes(), _differs(listed), not (part.is_floating_point() or part.is_complex())


def _of_array(part: Any) -> Leaf | None:
    if part.dtype.hasobject or not part.size:
        return None
    listed = part.reshape(-1)[:: _stride(part.size)] if part.flags.c_contiguous else part.flat[:_ELEMENTS]
    return listed.tobytes(), _differs(listed), part.dtype.kind not in "fc"


def _stride(count: int) -> int:
    # Odd: an even one would keep to a few columns of an image.
    return 1 if count <= _ELEMENTS else count // _ELEMENTS | 1


def _differs(listed: Any) -> bool:
    return bool((listed != listed[0]).any())
