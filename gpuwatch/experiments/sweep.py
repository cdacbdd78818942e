"""The loader sweep: the smallest setting within 3 % of the best, found without trying them all.

The loader alone is measured at growing numbers of workers until it stops getting faster, or is so much faster than
the device that more cannot matter. The candidates that are left run end to end against the loader as it is, in
turns; then prefetch and library threads are tried at the knee.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import field
from typing import Any

from gpuwatch.experiments.pairing import by_arm, outcome, rate_interval, ratio
from gpuwatch.experiments.session import Result, Window
from gpuwatch.model.experiment import LoaderTrial
from gpuwatch.model.measures import Interval
from gpuwatch.records import dataclass

KNEE = 0.03
# The loader this much faster than the device hides behind it for good.
AMPLE = 1.4
# Growth below which a doubling of the workers counts as none; two in a row end the search.
GROWTH = 0.05
MOST_WORKERS = 64
Run = Callable[[Sequence[Window]], list[Result]]
Rounds = Callable[[Callable[[int], Sequence[Window]], Callable[[], bool], float], list[Result]]


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

    def window(self, kind: str, round_: int, seconds: float) -> Window:
        """Return a window of this setting."""
        loader: dict[str, Any] = {"num_workers": self.workers}
        if self.workers and self.prefetch:
            loader["prefetch_factor"] = self.prefetch
        remedies: tuple[tuple[str, dict[str, Any]], ...] = (
            (("single-threaded-workers", {}),) if self.threads == 1 else ()
        )
        memory = kind == "loader" and round_ > 0
        return Window(self.arm, kind, round_, seconds, loader=loader, remedies=remedies, memory=memory)


@dataclass(slots=True)
class Sweep:
    """A sweep on its way. `run` runs windows, `rounds` as many rounds of windows as a share of the budget allows."""

    run: Run
    rounds: Rounds
    now: Setting
    cores: int
    seconds: float = 1.0
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
            self._vary(knee, self._variants(knee))
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
            # Without workers loading and compute take turns, however fast it is.
            if workers and (idle >= 2 or best >= AMPLE * device):
                return

    def _loader_rate(self, setting: Setting) -> float | None:
        results = self.run(
            [setting.window("loader", r, self.seconds / 2) for r in range(2)] + [Window(setting.arm, "close")]
        )
        rate = rate_interval(results)
        for result in results:
            if result.kind != "close":
                self.startups[setting] = result.startup_s
                self.memories[setting] = result.memory_bytes
            if result.note and result.kind != "close":
                self.notes[setting] = result.note
        if rate is not None:
            self.loader_rates[setting] = rate.median
        return rate.median if rate else None

    def _candidates(self, device: float) -> list[Setting]:
        """Return what deserves to run end to end: as it is, the smallest ample one, its neighbours, the fastest alone."""
        rates = self.loader_rates
        reach = min(max(rates.values(), default=0.0), device)
        enough = [s for s in rates if rates[s] >= reach * (1 - 2 * KNEE)]
        # Without workers a fast loader is still in the way: so the smallest with workers runs too.
        smallest = {
            min(group, key=lambda s: s.workers) for group in (enough, [s for s in enough if s.workers]) if group
        } or {self.now}
        beside = {_next(rates, setting, step) for setting in smallest for step in (-1, 0, 1)}
        near = [s for s in rates if s.workers in beside]
        return list(dict.fromkeys([self.now, *near]))

    def _variants(self, knee: Setting) -> list[Setting]:
        if knee.workers == 0:
            return []
        return [Setting(knee.workers, prefetch=4), Setting(knee.workers, threads=1)]

    def _compare(self, settings: Sequence[Setting]) -> None:
        """Run settings end to end in turns."""
        for setting, results in self._in_turns(settings, 0.7).items():
            rate = rate_interval(results)
            if rate is not None:
                self.loop_rates[setting] = rate

    def _vary(self, knee: Setting, variants: Sequence[Setting]) -> None:
        """Run variants of the knee in turns with it, and scale what they gain to the rate that it had before.

        One that does not clearly help keeps its row, but cannot become the knee."""
        if not variants:
            return
        groups = self._in_turns([knee, *variants], 1.0)
        for setting in variants:
            gain = ratio(groups.get(knee, []), groups.get(setting, []))
            if gain is not None:
                if outcome(gain) != "helps":
                    self.notes[setting] = "no clear gain"
                rate = self.loop_rates[knee].median
                self.loop_rates[setting] = Interval(gain.median * rate, gain.low * rate, gain.high * rate, gain.n)

    def _in_turns(self, settings: Sequence[Setting], share: float) -> dict[Setting, list[Result]]:
        def one_round(number: int) -> list[Window]:
            shift = number % len(settings)
            turns = [*settings[shift:], *settings[:shift]]
            return [setting.window("real", number, self.seconds) for setting in turns]

        found = by_arm(self.rounds(one_round, lambda: True, share))
        self.run([Window(setting.arm, "close") for setting in settings])
        return {setting: found[setting.arm] for setting in settings if setting.arm in found}

    def _knee(self) -> Setting | None:
        """Return the cheapest setting within 3 % of the fastest loop."""
        if not self.loop_rates:
            return None
        rates = {s: rate.median for s, rate in self.loop_rates.items() if s not in self.notes}
        good = [s for s, rate in rates.items() if rate >= max(rates.values()) * (1 - KNEE)]
        return min(good, key=lambda s: (s.workers, s.prefetch or 0, s.threads or 0), default=None)


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
