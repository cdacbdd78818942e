"""Python between the batches, other than forward, backward and optimizer, takes a good part of the step.

What it means
    The training process itself does something in each step that is neither the model nor waiting for data: metrics
    in Python, logging, plotting, moving data about, histograms.

How it is measured
    Lines of the training process from stack samples in the step, other than the model's forward, the backward pass and
    the optimizer; a line that sleeps or waits is not Python's work and does not count.

When it is wrong
    Without stack samples a device that is waited for outside of the backward pass looks the same; then the rule does
    not speak.

What to do
    Do it every n-th step, on the device, after the loop, or in another process.
"""

from __future__ import annotations

from gpuwatch.analyze import throughput
from gpuwatch.analyze.evidence import MIN_STEPS
from gpuwatch.analyze.trainer_code import other_share, own_lines, own_share
from gpuwatch.model import Clear, Evidence, Finding, HotLine, NotEvaluated, Place, Profile

ID = "slow-step-code"
SHARE = 0.15


def check(profile: Profile) -> Finding | Clear | NotEvaluated:
    """Report working Python lines in the step that are not the model's."""
    loader, costs = profile.primary, profile.costs
    if loader is None or costs is None or loader.steps < MIN_STEPS or not profile.ranks:
        return NotEvaluated(ID, "a measured loop over a DataLoader")
    if profile.stacks.trust == "none":
        return Clear(ID) if other_share(profile) < SHARE else NotEvaluated(ID, "stack samples of the training process")
    lines = own_lines(profile, loader)
    other = own_share(profile, lines)
    if not lines or other < SHARE:
        return Clear(ID)
    line = lines[0]
    after = throughput.with_step(costs, costs.device_ms - min(other * costs.step_ms, 0.95 * costs.device_ms))
    return Finding(
        id=ID,
        severity="critical" if other >= 0.3 else "warning",
        confidence="high" if profile.stacks.trust == "high" else "medium",
        summary=f"{other:.0%} of the step is Python outside of forward, backward and optimizer{_at(line)}",
        evidence=(
            Evidence("own code in the step", round(other, 4), "share of the trainer's samples", SHARE, line.samples),
            Evidence("other in-step", round(other_share(profile), 4), "share of the step", n=loader.steps),
            Evidence("hottest line there", round(line.share, 4), "share of the trainer's samples", n=line.samples),
            Evidence("step without waiting", round(costs.device_ms, 3), "ms", n=loader.steps),
        ),
        advice="Do this every n-th step, on the device, or after the loop.",
        where=Place(line.file, line.line, line.function),
        speedup=throughput.predict(costs, after, "the step without this code", 0.4),
    )


def _at(line: HotLine) -> str:
    return (
        f", most of it at line {line.line}: {line.source.strip()}"
        if line.source
        else f", most of it in {line.function}"
    )
