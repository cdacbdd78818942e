"""The control group we run in: CPU quota, throttling and memory limit, in cgroup v1, v2 and the mixture of both.

A quota binds at any level, so every ancestor that can be seen is read and the tightest one counts. Inside a
container the group's own path may not be below the mount: then the mount itself is the group.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

from gpuwatch.records import dataclass
from gpuwatch.sources.base import Row

# v1 writes "no limit" as the largest page-aligned number.
_UNLIMITED_BYTES = 1 << 60


@dataclass(frozen=True)
class Group:
    """Where a controller's files are: `folder` is our group, `mount` the topmost ancestor that can be seen."""

    version: int
    folder: Path
    mount: Path

    def levels(self) -> Iterator[Path]:
        """Yield our group's folder and then its ancestors, up to the mount."""
        folder = self.folder
        while True:
            yield folder
            if folder == self.mount or folder == folder.parent:
                return
            folder = folder.parent


@dataclass(frozen=True)
class Cpu:
    """A reading of the CPU controller. `quota_cores` None: no limit."""

    version: int
    quota_cores: float | None
    usage_ns: int | None
    periods: int | None
    throttled_periods: int | None
    throttled_ns: int | None


class CgroupSource:
    """Rows of kind `cgroup`, for the group of `process` ("self" or a pid)."""

    name = "cgroup"
    period_s = 1.0
    later_period_s = 1.0

    def __init__(
        self, clock: Callable[[], int] = time.monotonic_ns, process: int | str = "self", proc: str = "/proc"
    ) -> None:
        self._clock, self._where = clock, Path(proc) / str(process)
        self._groups: dict[str, Group] = {}

    def probe(self) -> str | None:
        """Return why the control group cannot be read, or None."""
        try:
            groups = find_groups(self._where)
        except OSError as error:
            return f"{self._where}/cgroup: {error.strerror}"
        return None if "cpu" in groups else "no cgroup file system with a cpu controller is mounted here"

    def open(self) -> None:
        """Find the groups; they are not looked for again."""
        self._groups = find_groups(self._where)

    def read(self, now: int) -> list[Row]:
        """Return one row; what the controllers here do not tell is None."""
        if "cpu" not in self._groups:
            return []
        cpu = read_cpu(self._groups["cpu"], self._groups.get("cpuacct"))
        limit, used = read_memory(self._groups.get("memory"))
        return [
            [
                "cgroup",
                self._clock(),
                cpu.version,
                cpu.quota_cores,
                cpu.usage_ns,
                cpu.periods,
                cpu.throttled_periods,
                cpu.throttled_ns,
                limit,
                used,
            ]
        ]

    def close(self) -> None:
        """Forget the groups."""
        self._groups = {}


def quota_cores(process: int | str = "self") -> float | None:
    """Return how many cores the process' group may use (tightest level), None without a limit or without cgroups."""
    try:
        group = find_groups(Path("/proc") / str(process)).get("cpu")
    except OSError:
        return None
    return read_cpu(group, None).quota_cores if group else None


def find_groups(process: Path) -> dict[str, Group]:
    """Return the group per controller; v2's answers for each controller that no v1 hierarchy has taken."""
    mounts = list(_mounts((process / "mountinfo").read_text()))
    groups: dict[str, Group] = {}
    unified = None
    for line in (process / "cgroup").read_text().splitlines():
        _, names, path = line.split(":", 2)
        for version, controllers, root, mount in mounts:
            if not names and version == 2:
                unified = Group(2, _below(path, root, mount), mount)
            elif version == 1 and names and set(names.split(",")) <= controllers:
                groups.update({name: Group(1, _below(path, root, mount), mount) for name in names.split(",")})
    if unified:
        groups = {**{name: unified for name in ("cpu", "cpuacct", "memory") if _has(unified, name)}, **groups}
    return groups


def _has(group: Group, controller: str) -> bool:
    """Tell whether v2 offers the controller here: in a mixed set-up the unified tree has none."""
    try:
        return ("cpu" if controller == "cpuacct" else controller) in (
            group.mount / "cgroup.controllers"
        ).read_text().split()
    except OSError:
        return False


def _mounts(mountinfo: str) -> Iterator[tuple[int, set[str], str, Path]]:
    for line in mountinfo.splitlines():
        left, _, right = line.partition(" - ")
        fields, (kind, _, options) = left.split(), [*right.split(), "", "", ""][:3]
        if kind in ("cgroup", "cgroup2"):
            yield (2 if kind == "cgroup2" else 1), set(options.split(",")), fields[3], Path(fields[4])


def _below(path: str, root: str, mount: Path) -> Path:
    root = root.rstrip("/")
    if path != root and not path.startswith(root + "/"):
        return mount
    folder = mount / path[len(root) :].lstrip("/")
    return folder if folder.is_dir() and ".." not in folder.parts else mount


def _numbers(path: Path) -> dict[str, int]:
    try:
        pairs = (line.split() for line in path.read_text().splitlines())
        return {pair[0]: int(pair[1]) for pair in pairs if len(pair) == 2 and pair[1].lstrip("-").isdigit()}
    except OSError:
        return {}


def _number(path: Path) -> int | None:
    try:
        text = path.read_text().strip()
    except OSError:
        return None
    return int(text) if text.lstrip("-").isdigit() else None


def _quota(folder: Path, version: int) -> float | None:
    if version == 1:
        quota, period = _number(folder / "cpu.cfs_quota_us"), _number(folder / "cpu.cfs_period_us")
        return quota / period if quota and period and quota > 0 else None
    try:
        quota_us, period_us = (folder / "cpu.max").read_text().split()
    except (OSError, ValueError):
        return None
    return int(quota_us) / int(period_us) if quota_us.isdigit() else None


def read_cpu(group: Group, accounting: Group | None) -> Cpu:
    """Return the tightest quota above the group, the throttling at that level and the group's own CPU time."""
    quotas = [(quota, folder) for folder in group.levels() if (quota := _quota(folder, group.version)) is not None]
    quota, binding = min(quotas) if quotas else (None, group.folder)
    stat = _numbers(binding / "cpu.stat")
    throttled = stat.get("throttled_time")
    if throttled is None and "throttled_usec" in stat:
        throttled = stat["throttled_usec"] * 1000
    usage = _usage_ns(group, accounting)
    return Cpu(
        group.version,
        None if quota is None else round(quota, 3),
        usage,
        stat.get("nr_periods"),
        stat.get("nr_throttled"),
        throttled,
    )


def _usage_ns(group: Group, accounting: Group | None) -> int | None:
    if accounting is not None and accounting.version == 1:
        return _number(accounting.folder / "cpuacct.usage")
    usage = _numbers(group.folder / "cpu.stat").get("usage_usec")
    return None if usage is None else usage * 1000


def read_memory(group: Group | None) -> tuple[int | None, int | None]:
    """Return the tightest memory limit above the group and what is used at that level, in bytes."""
    if group is None:
        return None, None
    limit_name, used_name = (
        ("memory.limit_in_bytes", "memory.usage_in_bytes") if group.version == 1 else ("memory.max", "memory.current")
    )
    limits = [
        (limit, folder)
        for folder in group.levels()
        if (limit := _number(folder / limit_name)) is not None and limit < _UNLIMITED_BYTES
    ]
    limit, binding = min(limits) if limits else (None, group.folder)
    return limit, _number(binding / used_name)
