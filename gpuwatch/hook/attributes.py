"""The attributes that the hook sets on objects of torch's, of the user's and on its own replacements, declared once.

All begin with `_gpuwatch`, so that whoever meets one in a debugger can look up here what it means.
"""

from __future__ import annotations

from .process import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypeVar

    Function = TypeVar("Function", bound=Callable[..., Any])

# On an iterator of torch's, and None on its class: what is known of it, a `trainer.iterators.Record`.
RECORD = "_gpuwatch_record"
# On a method of an iterator's class: True, it is wrapped already.
WRAPPED = "_gpuwatch_wrapped"
# On a function that measures another one: that one.
ORIGINAL = "_gpuwatch_original"
# On a method that measures those of a class: the instances that it was called on, or True for "counts as called".
CALLED_ON = "_gpuwatch_called_on"
# On a fetcher of torch's: its collate function as the hook measures it, a `worker_process.collate.Collate`.
COLLATE = "_gpuwatch_collate"
# On the clone of a loader in experiment mode: the (name, parameters) of its remedy.
REMEDY = "_gpuwatch_remedy"
# On an iterator over such a clone: True. The experiment asks it for batches; it does not feed it.
OF_CLONE = "_gpuwatch_of_clone"
# On an image reader that the decoding remedies have wrapped: True.
DECODING = "_gpuwatch_decoding"


def measures(original: Callable[..., Any], replacement: Function) -> Function:
    """Mark a function as the one that measures `original`, and return it."""
    setattr(replacement, ORIGINAL, original)
    return replacement


def original(function: Any) -> Any:
    """Return the function behind one that measures it; any other object as it is."""
    return getattr(function, ORIGINAL, function)


def is_measured(function: Any) -> bool:
    """Say whether a function is one that measures another."""
    return hasattr(function, ORIGINAL)
