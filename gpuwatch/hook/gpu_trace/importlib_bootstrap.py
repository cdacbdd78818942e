"""The frame of ours around a request: where torch's warnings look for the user's line, a file named like this is passed
over (see `trainer/importlib_bootstrap`)."""

from __future__ import annotations

import functools

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


def wrap_next(
    original: Callable[[Any], Any],
    requested: Callable[[Any], bool],
    answered: Callable[[], None],
    ended: Callable[[Any], None],
) -> Callable[[Any], Any]:
    """Wrap `__next__`: `requested` before the outermost request of the thread, for which it returns True; `ended` where
    there is no batch; `answered` after both."""

    @functools.wraps(original)
    def __next__(self: Any) -> Any:
        if not requested(self):
            return original(self)
        try:
            return original(self)
        except BaseException:
            ended(self)
            raise
        finally:
            answered()

    return __next__
