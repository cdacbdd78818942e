"""A source in use: opened once, its failures turned into gaps, its next reading planned."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from gpuwatch.sources.base import Row, Source
from gpuwatch.sources.spool import SpoolFile

# The start of a run changes fast and may be all there is; a long run's spool must stay small.
EARLY_NS, EARLY_PERIOD_S = 5_000_000_000, 0.25
LATER_NS = 600_000_000_000
SLOW_READING_NS = 1_000_000_000


class Slot:
    """One source with its schedule and its failures. Nothing that a source does wrong leaves this class."""

    def __init__(
        self, source: Source, rate_hz: float = 1.0, early: bool = True, clock: Callable[[], int] = time.monotonic_ns
    ) -> None:
        self.source, self._rate, self._early, self._clock = source, rate_hz, early, clock
        self._started = self._due = clock()
        self._failing: tuple[int, str] | None = None
        self.reason: str | None = "not opened yet"

    def open(self) -> Row:
        """Open the source; return a `meta` row saying whether it works, and if not why."""
        try:
            self.reason = self.source.probe()
            if self.reason is None:
                self.source.open()
        except Exception as error:  # a source is foreign ground: drivers, kernel files, libraries
            self.reason = str(error) or type(error).__name__
        return ["meta", self._clock(), "source", {"name": self.source.name, "unavailable": self.reason}]

    def period_s(self, now: int) -> float:
        """Return the present sampling period in seconds."""
        elapsed = now - self._started
        wanted = self.source.later_period_s if elapsed > LATER_NS else self.source.period_s
        early = self._early and elapsed < EARLY_NS
        return min(wanted, EARLY_PERIOD_S) if early else wanted / self._rate

    def rows(self, now: int) -> list[Row]:
        """Return the source's rows if it is due, with a `gap` row once it works again after failing."""
        period = int(self.period_s(now) * 1e9)
        if self.reason is not None or now < self._due - period // 4:
            return []
        self._due = now + period
        try:
            rows = list(self.source.read(now))
        except Exception as error:  # as above: one source must not stop the others
            self._failing = self._failing or (now, str(error) or type(error).__name__)
            return []
        return rows + self.gap(now)

    def gap(self, now: int) -> list[Row]:
        """Return the `gap` row of a failure that ends now, or nothing."""
        if self._failing is None:
            return []
        (since, reason), self._failing = self._failing, None
        return [["gap", since, now, self.source.name, reason]]

    def close(self) -> None:
        """Close the source, whatever it says."""
        try:
            if self.reason is None:
                self.source.close()
        except Exception:  # as above
            return


class SlotThread(threading.Thread):
    """Runs one source on its own thread, straight into the spool: a driver that answers late delays no other source."""

    def __init__(
        self,
        slot: Slot,
        spool: SpoolFile,
        last_rows: Callable[[], list[Row]],
        clock: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        super().__init__(name=slot.source.name, daemon=True)
        self._slot, self._spool, self._last_rows, self._clock = slot, spool, last_rows, clock
        self._ask, self._stop_asked = threading.Event(), False
        self._busy_since: int | None = None

    def ask(self) -> None:
        """Ask for a reading as soon as the thread is free; never waits."""
        self._ask.set()

    def run(self) -> None:
        """Read whenever asked, until asked to stop."""
        self._timed(lambda: [self._slot.open()])
        while not self._stop_asked:
            self._ask.wait()
            self._ask.clear()
            self._timed(lambda: self._slot.rows(self._clock()))
        self._spool.write(self._last_rows() + self._slot.gap(self._clock()))
        self._slot.close()

    def stop(self, patience_s: float) -> None:
        """End the thread; one that still waits for its driver is left behind with a `gap` row."""
        self._stop_asked = True
        self._ask.set()
        self.join(patience_s)
        since = self._busy_since
        if self.is_alive() and since is not None:
            self._spool.write(
                [
                    [
                        "gap",
                        since,
                        self._clock(),
                        self._slot.source.name,
                        "the driver had not answered when the run ended",
                    ]
                ]
            )

    def _timed(self, reading: Callable[[], list[Row]]) -> None:
        self._busy_since = began = self._clock()
        rows = reading()
        took = self._clock() - began
        self._busy_since = None
        if took > SLOW_READING_NS and not self._stop_asked:
            rows.append(
                ["gap", began, began + took, self._slot.source.name, f"the driver took {took / 1e9:.1f} s to answer"]
            )
        self._spool.write(rows)
