"""Whether this thread is making a batch: written by `worker_process/fetch`, read also by the line sampler's tick."""

from __future__ import annotations

import threading

from .process import process


class FetchInProgress(threading.local):
    """One thread's fetch: whether it is in one, and whether that is measured."""

    busy = measuring = False
    collate_ns = 0
    number = 0  # in the trainer: of the batch that a loader without workers is asked for

    def after_fork(self) -> None:
        """Keep all: what a process that is forked inside a fetch does is part of that fetch."""


here = process.own(FetchInProgress())
