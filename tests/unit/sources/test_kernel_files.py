"""Readings of /proc and of the control groups, from files as kernels write them."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from gpuwatch.sources import cgroup, cpu, memory, pressure, processes

STAT = b"cpu  30 0 30 300 4 0 0 0 0 0\ncpu0 10 0 10 100 0 0 0 0 5 0\ncpu1 20 0 20 200 4 0 0 0 0 0\nintr 1 2 3\n"


def test_busy_share_counts_neither_idle_nor_iowait() -> None:
    before = {0: [10, 0, 10, 100, 0, 0, 0, 0], 1: [0, 0, 0, 0, 0, 0, 0, 0]}
    after = {0: [40, 0, 20, 150, 10, 0, 0, 0], 1: [0, 0, 0, 100, 0, 0, 0, 0]}
    assert cpu.shares(before, after) == ([0.4, 0.0], 0.1)


def test_a_core_switched_on_meanwhile_has_no_share_yet() -> None:
    assert cpu.shares({0: [0] * 8}, {0: [1] + [0] * 7, 5: [9] * 8}) == ([1.0], 0.0)


def test_cores_are_told_from_the_sum_and_the_rest(tmp_path: Path) -> None:
    assert cpu.parse_cores(STAT) == {0: [10, 0, 10, 100, 0, 0, 0, 0], 1: [20, 0, 20, 200, 4, 0, 0, 0]}


def test_cpu_rows_wait_for_enough_kernel_ticks(tmp_path: Path) -> None:
    path = tmp_path / "stat"
    path.write_bytes(STAT)
    times = itertools.count(0, 30_000_000)
    source = cpu.CpuSource(lambda: next(times), str(path))
    source.open()
    assert list(source.read(0)) == []  # 30 ms: three of the kernel's ticks at most
    path.write_bytes(STAT.replace(b"cpu0 10", b"cpu0 16"))
    ((kind, t, interval, busy, iowait, _),) = source.read(0)
    assert (kind, t, interval, busy, iowait) == ("cpu", 60_000_000, 60_000_000, [1.0, 0.0], 0.0)
    source.close()


def test_memory_in_bytes_with_swap_and_no_shared_memory(tmp_path: Path) -> None:
    path = tmp_path / "meminfo"
    path.write_text("MemTotal: 100 kB\nMemAvailable: 40 kB\nSwapTotal: 10 kB\nSwapFree: 4 kB\nHugePages_Total: 3\n")
    source = memory.MemorySource(lambda: 7, str(path), str(tmp_path / "missing"))
    source.open()
    assert source.read(0) == [["memory", 7, 102400, 40960, 6144, None, None]]
    source.close()


def test_pressure_totals_and_a_kernel_without_the_full_line() -> None:
    raw = b"some avg10=0.43 avg60=0.89 avg300=0.96 total=18123265\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=12\n"
    assert pressure.parse_totals(raw) == {"some": 18123265, "full": 12}
    assert pressure.parse_totals(raw.split(b"\n")[0]) == {"some": 18123265}


def test_a_kernel_without_pressure_says_so(tmp_path: Path) -> None:
    reason = pressure.PressureSource(folder=str(tmp_path / "none")).probe()
    assert reason and "PSI" in reason


def test_a_process_name_may_hold_brackets_and_blanks() -> None:
    raw = b"42 (a) b (c) R 7 " + b" ".join(str(n).encode() for n in range(5, 53))
    stat = processes.parse_stat(raw)
    assert (stat.name, stat.state, stat.ppid, stat.major_faults, stat.threads) == ("a) b (c", "R", 7, 12, 20)
    assert stat.cpu_ns == (14 + 15) * 10_000_000 and stat.rss_bytes == 24 * 4096


def _group(root: Path, mounts: str, own: str, files: dict[str, str]) -> Path:
    """Lay out a process folder with its groups below `root`; `{}` in mounts is the root."""
    for name, content in files.items():
        path = root / "fs" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    process = root / "proc" / "self"
    process.mkdir(parents=True)
    (process / "mountinfo").write_text(mounts.replace("{}", str(root / "fs")))
    (process / "cgroup").write_text(own)
    return root / "proc"


V2 = "30 20 0:27 / {} rw,nosuid - cgroup2 cgroup2 rw\n"
V1 = (
    "32 31 0:29 /docker/abc {}/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n"
    "35 31 0:32 /docker/abc {}/memory rw - cgroup cgroup rw,memory\n38 31 0:38 / {}/unified rw - cgroup2 cgroup2 rw\n"
)


def _row(proc: Path) -> dict[str, object]:
    source = cgroup.CgroupSource(lambda: 1, proc=str(proc))
    assert source.probe() is None
    source.open()
    (row,) = source.read(0)
    names = ("version", "quota_cores", "usage_ns", "periods", "throttled_periods", "throttled_ns", "limit", "used")
    return dict(zip(names, row[2:], strict=True))


def test_v2_quota_of_an_ancestor_binds(tmp_path: Path) -> None:
    files = {
        "cgroup.controllers": "cpu memory",
        "pod/cpu.max": "150000 100000\n",
        "pod/cpu.stat": "usage_usec 99\nnr_periods 50\nnr_throttled 20\nthrottled_usec 7\n",
        "pod/memory.max": "1000\n",
        "pod/memory.current": "900\n",
        "pod/box/cpu.max": "max 100000\n",
        "pod/box/cpu.stat": "usage_usec 12\nnr_periods 0\nnr_throttled 0\nthrottled_usec 0\n",
        "pod/box/memory.max": "max\n",
        "pod/box/memory.current": "10\n",
    }
    row = _row(_group(tmp_path, V2, "0::/pod/box\n", files))
    assert row == {"version": 2, "quota_cores": 1.5, "usage_ns": 12_000, "periods": 50, "throttled_periods": 20,
                   "throttled_ns": 7_000, "limit": 1000, "used": 900}  # fmt: skip


def test_v2_without_limits(tmp_path: Path) -> None:
    files = {"cgroup.controllers": "cpu memory", "a/cpu.stat": "usage_usec 5\n", "a/memory.current": "11\n"}
    row = _row(_group(tmp_path, V2, "0::/a\n", files))
    assert (row["quota_cores"], row["usage_ns"], row["throttled_ns"], row["limit"], row["used"]) == (
        None,
        5000,
        None,
        None,
        11,
    )


@pytest.mark.parametrize("own", ["/docker/abc", "/"])
def test_v1_in_a_container_with_and_without_a_namespace(tmp_path: Path, own: str) -> None:
    files = {
        "cpu,cpuacct/cpu.cfs_quota_us": "250000\n",
        "cpu,cpuacct/cpu.cfs_period_us": "100000\n",
        "cpu,cpuacct/cpu.stat": "nr_periods 9\nnr_throttled 3\nthrottled_time 1234\n",
        "cpu,cpuacct/cpuacct.usage": "777\n",
        "memory/memory.limit_in_bytes": "9223372036854771712\n",
        "memory/memory.usage_in_bytes": "55\n",
    }
    row = _row(_group(tmp_path, V1, f"4:cpu,cpuacct:{own}\n3:memory:{own}\n0::/\n", files))
    assert row == {"version": 1, "quota_cores": 2.5, "usage_ns": 777, "periods": 9, "throttled_periods": 3,
                   "throttled_ns": 1234, "limit": None, "used": 55}  # fmt: skip


def test_v1_below_the_mount_and_no_quota(tmp_path: Path) -> None:
    files = {
        "cpu,cpuacct/job/7/cpu.cfs_quota_us": "-1\n",
        "cpu,cpuacct/job/7/cpu.cfs_period_us": "100000\n",
        "cpu,cpuacct/job/7/cpuacct.usage": "5\n",
        "cpu,cpuacct/job/cpu.cfs_quota_us": "400000\n",
        "cpu,cpuacct/job/cpu.cfs_period_us": "100000\n",
        "cpu,cpuacct/job/cpu.stat": "nr_periods 2\nnr_throttled 1\nthrottled_time 3\n",
    }
    proc = _group(tmp_path, V1.replace("/docker/abc", "/"), "4:cpu,cpuacct:/job/7\n0::/\n", files)
    row = _row(proc)
    assert (row["quota_cores"], row["usage_ns"], row["throttled_ns"], row["used"]) == (4.0, 5, 3, None)


def test_no_cpu_controller_is_a_reason(tmp_path: Path) -> None:
    proc = _group(tmp_path, V2, "0::/\n", {"cgroup.controllers": "pids\n"})
    reason = cgroup.CgroupSource(proc=str(proc)).probe()
    assert reason and "cpu controller" in reason
