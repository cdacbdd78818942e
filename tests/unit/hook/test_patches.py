"""What the hook puts into classes and modules never passes by what somebody else has put there."""

from __future__ import annotations

import functools
import types
from typing import Any

from gpuwatch.hook.attributes import measures
from gpuwatch.hook.operations.patches import Attribute, Patches


def _measured(function: Any) -> Any:
    @functools.wraps(function)
    def measured(*args: Any) -> Any:
        return ("measured", function(*args))

    return measures(function, measured)


def _library() -> Any:
    library: Any = types.ModuleType("library")
    library.read = lambda: "its own"
    return library


def test_a_function_is_measured_between_enter_and_leave_only() -> None:
    library, patches = _library(), Patches()
    patches.add(Attribute(library, "read", _measured(library.read)))
    for _ in range(2):
        patches.enter()
        assert library.read() == ("measured", "its own")
        patches.leave()
        assert library.read() == "its own"


def test_a_function_that_the_user_replaces_between_two_fetches_stays_theirs() -> None:
    library, patches = _library(), Patches()
    patches.add(Attribute(library, "read", _measured(library.read)))
    patches.enter()
    patches.leave()
    library.read = theirs = lambda: "theirs"
    patches.enter()
    assert library.read() == "theirs"
    patches.leave()
    assert library.read is theirs


def test_a_function_that_the_user_wraps_inside_a_fetch_stays_theirs() -> None:
    library, patches = _library(), Patches()
    patches.add(Attribute(library, "read", _measured(library.read)))
    patches.enter()
    before = library.read

    @functools.wraps(before)
    def theirs() -> Any:
        return ("theirs", before())

    library.read = theirs
    patches.leave()
    for _ in range(2):
        patches.enter()
        assert library.read()[0] == "theirs"
        patches.leave()
        assert library.read is theirs
