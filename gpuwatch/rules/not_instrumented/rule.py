"""A Python of the run was not entered by gpuwatch's hook.

What it means
    A Python process of this run could not be measured from inside. If it is the one that trains, the verdict is
    missing; if it is a launcher, a linter or a worker pool, nothing is lost.

How it is measured
    gpuwatch enters every Python of the command's process tree through PYTHONPATH. The sampler looks through /proc
    for Pythons that wrote no events, and reads from their command line and environment why.

When it is wrong
    A Python that ends within a second may be gone before it is looked at. Helpers that never train may stay out.

What to do
    The finding names the reason: drop -I, -E or -S, keep PYTHONPATH (append to it instead of replacing it), pass
    the environment on (sudo -E, env=os.environ), or wrap the inner command with `gpuwatch run --` instead.
"""

from __future__ import annotations

from gpuwatch.model.findings import Clear, Evidence, Finding, NotEvaluated
from gpuwatch.model.profile import Profile

ID = "not-instrumented"


def check(profile: Profile) -> Finding | Clear | NotEvaluated:
    """Report Pythons that the hook could not enter; a warning only when no training was measured."""
    if not profile.unentered:
        return Clear(ID)
    blind = profile.primary is None
    first = profile.unentered[0]
    count = len(profile.unentered)
    return Finding(
        id=ID,
        severity="critical" if blind else "info",
        confidence="high" if blind else "medium",
        summary=f"{count} Python process{'es' if count > 1 else ''} could not be measured from inside: {first.reason}",
        evidence=tuple(
            Evidence("process", one.pid, "pid", note=f"{one.command}: {one.reason}") for one in profile.unentered[:8]
        ),
        advice=first.remedy,
    )
