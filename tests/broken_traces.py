"""Damage a GPU trace in one of many ways, by a seed: what `scripts/fuzz` and the tests of broken traces share."""

from __future__ import annotations

import gzip
import json
import math
from collections.abc import Callable
from copy import deepcopy
from random import Random
from typing import Any

from tests.traces import FakeTrace, training

ODD: tuple[Any, ...] = (
    None,
    True,
    "",
    "12.5",
    "soon",
    [],
    [1, 2],
    {},
    {"a": {}},
    -1,
    0,
    1e308,
    -1e308,
    10**30,
    2**63,
    -(2**63),
    1e-320,
    math.nan,
    math.inf,
    "\ud800",
    "x" * 10_000,
)
TOP = ("ph", "cat", "name", "pid", "tid", "ts", "dur", "args")
ARGUMENTS = ("device", "stream", "correlation", "External id", "bytes", "Call stack")


def made(noise: Random) -> FakeTrace:
    trace = training(noise.randint(1, 6), loader_us=noise.choice((0.0, 3000.0)))
    return trace.old() if noise.random() < 0.3 else trace


def cut(noise: Random) -> bytes:
    data = made(noise).text(noise.choice(("object", "list", "pretty"))).encode()
    return data[: noise.randrange(len(data))]


def cut_packed(noise: Random) -> bytes:
    data = bytearray(gzip.compress(made(noise).text().encode()))
    for _ in range(noise.randint(0, 3)):
        data[noise.randrange(len(data))] ^= 1 << noise.randrange(8)
    return bytes(data[: noise.randrange(2, len(data))])


def shuffled(noise: Random) -> bytes:
    trace = made(noise)
    noise.shuffle(trace.events)
    trace.events += noise.choices(trace.events, k=10)
    del trace.events[: noise.randrange(len(trace.events))]
    return trace.text("list").encode()


def of_wrong_types(noise: Random) -> bytes:
    trace = made(noise)
    for event in noise.sample(trace.events, k=noise.randint(1, len(trace.events))):
        event[noise.choice(TOP)] = deepcopy(noise.choice(ODD))
        if isinstance(event.get("args"), dict):
            event["args"][noise.choice(ARGUMENTS)] = deepcopy(noise.choice(ODD))
    return json.dumps(trace.document()).encode()


def of_wrong_headers(noise: Random) -> bytes:
    document = made(noise).document()
    for key in ("deviceProperties", "distributedInfo", "baseTimeNanoseconds", "traceName"):
        document[key] = deepcopy(noise.choice((*ODD, [{"id": "x", "name": 3}], {"rank": "a", "world_size": -5})))
    if noise.random() < 0.3:
        document["traceEvents"] = noise.choice((*ODD, [[]], [None, 1, "x", {}], [{"ph": "X"}]))
    return json.dumps(document).encode()


def of_huge_numbers(noise: Random) -> bytes:
    trace = made(noise)
    for event in noise.sample(trace.events, k=noise.randint(1, 20)):
        event[noise.choice(("ts", "dur"))] = noise.choice((1e300, 1e17, 10**25, -(10**25), 1e12, 9e15))
        event["args"]["correlation"] = noise.choice((10**20, -5, 2**62, 1e18))
        event["args"]["device"] = noise.choice((10**12, -3, 99, 2**31))
    return trace.text().encode()


def of_noisy_bytes(noise: Random) -> bytes:
    data = bytearray(made(noise).text(noise.choice(("object", "pretty"))).encode())
    for _ in range(noise.randint(1, 60)):
        at = noise.randrange(len(data))
        change = noise.choice(("replace", "insert", "delete"))
        if change == "replace":
            data[at] = noise.randrange(256)
        elif change == "insert":
            data[at:at] = noise.choice((b"\xff\xfe", b"{", b"}", b"[", b"]", b'"', b"\\", b",", b"\0", b"NaN", b"\n"))
        else:
            del data[at : at + noise.randint(1, 40)]
    return bytes(data)


def of_something_else(noise: Random) -> bytes:
    return noise.choice(
        (
            b"",
            b"{",
            b"[",
            b'{"traceEvents": [',
            b'{"traceEvents": [}',
            b"[" * 100_000,
            b'{"traceEvents": [' + b'{"a":' * 50_000,
            b"[[[[[]]]]]",
            b"\x1f\x8b" + noise.randbytes(50),
            gzip.compress(b"no trace"),
            gzip.compress(b""),
            noise.randbytes(5000),
            b"SQLite format 3\0" + noise.randbytes(3000),
            b"ts,dur\n1,2\n",
            b'"text"',
            b"null",
        )
    )


BREAKS: tuple[Callable[[Random], bytes], ...] = (
    cut,
    cut_packed,
    shuffled,
    of_wrong_types,
    of_wrong_headers,
    of_huge_numbers,
    of_noisy_bytes,
    of_something_else,
)
