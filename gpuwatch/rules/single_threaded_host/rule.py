"""The training computes on the CPU with one library thread, beside idle cores.

What it means
    torch divides large operations among as many threads as it is set to. Where that is one (OMP_NUM_THREADS=1, which
    torchrun sets by itself; torch.set_num_threads(1), copied from a script for many processes), a model or an optimizer
    on the CPU uses one core, however many there are.

How it is measured
    torch's number of threads in the training process, the cores that all of its threads used, the cores that stood idle,
    and the part of the step that is torch's work on the CPU: forward, backward and optimizer, or the optimizer alone where
    a GPU computes the model. Its operations have to be large: by the time they take per tensor that is updated.

When it is wrong
    Small operations are not divided, and gain nothing from threads. Where workers use the cores, or a rank or another
    program does, threads take them from those.

What to do
    Give torch the idle cores: torch.set_num_threads(N), or OMP_NUM_THREADS=N for the command.
"""

from __future__ import annotations

from gpuwatch.diagnosis.evidence import hot_line, is_on_the_cpu, place
from gpuwatch.diagnosis.needs import MEASURED_LOOP, PROCESS_STATE, MeasuredLoop
from gpuwatch.diagnosis.rule import Found, Missing, Need, Rule
from gpuwatch.diagnosis.thresholds import NoThresholds, Threshold
from gpuwatch.diagnosis.tools import host_share, tool_share
from gpuwatch.model.findings import Evidence, Speedup, Traits
from gpuwatch.model.process_state import ProcessState
from gpuwatch.model.profile import Profile
from gpuwatch.records import dataclass
from gpuwatch.words.units import count

_MODEL = ("forward", "backward", "optimizer")
_STEP = (*_MODEL, "other in-step", "input wait")
# What of an operation's time goes on in parallel: memory is shared, and threads have to be woken.
_LEAST_PARALLEL, _MOST_PARALLEL = 0.3, 0.9


@dataclass(frozen=True)
class Thresholds(NoThresholds):
    """From which values on the rule reports."""

    idle_cores: Threshold = Threshold(0.7, "cores", "A second thread needs a core to itself.")
    own_cores: Threshold = Threshold(1.3, "cores", "A process that uses more has threads at work already.")
    at_work: Threshold = Threshold(0.8, "share of the step", "A thread that waits for something needs no second one.")
    tool_share: Threshold = Threshold(
        0.1, "share of the trainer's samples", "A tool's own work (a compiler, a tracer) is not divided among threads."
    )
    share: Threshold = Threshold(0.3, "share of the step", "Threads speed up no more than torch's own part.")
    per_tensor_ms: Threshold = Threshold(
        1.0, "ms per updated tensor", "Smaller operations are not divided among threads, or win nothing by it."
    )


def check(profile: Profile, t: Thresholds, seen: MeasuredLoop, state: ProcessState, spare: float) -> Found | None:
    """Report one thread that does all of torch's work while cores are idle."""
    work, updated = _work(profile, state), state.updated
    if state.torch_threads != 1 or updated is None or work is None:
        return None
    part, share, step_ms = work
    host = host_share(seen.loader)
    if spare < t.idle_cores or host is None or host < t.at_work or share < t.share:
        return None
    if profile.costs is not None and profile.costs.trainer_cores > t.own_cores:
        return None
    if any((tool_share(profile, tool) or 0.0) >= t.tool_share for tool in ("anomaly", "compiler", "tracer")):
        return None
    per_tensor = share * step_ms / max(updated.tensors, 1)
    if per_tensor < t.per_tensor_ms:
        return None
    threads = 1 + int(spare + 0.3)
    line = hot_line(profile, "trainer", "step")
    return Found(
        severity="warning",
        confidence="medium",
        summary=f"torch computes with one thread while {count(round(spare, 1), 'core is idle', 'cores are idle')}: {part} is {share:.0%} of the step",
        evidence=(
            Evidence("torch's threads", state.torch_threads, "threads"),
            Evidence("OMP_NUM_THREADS", state.omp_threads, "threads"),
            Evidence("idle cores", round(spare, 2), "cores", t.idle_cores),
            Evidence("training thread at work in the step", round(host, 3), "share of the step", t.at_work),
            Evidence(f"{part} on the CPU", round(share, 3), "share of the step", t.share),
            Evidence("torch's work per updated tensor", round(per_tensor, 3), "ms", t.per_tensor_ms),
        ),
        advice=f"Let torch use the idle cores: torch.set_num_threads({threads}), or OMP_NUM_THREADS={threads} before the command.",
        where=state.threads_where or place(line),
        speedup=_gain(share, threads),
        edit=f"torch.set_num_threads({threads})",
        decides=False,
    )


def _work(profile: Profile, state: ProcessState) -> tuple[str, float, float] | None:
    """Return what torch does on the CPU, its share of the step and the step (ms); None where a GPU does it."""
    seconds = {name: sum(p.seconds for r in profile.ranks for p in r.phases if p.name == name) for name in _STEP}
    whole, step = sum(seconds.values()), profile.primary.step_ms if profile.primary else None
    if whole <= 0 or step is None:
        return None
    if is_on_the_cpu(profile):
        share = sum(seconds[name] for name in _MODEL) / whole
        part = "the optimizer" if seconds["optimizer"] >= 0.6 * share * whole else "the model with its optimizer"
        return part, share, step.median
    on_cpu = state.updated is not None and state.updated.device == "cpu"
    return ("the optimizer", seconds["optimizer"] / whole, step.median) if on_cpu else None


def _gain(share: float, threads: int) -> Speedup:
    """Predict the step with this part divided among the threads, as far as memory and small operations let it be."""
    low, high = (
        1.0 / (1.0 - share * parallel * (1.0 - 1.0 / threads)) for parallel in (_LEAST_PARALLEL, _MOST_PARALLEL)
    )
    return Speedup(
        round((low * high) ** 0.5, 3), round(low, 3), round(high, 3), "between a third and all of it in parallel"
    )


def _idle(profile: Profile) -> float | Missing:
    spare = profile.machine.spare_cores
    return Missing("the machine's idle cores") if spare is None else spare


RULE = Rule(
    id="single-threaded-host",
    page=__doc__,
    check=check,
    needs=(MEASURED_LOOP, PROCESS_STATE, Need("the machine's idle cores", _idle)),
    thresholds=Thresholds(),
    traits=Traits(lanes=("step", "cpu_busy"), remedies=("trainer-threads",)),
)
