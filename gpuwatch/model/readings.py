"""How a metric is read from a report: of the run, of each loader, of each GPU, of each phase.

A reader gives the labelled readings of all of them, and the one figure for the whole run where there is one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import ClassVar, Protocol

from gpuwatch.model.loader_profile import LoaderProfile
from gpuwatch.model.machine_profile import DeviceProfile
from gpuwatch.model.measures import Interval, Phase
from gpuwatch.model.report import Report
from gpuwatch.records import dataclass

Measure = Interval | float | int | None


@dataclass(frozen=True, slots=True)
class Reading:
    """One value of a metric, with the labels that tell it from its siblings."""

    labels: dict[str, str]
    value: float


class Reader(Protocol):
    """`labels`: the names of its readings' labels. `of_loader`: whether a run without a training loader has none."""

    @property
    def labels(self) -> tuple[str, ...]: ...

    @property
    def of_loader(self) -> bool: ...

    def readings(self, report: Report) -> Iterator[Reading]:
        """Yield what was measured; what was not gives no reading, never a zero."""

    def of_run(self, report: Report) -> Measure:
        """Return the figure for the run; None when it was not measured or there is none."""


def point(measure: Measure) -> float | None:
    """Return a figure without its interval; None when it was not measured."""
    value = measure.median if isinstance(measure, Interval) else measure
    return float(value) if value is not None and math.isfinite(value) else None


def _reading(measure: Measure, **labels: str) -> Iterator[Reading]:
    value = point(measure)
    if value is not None:
        yield Reading(labels, value)


@dataclass(frozen=True, slots=True)
class OfRun:
    """A figure of the run."""

    get: Callable[[Report], Measure]
    labels: ClassVar[tuple[str, ...]] = ()
    of_loader: ClassVar[bool] = False

    def readings(self, report: Report) -> Iterator[Reading]:
        return _reading(self.get(report))

    def of_run(self, report: Report) -> Measure:
        return self.get(report)


@dataclass(frozen=True, slots=True)
class OfPrimary:
    """A figure of the loader that the verdict is about."""

    get: Callable[[LoaderProfile], Measure]
    labels: ClassVar[tuple[str, ...]] = ()
    of_loader: ClassVar[bool] = True

    def readings(self, report: Report) -> Iterator[Reading]:
        return _reading(self.of_run(report))

    def of_run(self, report: Report) -> Measure:
        return self.get(report.primary_loader) if report.primary_loader else None


@dataclass(frozen=True, slots=True)
class OfLoaders:
    """A figure of each loader; for the run, the one that the verdict is about."""

    get: Callable[[LoaderProfile], Measure]
    labels: ClassVar[tuple[str, ...]] = ("loader", "rank", "role")
    of_loader: ClassVar[bool] = True

    def readings(self, report: Report) -> Iterator[Reading]:
        for loader in report.loaders:
            yield from _reading(self.get(loader), loader=loader.id, rank=str(loader.rank), role=loader.role)

    def of_run(self, report: Report) -> Measure:
        return self.get(report.primary_loader) if report.primary_loader else None


@dataclass(frozen=True, slots=True)
class OfDevices:
    """A figure of each GPU; for the run, the mean of those that were measured."""

    get: Callable[[DeviceProfile], float | int | None]
    labels: ClassVar[tuple[str, ...]] = ("device", "uuid")
    of_loader: ClassVar[bool] = False

    def readings(self, report: Report) -> Iterator[Reading]:
        for device in report.devices:
            yield from _reading(self.get(device), device=str(device.index), uuid=device.uuid)

    def of_run(self, report: Report) -> Measure:
        values = [reading.value for reading in self.readings(report)]
        return sum(values) / len(values) if values else None


@dataclass(frozen=True, slots=True)
class OfPhases:
    """A figure of each phase of each rank."""

    get: Callable[[Phase], float]
    labels: ClassVar[tuple[str, ...]] = ("rank", "phase")
    of_loader: ClassVar[bool] = False

    def readings(self, report: Report) -> Iterator[Reading]:
        for rank in report.ranks:
            for phase in rank.phases:
                yield from _reading(self.get(phase), rank=str(rank.rank), phase=phase.name)

    def of_run(self, report: Report) -> Measure:
        return None


@dataclass(frozen=True, slots=True)
class OfEach:
    """A figure of each value of one label: each bound, each severity."""

    label: str
    known: tuple[str, ...]
    get: Callable[[Report, str], float]
    of_loader: ClassVar[bool] = False

    @property
    def labels(self) -> tuple[str, ...]:
        return (self.label,)

    def readings(self, report: Report) -> Iterator[Reading]:
        for name in self.known:
            yield Reading({self.label: name}, self.get(report, name))

    def of_run(self, report: Report) -> Measure:
        return None
