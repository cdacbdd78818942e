"""Where a function is defined, whatever stands before it or around it."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gpuwatch.hook.source_code import callers, origins

LIBRARY = """
def careless(function):
    def wrapper(*args):
        return function(*args)
    return wrapper
"""


def loud(text: str) -> Callable[[Any], Any]:
    def decorate(function: Any) -> Any:
        @functools.wraps(function)
        def wrapper(*args: Any) -> Any:
            return function(*args)

        return wrapper

    return decorate


class Photos:
    @loud(
        "a decorator of several lines",
    )
    @functools.lru_cache(None)  # noqa: B019
    def __getitem__(self, index: int) -> int:
        return index

    @staticmethod
    def plain() -> None: ...


def line_of(text: str) -> int:
    return next(i for i, line in enumerate(Path(__file__).read_text().splitlines(), 1) if line.strip().startswith(text))


def test_a_decorated_function_is_at_its_def() -> None:
    assert origins.callable_place(Photos.__getitem__)[:2] == (__file__, line_of("def __getitem__"))
    assert callers.class_place(Photos, "__getitem__") == (__file__, line_of("def __getitem__"))
    assert origins.callable_place(Photos.plain)[1] == line_of("def plain")


@pytest.mark.parametrize("wrap", [functools.partial, lambda fn: fn])
def test_a_librarys_decorator_without_wraps_is_looked_into(wrap: Callable[[Any], Any]) -> None:
    names: dict[str, Any] = {}
    exec(compile(LIBRARY, "/v/lib/python3.11/site-packages/library/decorators.py", "exec"), names)
    assert origins.callable_place(wrap(names["careless"](line_of)))[:2] == (__file__, line_of("def line_of"))


def test_what_has_no_source_has_no_place() -> None:
    assert origins.callable_place(len)[:2] == (None, None)
    assert callers.class_place(int, "__add__") == (None, None)
