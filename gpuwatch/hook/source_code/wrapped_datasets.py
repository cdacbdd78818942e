"""The user's dataset inside torch's wrappers."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_WRAPPERS = ("torch.utils.data", "torchdata.")
_DEEPEST = 8


def innermost(dataset: Any) -> Any:
    """Return the dataset inside Subset, ConcatDataset and the like whose code makes the samples."""
    for _ in range(_DEEPEST):
        fields = vars(dataset) if hasattr(dataset, "__dict__") else {}
        inner, several = fields.get("dataset"), fields.get("datasets")
        if inner is None and isinstance(several, (list, tuple)) and several:
            inner = several[0]
        if inner is None or not type(dataset).__module__.startswith(_WRAPPERS):
            return dataset
        dataset = inner
    return dataset
