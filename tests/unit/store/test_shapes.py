"""What a cell of each column may hold."""

from __future__ import annotations

from gpuwatch.hook.event_log.columns import COLUMNS
from gpuwatch.sources.spool import COLUMNS as SAMPLED
from gpuwatch.store.shapes import NUMBER, Shapes, shape_of

_NUMBERS = ("_ns", "_ms", "_s", "_bytes")
# Columns that are numbers by their meaning. A new one that is not declared in SHAPES has to be put here: where it is a text,
# all of its events would be left out as damaged.
COUNTS = {
    "available",
    "awaited",
    "backward_n",
    "batch_size",
    "batched",
    "batches",
    "began",
    "blocked",
    "busy",
    "bytes",
    "count",
    "cpu_count",
    "cpu_some_us",
    "device",
    "dram_active",
    "elements",
    "end",
    "energy_mj",
    "epoch",
    "events",
    "exhausted",
    "filled",
    "gc_n",
    "held",
    "hz",
    "idle_t0",
    "index",
    "io_full_us",
    "io_some_us",
    "iowait_cores",
    "iterator",
    "last",
    "late",
    "line",
    "load1",
    "local_rank",
    "longest",
    "made_line",
    "main_in_wait",
    "major_faults",
    "memory",
    "memory_busy",
    "memory_full_us",
    "memory_mhz",
    "memory_some_us",
    "ns",
    "occupancy",
    "op",
    "optimizer_n",
    "parent",
    "periods",
    "persistent",
    "pid",
    "position",
    "positions",
    "power_limit_mw",
    "power_mw",
    "ppid",
    "processes",
    "quota_cores",
    "rank",
    "rank_pid",
    "rchar",
    "ready",
    "reasons",
    "round",
    "rows",
    "rss_begin",
    "rss_end",
    "samples",
    "sm_active",
    "sm_mhz",
    "sm_mhz_max",
    "sm_percent",
    "starved",
    "steps",
    "t",
    "t0",
    "t1",
    "temperature_c",
    "tensor_active",
    "tensors",
    "threads",
    "throttled_periods",
    "ticks",
    "touched",
    "version",
    "weight",
    "width",
    "worker",
    "workers",
    "world_size",
    "xid",
}


def test_the_name_of_an_optimizer_is_kept() -> None:
    row = [33092323757137, "Adam", 300000, 32, 9600033, 0.002197]
    assert Shapes(COLUMNS).sound("table", [row]) == [row]


def test_every_column_is_a_number_by_its_name_or_declared_as_something_else() -> None:
    columns = [(kind, name) for declared in (COLUMNS, SAMPLED) for kind, names in declared.items() for name in names]
    undeclared = {name for kind, name in columns if shape_of(kind, name) is NUMBER and not name.endswith(_NUMBERS)}
    assert undeclared == COUNTS
