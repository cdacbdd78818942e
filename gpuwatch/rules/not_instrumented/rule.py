"""A Python process of the run could not be instrumented.

What it means
    A Python process of this run could not be measured from inside. If it is the one that trains, the verdict is
    missing; if it is a launcher, a linter or a worker pool, nothing is lost.

How it is measured
    gpuwatch injects its hook into every Python of the command's process tree through PYTHONPATH. The sampler looks through /proc
    for Pythons that wrote no events, and reads from their command line and environment why.

When it is wrong
    A Python that ends within a second may be gone before it is looked at. Helpers that never train may stay out.

What to do
    The finding names the reason: drop -I, -E or -S, keep PYTHONPATH (append to it instead of replacing it), pass
    the environment on (sudo -E, env=os.environ), or wrap the inner command with `gpuwatch run --` instead.
"""

from __future__ import annotations

from gpuwatch.diagnosis.rule import NOT_SO, Found, Need, NotSo, Rule
from gpuwatch.diagnosis.thresholds import NoThresholds
from gpuwatch.model.findings import Evidence, Traits
from gpuwatch.model.profile import Profile, Unentered
from gpuwatch.words.units import count


def check(profile: Profile, t: NoThresholds, unentered: tuple[Unentered, ...]) -> Found:
    """Report Pythons that the hook could not enter; a warning only when no training was measured."""
    blind = profile.primary is None
    first = unentered[0]
    return Found(
        severity="critical" if blind else "info",
        confidence="high" if blind else "medium",
        summary=f"{count(len(unentered), 'Python process', 'Python processes')} could not be instrumented: {first.reason}",
        evidence=tuple(
            Evidence("process", one.pid, "pid", note=f"{one.command}: {one.reason}") for one in unentered[:8]
        ),
        advice=first.remedy,
    )


def _unentered(profile: Profile) -> tuple[Unentered, ...] | NotSo:
    return profile.unentered or NOT_SO


RULE = Rule(
    id="not-instrumented",
    page=__doc__,
    check=check,
    needs=(Need("Pythons that could not be instrumented", _unentered),),
    traits=Traits(order="first", windows="waiting", replaces=("not instrumented",)),
)
