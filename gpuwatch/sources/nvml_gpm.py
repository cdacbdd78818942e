"""GPU performance monitoring (Hopper and later): how much of the chip worked between two samples.

NVML's GPM answers for the stretch between two samples. Under 100 ms apart it gives zeros or nothing that look
like measurements, so an earlier sample is kept until it is old enough.
"""

from __future__ import annotations

import math
from typing import Any

from gpuwatch.sources.nvml_library import Calls, NvmlError

MIN_INTERVAL_NS = 105_000_000

# NVML_GPM_METRIC_*: SM_UTIL, SM_OCCUPANCY, ANY_TENSOR_UTIL, DRAM_BW_UTIL; percent.
METRICS = {2: "sm_active", 3: "occupancy", 5: "tensor_active", 10: "dram_active"}


class Gpm:
    """The two samples of one GPU and the structure that asks about them (19 KB, made once)."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls
        library = calls.library
        self._before, self._after = library.call("nvmlGpmSampleAlloc"), library.call("nvmlGpmSampleAlloc")
        self._taken_ns: int | None = None
        self._ask = library.structure("c_nvmlGpmMetricsGet_t")
        self._ask.version = 1  # NVML_GPM_METRICS_GET_VERSION
        self._ask.numMetrics = len(METRICS)
        for slot, metric in enumerate(METRICS):
            self._ask.metrics[slot].metricId = metric

    def read(self, now: int) -> dict[str, float | None]:
        """Return percent per metric since the kept sample; empty when it is too young. `now`: time.monotonic_ns."""
        if self._taken_ns is not None and now - self._taken_ns < MIN_INTERVAL_NS:
            return {}
        self._calls.library.call("nvmlGpmSampleGet", self._calls.handle, self._after)
        first, self._taken_ns = self._taken_ns is None, now
        try:
            return {} if first else self._values()
        finally:
            self._before, self._after = self._after, self._before

    def _values(self) -> dict[str, float | None]:
        self._ask.sample1, self._ask.sample2 = self._before, self._after
        self._calls.library.call("nvmlGpmMetricsGet", self._ask)
        slots = [self._ask.metrics[slot] for slot in range(len(METRICS))]
        return {METRICS[slot.metricId]: _number(slot) for slot in slots}

    def forget(self) -> None:
        """Drop the kept sample: what follows it would span a gap."""
        self._taken_ns = None

    def close(self) -> None:
        """Free both samples."""
        for sample in (self._before, self._after):
            try:
                self._calls.library.call("nvmlGpmSampleFree", sample)
            except NvmlError:
                return


def _number(slot: Any) -> float | None:
    return round(slot.value, 2) if slot.nvmlReturn == 0 and math.isfinite(slot.value) else None


def open_gpm(calls: Calls) -> Gpm | None:
    """Return the GPM reader of a GPU, None when it has none: support is asked for, and then one sample tried."""

    def start() -> Gpm | None:
        if not calls.library.call("nvmlGpmQueryDeviceSupport", calls.handle).isSupportedDevice:
            calls.refused["gpm"] = "only Hopper and later GPUs have GPM"
            return None
        gpm = Gpm(calls)
        try:
            calls.library.call("nvmlGpmSampleGet", calls.handle, gpm._after)
        except NvmlError:
            gpm.close()
            raise
        return gpm

    return calls.attempt("gpm", start)  # type: ignore[no-any-return]
