"""Code that only hands over what other threads or processes make: a prefetcher, an engine of threads."""

from __future__ import annotations

import re
from collections.abc import Sequence

from gpuwatch.analyze.lines.frames import Frame
from gpuwatch.model.hot_lines import HotLine
from gpuwatch.model.measures import Place
from gpuwatch.words.source_code import hands_over, locks_processes, package_of, runs_program

# Where Python waits for a reply over the network: the standard library's files, and packages of clients.
_NETWORK_FILES = ("/socket.py", "/ssl.py", "/http/client.py", "/urllib/request.py")
_CLIENTS = frozenset(["urllib3", "requests", "httpx", "httpcore", "aiohttp", "grpc", "botocore"])
WAITING = frozenset(("wait", "acquire", "join"))
# A line with this share of the loading is what it waits in.
LINE_SHARE = 0.4
# The calls of a hot line, or the frames of a sample.
Stack = Sequence[Place] | Sequence[Frame]


def _innermost_file(stack: Stack) -> str:
    return stack[-1].file if stack else ""


def waits_for_threads(line: HotLine | None) -> bool:
    """Say whether a loader's hottest line waits at a lock: another thread makes what it hands over."""
    if line is None or line.share < LINE_SHARE:
        return False
    return waits_for_others(line.stack) or not words(line).isdisjoint(WAITING)


def takes_turns(line: HotLine | None) -> bool:
    """Say whether workers stand at a lock that only one of them can hold, at their hottest line."""
    if line is None or line.share < LINE_SHARE:
        return False
    return "semlock" in words(line) or locks_processes(_innermost_file(line.stack))


def waits_for_others(stack: Stack) -> bool:
    """Say whether a stack ends where Python waits for a lock, a queue or a pipe that others give or fill; a program that it
    started itself, and waits for, is its own work."""
    return hands_over(_innermost_file(stack)) and not waits_for_program(stack)


def waits_for_program(stack: Stack) -> bool:
    """Say whether a stack starts another program and waits for its end."""
    return any(runs_program(call.file, call.function or "") for call in stack)


def waits_for_network(line: HotLine) -> bool:
    """Say whether a line's call ends in a request over the network."""
    inner = line.stack[-3:]
    return any(place.file.endswith(_NETWORK_FILES) or package_of(place.file) in _CLIENTS for place in inner)


def words(line: HotLine) -> set[str]:
    """Return the words of a line's callee and source."""
    return set(re.findall(r"[a-z]+", f"{line.callee or ''} {line.source or ''}".lower()))
