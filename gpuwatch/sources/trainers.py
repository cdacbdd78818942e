"""Which processes of the run train, and how it goes, from the tails of their event logs.

A process trains once it has made a DataLoader iterator. Only new bytes are read, and of a busy loop only the last.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from gpuwatch.records import dataclass
from gpuwatch.words.event_log import Columns, integers, kind_of, read_header

_MOST_BYTES = 1 << 17


@dataclass
class Trainer:
    """One process with the hook that is no worker; it trains once it has `iterators`. Times in time.monotonic_ns.

    `wait_share`, `step_ns`: of its latest steps, the part spent asking for a batch and the mean; None before any."""

    pid: int
    batches: int = 0
    iterators: int = 0
    workers: int = 0
    first_batch_ns: int | None = None
    wait_share: float | None = None
    step_ns: float | None = None
    since_ns: int | None = None


class _Tail:
    """One spool file of the hook, read as it grows."""

    def __init__(self, path: Path) -> None:
        self._path, self._offset = path, 0
        self.trainer = Trainer(int(path.name.partition("-")[0]))
        self.is_worker = False
        self._columns = Columns({})
        self._times: tuple[int, ...] = ()

    def refresh(self) -> None:
        """Read what was added."""
        with self._path.open("rb") as file:
            end = file.seek(0, 2)
            skipped = end - self._offset > _MOST_BYTES and self._offset > 0
            file.seek(end - _MOST_BYTES if skipped else self._offset)
            data = file.read(_MOST_BYTES)
        if skipped:
            data = data[data.find(b"\n") + 1 :]
        whole = data.rfind(b"\n") + 1
        self._offset = (end - len(data) if skipped else self._offset) + whole
        self._take(data[:whole].split(b"\n"))

    def _take(self, lines: list[bytes]) -> None:
        waits: list[tuple[int, int]] = []
        for line in lines:
            kind = kind_of(line)
            if kind == "batch":
                if len(times := integers(line, self._times)) == 2:
                    waits.append((times[0], times[1]))
            elif kind == "steps":
                waits += _only_timed(self._event(line).get("times"))
            elif kind == "iterator":
                self._iterator(self._event(line).get("workers"))
            elif kind == "worker":
                self.is_worker = True
            elif line.startswith(b"{"):
                self._header(line)
        self._note(waits)

    def _header(self, line: bytes) -> None:
        header, _ = read_header(line)
        if header is not None:
            self._columns = Columns(header["columns"])
            self._times = self._columns.positions("batch", "t0", "t1")
            self.trainer.since_ns = header.get("process_start_ns") or header["mono_ns"]

    def _event(self, line: bytes) -> dict[str, Any]:
        try:
            return self._columns.event(line)[1]
        except ValueError:
            return {}

    def _iterator(self, workers: object) -> None:
        self.trainer.iterators += 1
        if isinstance(workers, list) and workers:
            self.trainer.workers = len(workers)

    def _note(self, waits: list[tuple[int, int]]) -> None:
        trainer = self.trainer
        trainer.batches += len(waits)
        if waits and trainer.first_batch_ns is None:
            trainer.first_batch_ns = waits[0][1]
        if len(waits) > 1 and waits[-1][1] > waits[0][1]:
            waited = sum(given - asked for asked, given in waits[1:])
            took = waits[-1][1] - waits[0][1]
            trainer.wait_share, trainer.step_ns = waited / took, took / (len(waits) - 1)


class Trainers:
    """The training processes among those that write a spool, in one run folder or in those of several tasks."""

    def __init__(self, *runs: Path) -> None:
        self._changed: dict[Path, int] = {}
        self._listed: dict[Path, list[Path]] = {}
        self._tails: dict[Path, _Tail] = {}
        self.of(runs)

    def of(self, runs: Iterable[Path]) -> None:
        """Look at the spools of these runs from now on."""
        self._spools = [run / "spool" for run in runs]

    def refresh(self, hooked: Iterable[int]) -> list[Trainer]:
        """Return the processes among `hooked` (living pids) that are no workers, by pid."""
        alive = {str(pid) for pid in hooked}
        files = [file for spool in self._spools for file in self._files(spool)]
        wanted = [file for file in files if file.name.partition("-")[0] in alive]
        self._tails = {file: self._tails.get(file) or _Tail(file) for file in wanted}
        tails = [tail for tail in self._tails.values() if not tail.is_worker]
        for tail in tails:
            try:
                tail.refresh()
            except OSError:
                continue
        return [tail.trainer for tail in tails if not tail.is_worker]

    def _files(self, spool: Path) -> list[Path]:
        """Return the spool's files; listed again only when the folder changed (each epoch may add workers)."""
        try:
            changed = spool.stat().st_mtime_ns
            if changed != self._changed.get(spool):
                names = sorted(name for name in os.listdir(spool) if name.endswith(".jsonl"))
                self._listed[spool], self._changed[spool] = [spool / name for name in names], changed
        except OSError:
            return []
        return self._listed[spool]


def _only_timed(times: object) -> list[tuple[int, int]]:
    """Return [(t0, t1), ...] of steps that were only timed."""
    if not isinstance(times, list) or not all(isinstance(time, int) for time in times):
        return []
    return list(zip(times[0::2], times[1::2], strict=False))
