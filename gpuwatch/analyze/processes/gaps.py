"""What is missing from a recording: sources that failed for a while, a sampler that was not there, Pythons without hook."""

from __future__ import annotations

from gpuwatch.analyze.processes.sorting import Processes, last_event_ns, meta_of
from gpuwatch.model.profile import Unentered
from gpuwatch.model.recording import Gap, Recording

# The sampler ticks every second; twice as long without a tick at an end of the run is nothing.
_EDGE_NS = 5 * 10**9


def find_gaps(processes: Processes) -> tuple[Gap, ...]:
    """Return the times for which a writer has no data, in order."""
    if processes.sampler is None:
        if processes.seconds == 0:
            return ()
        return (Gap(int(processes.start_ns), int(processes.end_ns), "sampler", "the sampler left no data"),)
    found = [
        Gap(int(row["t0"]), int(row["t1"] or row["t0"]), str(row.get("source")), str(row.get("reason")))
        for row in processes.sampler.table("gap").dicts()
        if row.get("t0") is not None
    ]
    found += unavailable(processes)
    last = last_event_ns(processes.sampler)
    if processes.end_ns - last > _EDGE_NS:
        found.append(Gap(int(last), int(processes.end_ns), "sampler", "the sampler ended before the run"))
    return tuple(sorted(found, key=lambda gap: gap.start_ns))


def unavailable(processes: Processes) -> list[Gap]:
    """Return a gap as long as the run for each source that this machine does not offer: nothing that got lost."""
    sampler = processes.sampler
    facts = [row.get("value") for row in sampler.table("meta").dicts() if row.get("key") == "source"] if sampler else []
    missing = {
        str(fact.get("name")): fact["unavailable"]
        for fact in facts
        if isinstance(fact, dict) and fact.get("unavailable")
    }
    return [Gap(int(processes.start_ns), int(processes.end_ns), name, str(reason)) for name, reason in missing.items()]


def find_unentered(processes: Processes) -> tuple[Unentered, ...]:
    """Return each Python that the hook could not enter once; one that was entered after all is left out."""
    if processes.sampler is None:
        return ()
    hooked = {log.pid for log in processes.recording.by_writer("hook")}
    found = {
        int(row["pid"]): Unentered(
            int(row["pid"]), str(row.get("command") or ""), str(row.get("reason") or ""), str(row.get("remedy") or "")
        )
        for row in processes.sampler.table("unentered").dicts()
        if row.get("pid") is not None and row["pid"] not in hooked
    }
    return tuple(found.values())


# What the hook writes of what it could not do, in words.
_PROBLEMS = {
    "hook_error": "the hook gave up on",
    "missing_seam": "this torch lacks",
    "missing_pipeline": "batches are not measured where this version of the library lacks",
    "missing_input": "--input names what is not there:",
}


def hook_problems(recording: Recording) -> list[str]:
    """Return what the hook itself had to give up, once each."""
    found: dict[str, None] = {}
    for log in recording.by_writer("hook"):
        meta = meta_of(log)
        found |= {f"{words} {meta[key]}": None for key, words in _PROBLEMS.items() if key in meta}
    return list(found)
