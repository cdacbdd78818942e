"""Whose code draws a loader's indices: the user's sampler or batch sampler, inside those of libraries or alone."""

from __future__ import annotations

from ..source_code import callers, origins

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    # name of the class, file and line of its code
    Source = tuple[str, str | None, int | None]

# Under these names samplers of torch, accelerate, Lightning and others keep the one that they wrap.
_INNER = ("batch_sampler", "sampler", "base_sampler")
_MOST = 8


def sampler_attributes(loader: Any) -> dict[str, Any]:
    """Return `sampler_name`, `sampler_file`, `sampler_line` of the innermost sampler of the user's own; where there is none
    the name of the outermost, without a place."""
    batches = getattr(loader, "batch_sampler", None)
    chain = _chain(batches if batches is not None else getattr(loader, "sampler", None))
    own = [source for source in chain if source[1] and origins.is_user_file(source[1])]
    name = own[-1] if own else (chain[0][0] if chain else None, None, None)
    return dict(zip(("sampler_name", "sampler_file", "sampler_line"), name))


def _chain(sampler: Any) -> list[Source]:
    """Return the samplers from the outermost to the innermost."""
    found: list[Source] = []
    while sampler is not None and len(found) < _MOST:
        cls = type(sampler)
        found.append((cls.__name__, *callers.class_place(cls, "__iter__")))
        fields = vars(sampler) if hasattr(sampler, "__dict__") else {}
        sampler = next((fields[name] for name in _INNER if fields.get(name) is not None), None)
    return found
