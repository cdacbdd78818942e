"""Who is who where gpuwatch attached to a training: its ranks as /proc showed them, its workers as their stacks do.

No process wrote events. What the rest of the analysis reads of a process (its header, its cores) is put together here.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from gpuwatch.analyze.numbers.arrays import as_list
from gpuwatch.analyze.processes.sorting import Processes, Trainer, Worker, last_event_ns
from gpuwatch.model.recording import ProcessLog, Recording, Table

_WORKER_LOOP = "_worker_loop"
_MAIN = "MainThread"
# Under this number a trainer's workers are listed: it has no iterators.
LOOKED = 0


def attached_processes(recording: Recording) -> Processes:
    """Return the processes of an attached look; their time is that of the look."""
    run, attached = recording.run, recording.by_writer("attached")
    stacks = recording.by_writer("stacks")
    sampler = next(iter(recording.by_writer("sampler")), None)
    end_ns = float(run.ended_ns or max([float(run.started_ns), *(last_event_ns(log) for log in recording.logs)]))
    rows = [row for log in attached for row in log.table("training").dicts()]
    masks = [row for log in attached for row in log.table("cpus").dicts()]
    parents = _parents(sampler)
    numbers = {row.get("pid"): row.get("worker") for log in stacks for row in log.table("loading").dicts()}
    trainers, workers = [], []
    for row in rows:
        trainer = _trainer(row, recording, end_ns, masks)
        mine = [
            _worker(pid, trainer, numbers.get(pid), masks)
            for pid in sorted(_looping(stacks))
            if trainer.log.pid in _above(pid, parents)
        ]
        trainer.workers = {LOOKED: mine}
        trainers.append(trainer)
        workers += mine
    return Processes(recording, trainers, workers, [], sampler, float(run.started_ns), end_ns)


def _looping(stacks: Iterable[ProcessLog]) -> set[int]:
    """Return the processes whose main thread was seen in a loader's worker loop."""
    found = set()
    for log in stacks:
        table = log.table("stack")
        for pid, thread, frames in zip(*map(table.column, ("pid", "tid", "frames")), strict=True):
            first = as_list(frames)[:1]
            if thread == _MAIN and first and str(first[0][0]).endswith(_WORKER_LOOP):
                found.add(int(pid))
    return found


def _parents(sampler: ProcessLog | None) -> dict[int, int]:
    table = sampler.table("process") if sampler else Table("process", (), [])
    return {
        int(pid): int(parent)
        for pid, parent in zip(table.column("pid"), table.column("ppid"), strict=True)
        if isinstance(pid, int) and isinstance(parent, int)
    }


def _above(pid: int, parents: Mapping[int, int]) -> list[int]:
    found: list[int] = []
    while pid in parents and parents[pid] not in found:
        pid = parents[pid]
        found.append(pid)
    return found


def _trainer(row: Mapping[str, Any], recording: Recording, end_ns: float, masks: list[dict[str, Any]]) -> Trainer:
    run, size = recording.run, int(row.get("world_size") or 1)
    header = _header(int(row["pid"]), recording) | {
        "ppid": row.get("ppid"),
        "argv": as_list(row.get("command")),
        "process_start_ns": row.get("start_ns"),
        "python": row.get("python") or "",
    }
    devices = [[index, uuid, name] for index, uuid, name in _devices(recording, row)]
    meta = {"torch": row.get("torch"), "cpu_count": row.get("cpu_count"), "cuda_devices": devices}
    meta["device"] = devices[0][2] if devices else "a GPU" if as_list(row.get("devices")) else "cpu"
    return Trainer(
        log=_log(f"attached-{row['pid']}", header, _own_masks(int(row["pid"]), masks)),
        shift_ns=0.0,
        rank=-1 if row.get("rank") is None else int(row["rank"]),
        local_rank=int(row.get("local_rank") or 0),
        world_size=size,
        start_ns=float(run.started_ns),
        end_ns=end_ns,
        meta=meta,
        iterators=[],
    )


def _devices(recording: Recording, row: Mapping[str, Any]) -> list[tuple[int, str, str]]:
    """Return the GPUs that a rank computes on: those on which NVML names it, else those whose files it has open."""
    sampler = next(iter(recording.by_writer("sampler")), None)
    if sampler is None:
        return []
    facts = {int(one["device"]): one for one in sampler.table("device").dicts() if one.get("device") is not None}
    table = sampler.table("gpu_process")
    named = {
        int(device)
        for device, pid in zip(table.column("device"), table.column("pid"), strict=True)
        if pid == row["pid"] and device is not None
    }
    opened = {int(device) for device in as_list(row.get("devices"))}
    # Every context opens all devices that it sees: which one it computes on is told only by one.
    used = named or (opened if len(opened) == 1 else set())
    return [
        (d, str(facts[d].get("uuid") or ""), str(facts[d].get("name") or "GPU")) for d in sorted(used & facts.keys())
    ]


def _worker(pid: int, trainer: Trainer, number: Any, masks: list[dict[str, Any]]) -> Worker:
    log = _log(f"attached-{pid}", {**trainer.log.header, "pid": pid}, _own_masks(pid, masks))
    return Worker(log, 0.0, number, trainer.log.pid, trainer.start_ns, {})


def _own_masks(pid: int, masks: list[dict[str, Any]]) -> list[list[Any]]:
    return [[row["t"], "start", pid, row.get("cpus")] for row in masks if row.get("pid") == pid]


def _header(pid: int, recording: Recording) -> dict[str, Any]:
    run = recording.run
    return {"writer": "hook", "pid": pid, "host": run.host, "mono_ns": run.started_ns, "wall_ns": run.started_wall_ns}


def _log(name: str, header: dict[str, Any], masks: list[list[Any]]) -> ProcessLog:
    tables: dict[str, Table] = defaultdict()
    if masks:
        tables["cpus"] = Table("cpus", ("t", "moment", "pid", "cpus"), masks)
    return ProcessLog(name, header, tables)
