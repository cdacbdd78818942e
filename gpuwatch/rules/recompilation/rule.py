"""torch.compile compiles again and again while the training goes on.

What it means
    A compiled function is guarded by what it was compiled for: shapes, Python numbers, attributes. A number that changes
    in each step (a counter, a learning rate, a length) fails the guard, and the function is compiled again. When one has
    been compiled as often as `torch._dynamo.config.recompile_limit` says, it runs as plain Python for good.

How it is measured
    The compiler's own counters: compilations after the warm-up (a quarter of the loop), and the seconds that they took.
    The guard that failed is the compiler's own reason; the line is the only one that changes what it names, else the
    compiled function.

When it is wrong
    New shapes that come late (a last, smaller batch, a longer sequence) are compiled once each: fewer than three later
    compilations, or less than 5 % of the time, are not reported.

What to do
    Pass what changes as a tensor, keep counters out of the compiled function, mark sizes that vary as dynamic
    (torch._dynamo.mark_dynamic, torch.compile(dynamic=True)), or pad to few sizes. TORCH_LOGS=recompiles prints each one.
"""

from __future__ import annotations

from gpuwatch.diagnosis.evidence import place
from gpuwatch.diagnosis.needs import COMPILATIONS, MEASURED_LOOP, MeasuredLoop
from gpuwatch.diagnosis.rule import Found, Rule
from gpuwatch.diagnosis.thresholds import NoThresholds, Threshold
from gpuwatch.diagnosis.tools import step_lines, tool_share
from gpuwatch.model.findings import Evidence, Speedup, Traits
from gpuwatch.model.measures import Place
from gpuwatch.model.process_state import Compilations
from gpuwatch.model.profile import Profile
from gpuwatch.records import dataclass
from gpuwatch.words.units import count

_ADVICE = (
    "Pass what changes as a tensor, or keep it out of the compiled function; where it is a size, use"
    " torch.compile(dynamic=True), torch._dynamo.mark_dynamic or a few fixed sizes. TORCH_LOGS=recompiles prints each one."
)


@dataclass(frozen=True)
class Thresholds(NoThresholds):
    """From which values on the rule reports."""

    later: Threshold = Threshold(3, "compilations", "A shape or two may well come late; each is compiled once.")
    share: Threshold = Threshold(0.05, "share of the time", "Less is not worth a change of the model.")
    critical_share: Threshold = Threshold(0.2, "share of the time", "A fifth of the time.")


def check(profile: Profile, t: Thresholds, seen: MeasuredLoop, compiled: Compilations) -> Found | None:
    """Report compilations that go on after the warm-up, or a function that was compiled until it may not be any more."""
    share = _share(profile, compiled)
    if compiled.later >= t.later and share is not None and share >= t.share:
        return _still_compiling(profile, t, compiled, share)
    # The attempt that was refused counts, too: with as many as are allowed nothing was refused yet.
    if compiled.limit is not None and compiled.most > max(compiled.limit, t.later):
        return _given_up(profile, compiled, compiled.limit)
    return None


def _share(profile: Profile, compiled: Compilations) -> float | None:
    """Return the share of the time after the warm-up that was compiling: by the compiler's clock, else by samples."""
    if compiled.seconds is not None and compiled.window_s > 0:
        return min(compiled.seconds / compiled.window_s, 1.0)
    return tool_share(profile, "compiler")


def _still_compiling(profile: Profile, t: Thresholds, compiled: Compilations, share: float) -> Found:
    gain = 1.0 / (1.0 - min(share, 0.97))
    return Found(
        severity="critical" if share >= t.critical_share else "warning",
        confidence="high",
        summary=f"torch.compile compiled {count(compiled.later, 'more time')} after the warm-up: {share:.0%} of the time{_because(compiled)}",
        evidence=(*_counted(compiled), Evidence("time spent compiling", round(share, 4), "share of the time", t.share)),
        advice=_ADVICE,
        where=_where(profile, compiled),
        speedup=Speedup(
            round(gain, 3), round(1 + 0.7 * (gain - 1), 3), round(1.2 * gain, 3), "the time without compiling"
        ),
    )


def _given_up(profile: Profile, compiled: Compilations, limit: int) -> Found:
    """Report a function that now runs as plain Python: what that costs was not measured."""
    return Found(
        severity="warning",
        confidence="high",
        summary=f"torch.compile gave up on {compiled.name or 'a function'} after {count(limit, 'compilation')}: it runs as plain Python{_because(compiled)}",
        evidence=_counted(compiled),
        advice=_ADVICE,
        where=_where(profile, compiled),
        hides=(),
        decides=False,
    )


def _counted(compiled: Compilations) -> tuple[Evidence, ...]:
    return (
        Evidence("compilations after the warm-up", compiled.later, "compilations", 3, note=compiled.reason),
        Evidence("compilations until then", compiled.before, "compilations"),
        Evidence("compilations of one function", compiled.most, "compilations", compiled.limit),
    )


def _because(compiled: Compilations) -> str:
    named = f" of `{compiled.name}`" if compiled.name else ""
    return f", each because the value of `{compiled.guarded}`{named} had changed" if compiled.guarded else ""


def _where(profile: Profile, compiled: Compilations) -> Place | None:
    """Return the line that changes what is guarded, else the one that most compiling was sampled below, else the function."""
    if compiled.assigned is not None:
        return compiled.assigned
    lines = [(dict(line.tools).get("compiler", 0.0) * line.share, line) for line in step_lines(profile)]
    most, line = max(lines, key=lambda one: one[0], default=(0.0, None))
    return place(line) if line is not None and most > 0 else compiled.frame


RULE = Rule(
    id="recompilation",
    page=__doc__,
    check=check,
    needs=(MEASURED_LOOP, COMPILATIONS),
    thresholds=Thresholds(),
    hides=("slow-step-code", "launch-bound", "periodic-pause", "slowing-down"),
    traits=Traits(bound="host", lanes=("step", "gpu_wait", "gpu_busy"), windows="long steps"),
)
