"""Something that only a search for an error needs was left on: anomaly mode, a profiler, a tracer, blocking launches.

What it means
    Autograd's anomaly mode keeps where each operation was called and looks for NaN after each one of the backward pass. A
    profiler writes down every operation, a debugger's tracer is called for every line. CUDA_LAUNCH_BLOCKING makes the host
    wait for each kernel. All of them are switched on once, often in an imported file, and no line of the loop shows it.

How it is measured
    The training process is asked what is on, a few times while it trains and once inside of a backward pass: by its
    state, not by its stacks. The line is the only one of the user's own source that mentions the switch. Stack samples
    inside of anomaly mode say what it takes at least; of the others the cost is not measured.

When it is wrong
    A profiler with a schedule records some steps only: it is not reported unless it was found on at most readings. A
    training that waits for its device, or for data, loses little to what slows the host down: then this is a remark.
    Deterministic algorithms alone cost nothing on a CPU, and what they cost on a GPU is not measured: they are not
    reported.

What to do
    Switch it off, or on only while an error is looked for (an option of the script that is off by default).
"""

from __future__ import annotations

from gpuwatch.diagnosis.evidence import is_on_the_cpu, starved
from gpuwatch.diagnosis.needs import MEASURED_LOOP, PROCESS_STATE, MeasuredLoop
from gpuwatch.diagnosis.rule import Found, Rule
from gpuwatch.diagnosis.thresholds import NoThresholds, Threshold
from gpuwatch.diagnosis.tools import host_share, tool_share
from gpuwatch.model.findings import Evidence, Speedup, Traits
from gpuwatch.model.process_state import ProcessState, Switch
from gpuwatch.model.profile import Profile
from gpuwatch.records import dataclass

_NAMES = {
    "anomaly": "autograd's anomaly mode is on",
    "profiler": "torch's profiler records all the time",
    "tracer": "a tracer of Python is on",
    "tracemalloc": "tracemalloc records where all memory is allocated",
    "launch-blocking": "CUDA_LAUNCH_BLOCKING makes the host wait for each kernel",
    "memory-history": "the history of GPU memory is recorded",
    "distributed-debug": "TORCH_DISTRIBUTED_DEBUG=DETAIL checks each collective operation",
    "gc-debug": "debugging of Python's garbage collector is on",
    "dispatch-mode": "a mode sees every operation of torch",
}
_OFF = {
    "anomaly": "Do not call torch.autograd.set_detect_anomaly, or only while you look for a NaN.",
    "profiler": "Profile a few steps only (schedule=torch.profiler.schedule(...)), then leave the profiler.",
    "tracer": "Run without the debugger, the profiler or the coverage tool.",
    "tracemalloc": "Do not start tracemalloc (PYTHONTRACEMALLOC, -X tracemalloc), or stop it once you know.",
    "launch-blocking": "Unset CUDA_LAUNCH_BLOCKING, in the script and in the shell or job that starts it.",
    "memory-history": "Call torch.cuda.memory._record_memory_history(enabled=None) once the snapshot is taken.",
    "distributed-debug": "Unset TORCH_DISTRIBUTED_DEBUG, or set it to INFO.",
    "gc-debug": "Call gc.set_debug(0).",
    "dispatch-mode": "Leave the mode's `with` block after the steps that you count or check.",
}
# What is switched on from outside of the script as well.
_WHOLE_PROCESS = ("launch-blocking", "distributed-debug")


@dataclass(frozen=True)
class Thresholds(NoThresholds):
    """From which values on the rule reports."""

    seen_share: Threshold = Threshold(
        0.6, "share of the readings", "What is on less often records a few steps, as it should."
    )
    tool_share: Threshold = Threshold(
        0.05, "share of the trainer's samples", "Less is no reason for a slow step, and hard to tell from nothing."
    )
    host_share: Threshold = Threshold(
        0.3, "share of the loop", "A training thread that computes less is not delayed by what slows Python down."
    )
    busy_device: Threshold = Threshold(
        0.9,
        "share of the time",
        "A device with work all the time is not delayed by its host, whatever slows that down.",
    )


def check(profile: Profile, t: Thresholds, seen: MeasuredLoop, state: ProcessState) -> Found | None:
    """Report the switch that costs most of those that are on nearly all the time."""
    on = [switch for switch in state.switches if switch.late and switch.seen / switch.readings >= t.seen_share]
    if not on:
        return None
    shares = {switch: tool_share(profile, switch.name) for switch in on}
    switch = max(on, key=lambda switch: shares[switch] or 0.0)
    share, host = shares[switch], host_share(seen.loader)
    matters = _matters(profile, t, switch, share, host)
    busy = any((device.busy or 0.0) >= t.busy_device for device in profile.devices)
    measured = share is not None and share >= t.tool_share
    return Found(
        severity="info"
        if not matters
        else "critical"
        if measured or (starved(profile) == "no" and not busy)
        else "warning",
        confidence="high",
        summary=f"{_named(switch)}, at {switch.seen} of {switch.readings} readings{_others(on, switch)}",
        evidence=(
            Evidence("found on", switch.seen, "readings", n=switch.readings),
            Evidence("found on late in the run", "yes" if switch.late else "no", ""),
            Evidence("training thread at work in the step", _rounded(host), "share of the step", t.host_share),
            Evidence("stack samples inside of it", _rounded(share), "share of the trainer's samples", t.tool_share),
        ),
        advice=" ".join(_OFF[one.name] for one in (switch, *(other for other in on if other is not switch))),
        where=switch.where,
        speedup=_gain(share) if measured and share is not None and matters else None,
        decides=matters and starved(profile) == "no" and not busy,
        hides=None if matters and measured else (),
    )


def _matters(profile: Profile, t: Thresholds, switch: Switch, share: float | None, host: float | None) -> bool:
    """Say whether the training is held up by its host's work, or the switch by itself holds the device up."""
    if switch.name in _WHOLE_PROCESS:
        return True
    if switch.name == "anomaly" and share is not None and share < t.tool_share and is_on_the_cpu(profile):
        return False
    return not is_on_the_cpu(profile) or host is None or host >= t.host_share


def _gain(share: float) -> Speedup:
    """Predict the step without the tool's own samples; what it does inside of compiled code is not in them."""
    least = 1.0 / (1.0 - min(share, 0.9))
    return Speedup(
        round(least, 3), round(1 + 0.8 * (least - 1), 3), round(1.6 * least, 3), "the step without its samples"
    )


def _named(switch: Switch) -> str:
    detail = (
        f" ({switch.detail})" if switch.detail and switch.name in ("tracer", "tracemalloc", "dispatch-mode") else ""
    )
    return _NAMES.get(switch.name, switch.name) + detail


def _others(on: list[Switch], named: Switch) -> str:
    others = [_named(switch) for switch in on if switch is not named]
    return f"; also: {', '.join(others)}" if others else ""


def _rounded(share: float | None) -> float | None:
    return None if share is None else round(share, 4)


RULE = Rule(
    id="debug-switch",
    page=__doc__,
    check=check,
    needs=(MEASURED_LOOP, PROCESS_STATE),
    thresholds=Thresholds(),
    hides=("slow-step-code", "launch-bound", "step-sync"),
    traits=Traits(bound="host", lanes=("step", "gpu_wait", "gpu_busy")),
)
