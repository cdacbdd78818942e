"""The loader sweep: the smallest setting within 3 % of the best, found without trying them all.

The loader alone is measured at growing numbers of workers until it stops getting faster, or is so much faster than
the device that more cannot matter. The candidates that are left run end to end against the loader as it is, in
turns; then prefetch and library threads are tried at the knee.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from gpuwatch.experiments.pairing import by_arm, rate_interval
from gpuwatch.experiments.session import Result, Window
from gpuwatch.model import Interval, LoaderTrial

KNEE = 0.03
# The loader this much faster than the device hides behind it for good.
AMPLE = 1.4
# Growth below which a doubling of the workers counts as none; two in a row end the search.
GROWTH = 0.05
MOST_WORKERS = 64
Run = Callable[[Sequence[Window]], list[Result]]


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting of the loader; None keeps the user's."""

    workers: int
    prefetch: int | None = None
    threads: int | None = None

    @property
    def arm(self) -> str:
        prefetch = f" prefetch={self.prefetch}" if self.prefetch else ""
        threads = f" threads={self.threads}" if self.threads else ""
        return f"workers={self.workers}{prefetch}{threads}"

    def window(self, kind: str, round_: int, seconds: float, *, close: bool = False) -> Window:
        """Return a window of this setting."""
        loader: dict[str, Any] = {"num_workers": self.workers}
        if self.workers and self.prefetch:
            loader["prefetch_factor"] = self.prefetch
        remedy = "single-threaded-workers" if self.threads == 1 else None
        return Window(self.arm, kind, round_, seconds, loader=loader, remedy=remedy, close=close)


@dataclass(slots=True)
class Sweep:
    """A sweep on its way. `run` runs windows; `memory` gives the bytes per worker of the arm that ran last."""

    run: Run
    now: Setting
    cores: int
    seconds: float = 1.0
    rounds: int = 3
    memory: Callable[[], float | None] = lambda: None
    loader_rates: dict[Setting, float] = field(default_factory=dict)
    startups: dict[Setting, float | None] = field(default_factory=dict)
    memories: dict[Setting, float | None] = field(default_factory=dict)
    loop_rates: dict[Setting, Interval] = field(default_factory=dict)
    notes: dict[Setting, str] = field(default_factory=dict)

    def search(self) -> tuple[LoaderTrial, ...]:
        """Run the sweep and return its rows, the knee marked."""
        device = self._device_rate()
        self._grow(device)
        self._compare(self._candidates(device))
        knee = self._knee()
        if knee is not None:
            self._compare(self._variants(knee))
        return self.rows()

    def rows(self) -> tuple[LoaderTrial, ...]:
        """Return what is known so far."""
        knee = self._knee()
        settings = dict.fromkeys([*self.loader_rates, *self.loop_rates, *self.notes])
        ordered = sorted(settings, key=lambda s: (s.workers, s.prefetch or 0, s.threads or 0))
        return tuple(self._row(setting, knee) for setting in ordered)

    def _row(self, setting: Setting, knee: Setting | None) -> LoaderTrial:
        return LoaderTrial(
            workers=setting.workers,
            prefetch=setting.prefetch,
            threads=setting.threads,
            loader_rate=self.loader_rates.get(setting),
            loop_rate=self.loop_rates.get(setting),
            startup_s=self.startups.get(setting),
            memory_per_worker_bytes=self.memories.get(setting),
            knee=setting == knee,
            note=self.notes.get(setting, ""),
        )

    def _device_rate(self) -> float:
        rates = rate_interval(self.run([Window("device", "cached", r, self.seconds) for r in range(2)]))
        return rates.median if rates else float("inf")

    def _grow(self, device: float) -> None:
        """Measure the loader alone at 1, 2, 3, 4, 6, 8, ... workers until more cannot help."""
        idle, best = 0, 0.0
        for workers in growing(self.cores):
            rate = self._loader_rate(Setting(workers))
            if rate is None:
                return
            idle = idle + 1 if rate < best * (1 + GROWTH) else 0
            best = max(best, rate)
            if idle >= 2 or best >= AMPLE * device:
                return

    def _loader_rate(self, setting: Setting) -> float | None:
        results = self.run([setting.window("loader", r, self.seconds / 2, close=r == 1) for r in range(2)])
        rate = rate_interval(results)
        self.memories[setting] = self.memory()
        for result in results:
            self.startups[setting] = result.startup_s
            if result.note:
                self.notes[setting] = result.note
        if rate is not None:
            self.loader_rates[setting] = rate.median
        return rate.median if rate else None

    def _candidates(self, device: float) -> list[Setting]:
        """Return what deserves to run end to end: as it is, the smallest ample one, its neighbours, the fastest alone."""
        rates = self.loader_rates
        reach = min(max(rates.values(), default=0.0), device)
        enough = [s for s in rates if rates[s] >= reach * (1 - 2 * KNEE)]
        smallest = min(enough, key=lambda s: s.workers, default=self.now)
        near = [
            s for s in rates if s.workers in (smallest.workers, _next(rates, smallest, 1), _next(rates, smallest, -1))
        ]
        return list(dict.fromkeys([self.now, *near]))

    def _variants(self, knee: Setting) -> list[Setting]:
        if knee.workers == 0:
            return []
        return [Setting(knee.workers, prefetch=4), Setting(knee.workers, threads=1)]

    def _compare(self, settings: Iterable[Setting]) -> None:
        """Run settings end to end in turns."""
        new = [s for s in settings if s not in self.loop_rates]
        windows = [
            s.window("real", r, self.seconds, close=r == self.rounds - 1) for r in range(self.rounds) for s in new
        ]
        groups = by_arm(self.run(windows))
        for setting in new:
            rate = rate_interval(groups.get(setting.arm, []))
            if rate is not None:
                self.loop_rates[setting] = rate

    def _knee(self) -> Setting | None:
        """Return the cheapest setting within 3 % of the fastest loop."""
        if not self.loop_rates:
            return None
        best = max(rate.median for rate in self.loop_rates.values())
        good = [s for s, rate in self.loop_rates.items() if rate.median >= best * (1 - KNEE)]
        return min(good, key=lambda s: (s.workers, s.prefetch or 0, s.threads or 0))


def growing(cores: int) -> list[int]:
    """Return the numbers of workers to try: each about a third more than the last, past the cores for blocked work."""
    steps = [0, 1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64]
    return [n for n in steps if n <= max(4 * cores, 8) and n <= MOST_WORKERS]


def _next(rates: dict[Setting, float], setting: Setting, step: int) -> int | None:
    """Return the neighbouring number of workers that was measured."""
    known = sorted(s.workers for s in rates)
    if setting.workers not in known:
        return None
    at = known.index(setting.workers) + step
    return known[at] if 0 <= at < len(known) else None
