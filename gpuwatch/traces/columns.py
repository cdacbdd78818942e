"""Events of a Chrome trace → columns: names, threads and stacks become numbers, and no event is kept as an object."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from operator import itemgetter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpuwatch.model.trace import COLUMNS, Events
from gpuwatch.words.gpu_trace import CALL, DEVICE_KINDS, OPERATOR, kind_of

_TYPES: dict[str, Any] = {
    "start": np.float64,
    "end": np.float64,
    "kind": np.int8,
    "name": np.int32,
    "thread": np.int32,
    "device": np.int32,
    "stream": np.int64,
    "correlation": np.int64,
    "external": np.int64,
    "size": np.int64,
    "stack": np.int32,
}
NONE = -1
_NOTHING: dict[str, Any] = {}
# Longer than any recording, in microseconds: times that say so are broken.
_LONGEST = 1e13
_LONGEST_NAME = 4096
# Of the calls of a trace; single ones are a recorder's slips.
_MOST_SHARED = 0.1
_ON_DEVICE = np.isin(np.arange(128), tuple(DEVICE_KINDS))


class _Names(dict[str, int]):
    """The number of each name, given when it is first asked for."""

    def __missing__(self, name: Any) -> int:
        text = name if type(name) is str and len(name) <= _LONGEST_NAME else str(name)[:_LONGEST_NAME]
        return self.setdefault(text, len(self))


class _Kinds(dict[Any, int | None]):
    """The kind of each category's events, found when it is first asked for."""

    def __missing__(self, category: Any) -> int | None:
        kind = self[category] = kind_of(category) if type(category) is str else None
        return kind


class _Threads(dict[tuple[Any, Any], int]):
    """The number of each process and thread, given when it is first asked for; `named`: by their texts. `process`: of each
    number the process."""

    def __init__(self, named: dict[str, int]) -> None:
        super().__init__()
        self._named = named
        self.process: dict[int, Any] = {}

    def __missing__(self, key: tuple[Any, Any]) -> int:
        number = self[key] = self._named.setdefault("/".join(map(str, key)), len(self._named))
        self.process[number] = key[0]
        return number


class Columns:
    """The columns of a trace while it is read. `broken` counts events whose times cannot be; `begin_us`: of
    the first event, on the recorder's clock."""

    def __init__(self) -> None:
        self.names: dict[str, int] = _Names()
        self.threads: dict[str, int] = {}
        self.broken, self.begin_us = 0, 0.0
        self._known = _Threads(self.threads)
        self._kinds = _Kinds()
        self._parts: dict[str, list[NDArray[Any]]] = defaultdict(list)

    def add(self, events: Sequence[Any]) -> None:
        """Take the complete events of known categories."""
        kinds = self._kinds
        try:
            complete = [event for event in events if event["ph"] == "X"]
            found = [kinds[event["cat"]] for event in complete]
        except (KeyError, TypeError):  # not all events have both, or they are no objects
            complete = [event for event in events if type(event) is dict and event.get("ph") == "X"]
            found = [kinds[cat] if type(cat := event.get("cat")) is str else None for event in complete]
        known = [event for event, kind in zip(complete, found, strict=True) if kind is not None]
        if known:
            self._add(known, [kind for kind in found if kind is not None])

    def _add(self, events: list[dict[str, Any]], kinds: list[int]) -> None:
        start, length = (numbers(_values(events, key)) for key in ("ts", "dur"))
        kind = np.array(kinds, np.int8)
        columns: dict[str, NDArray[Any]] = {
            "start": start,
            "end": start + length,
            "kind": kind,
            "name": np.array(self._numbers(events), np.int32),
            "thread": np.array(self._threads(events), np.int32),
            **self._joined(events, kind),
            **self._on_device(events, kind),
        }
        sane = np.isfinite(start) & (length >= 0) & (length < _LONGEST) & (np.abs(start) < 1e18)
        self.broken += int(len(events) - sane.sum())
        self.append({name: column[sane] for name, column in columns.items()})

    def _joined(self, events: list[dict[str, Any]], kind: NDArray[np.int8]) -> dict[str, NDArray[Any]]:
        """Return what joins activities, calls and operators: Python functions have none of it."""
        rows = kind <= OPERATOR
        found = [_arguments(events[at]) for at in np.flatnonzero(rows).tolist()]
        external = [each.get("External id", each.get("external id", NONE)) for each in found]
        return {
            "correlation": _some(rows, [each.get("correlation", NONE) for each in found]),
            "external": _some(rows, external),
            "stack": _some(rows, [self._stack(each.get("Call stack")) for each in found], np.int32),
        }

    def _on_device(self, events: list[dict[str, Any]], kind: NDArray[np.int8]) -> dict[str, NDArray[Any]]:
        """Return where an activity ran and how much it moved; a trace may tell the first two by its rows alone."""
        rows = on_device(kind)
        found = [(_arguments(event), event) for event in map(events.__getitem__, np.flatnonzero(rows).tolist())]
        devices = [each.get("device", event.get("pid")) for each, event in found]
        return {
            "device": _some(rows, devices, np.int32),
            "stream": _some(rows, [each.get("stream", event.get("tid")) for each, event in found]),
            "size": _some(rows, [each.get("bytes", NONE) for each, _ in found]),
        }

    def append(self, columns: dict[str, NDArray[Any]]) -> None:
        """Take whole columns."""
        for name in COLUMNS:
            self._parts[name].append(columns[name].astype(_TYPES[name], copy=False))

    def number(self, text: str) -> int:
        """Return the number of a name."""
        return self.names.setdefault(text, len(self.names))

    def _numbers(self, events: list[dict[str, Any]]) -> list[int]:
        names = self.names
        try:
            return [names[event["name"]] for event in events]
        except (KeyError, TypeError):  # no name, or a list, in a broken event
            return [names[str(event.get("name"))] for event in events]

    def _threads(self, events: list[dict[str, Any]]) -> list[int]:
        known = self._known
        try:
            return [known[event["pid"], event["tid"]] for event in events]
        except (KeyError, TypeError):
            return [self._thread(event) for event in events]

    def _stack(self, stack: Any) -> int:
        return self.number(stack) if type(stack) is str and stack else NONE

    def _thread(self, event: dict[str, Any]) -> int:
        key = (event.get("pid"), event.get("tid"))
        try:
            return self._known[key]
        except TypeError:  # a list, in a broken event
            return self.thread("/".join(map(str, key)))

    def thread(self, name: str) -> int:
        """Return the number of a thread, or of a device's stream."""
        return self.threads.setdefault(name, len(self.threads))

    def events(self) -> tuple[Events, Events]:
        """Return what ran on devices and what the host did, each in the order of its starts, from time 0 on."""
        merged = {name: self._merged(name) for name in COLUMNS}
        if len(merged["start"]):
            self.begin_us = float(merged["start"].min())
            merged["start"] -= self.begin_us
            merged["end"] -= self.begin_us
        order = np.argsort(merged["start"], kind="stable")
        device = on_device(merged["kind"])[order]
        return _rows(merged, order[device]), _rows(merged, order[~device])

    def mixed(self, host: Events) -> bool:
        """Say whether calls of several processes carry the same numbers: nothing tells which of them launched what."""
        rows = (host.kind == CALL) & (host.correlation >= 0)
        threads = np.flatnonzero(np.bincount(host.thread[rows], minlength=len(self.threads))).tolist()
        processes = list(dict.fromkeys(self._known.process.get(thread) for thread in threads))
        if len(processes) < 2:
            return False
        of_thread = np.zeros(len(self.threads), np.int64)
        of_thread[threads] = [processes.index(self._known.process.get(thread)) for thread in threads]
        calls = np.stack((host.correlation[rows], of_thread[host.thread[rows]]))
        correlation, owner = calls[:, np.lexsort(calls[::-1])]
        shared = (correlation[1:] == correlation[:-1]) & (owner[1:] != owner[:-1])
        return int(shared.sum()) > _MOST_SHARED * len(correlation)

    def _merged(self, name: str) -> NDArray[Any]:
        parts = self._parts.pop(name, [])
        return np.concatenate(parts) if parts else np.zeros(0, _TYPES[name])


def on_device(kind: NDArray[np.int8]) -> NDArray[np.bool_]:
    """Say which events ran on a device, by their kinds."""
    found: NDArray[np.bool_] = _ON_DEVICE[kind]
    return found


def _rows(columns: dict[str, NDArray[Any]], rows: NDArray[Any]) -> Events:
    return Events(**{name: column[rows] for name, column in columns.items()})


def _values(events: list[dict[str, Any]], key: str) -> list[Any]:
    try:
        return list(map(itemgetter(key), events))
    except KeyError:
        return [event.get(key) for event in events]


def _arguments(event: dict[str, Any]) -> dict[str, Any]:
    found = event.get("args")
    return found if type(found) is dict else _NOTHING


def numbers(values: list[Any]) -> NDArray[np.float64]:
    """Return values as floats; NaN for what is no number. Kineto writes some as text."""
    try:
        found = np.array(values, np.float64)
        if found.ndim == 1:
            return found
    except (TypeError, ValueError, OverflowError):
        pass
    return np.array([_number(value) for value in values], np.float64)


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return math.nan
    try:
        return float(value)
    except (ValueError, OverflowError):
        return math.nan


def integers(values: list[Any], kind: Any = np.int64) -> NDArray[Any]:
    """Return values as integers; -1 for what is none, or too large."""
    try:
        found = np.array(values)
        if found.dtype.kind == "i" and found.ndim == 1:
            limits = np.iinfo(kind)
            return np.where((found < limits.min) | (found > limits.max), NONE, found).astype(kind)
    except (TypeError, ValueError, OverflowError):
        pass
    return np.array([_integer(value, kind) for value in values], kind)


def _integer(value: Any, kind: Any) -> int:
    found = _number(value)
    limits = np.iinfo(kind)
    return int(found) if math.isfinite(found) and limits.min <= found < limits.max else NONE


def _some(rows: NDArray[np.bool_], values: list[Any], kind: Any = np.int64) -> NDArray[Any]:
    """Return a column of which only some rows have values."""
    column = np.full(len(rows), NONE, kind)
    column[rows] = integers(values, kind)
    return column
