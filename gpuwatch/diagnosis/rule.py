"""A rule: one object that carries everything that is known about one finding, and one pure function.

The engine reads the needs in their order. The first one that is missing makes the rule "not evaluated", the first that
is not the case makes it "clear"; otherwise `check` is called with the profile, the thresholds and the values of the
needs, and says what it found.
"""

from __future__ import annotations

import inspect
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from enum import Enum
from typing import Any, Final, Literal, NamedTuple

from gpuwatch.diagnosis.thresholds import Comparison, NoThresholds, Threshold, comparisons
from gpuwatch.model.findings import (
    Bound,
    Clear,
    Confidence,
    Evidence,
    Finding,
    MissingForm,
    NotEvaluated,
    Outcome,
    Severity,
    Speedup,
    Traits,
)
from gpuwatch.model.measures import Place
from gpuwatch.model.profile import Profile
from gpuwatch.records import dataclass


class Missing(NamedTuple):
    """What a rule needs and the recording does not have: a noun phrase ("need"), or a clause that says why."""

    what: str
    form: MissingForm = "need"


# What a look at a running training lacks.
EVENTS = Missing("events of the run, which `gpuwatch run -- COMMAND` records from its start")


class NotSo(Enum):
    """The one value of a need that was measured and is not the case: the rule is clear."""

    NOT_SO = "not so"


NOT_SO: Final = NotSo.NOT_SO


@dataclass(frozen=True)
class Need:
    """Something a rule needs: `what` for people, `read` returns its value, `Missing(what)`, or `NOT_SO`."""

    what: str
    read: Callable[[Profile], Any]


class Group(Enum):
    """Rules that another rule may hide together."""

    BATCH_COST = "what making a batch costs"


@dataclass(frozen=True)
class Found:
    """What a check found; its rule makes a `Finding` of it.

    `hides`: of what the rule may hide, what this finding does; None for all of it. `verify`: the gpuwatch call that would
    prove it, without `gpuwatch` and the command ("try --loader"). `decides`: whether it may decide what bounds the run;
    `bound`: what that is, where it depends on what was found. `workers`: whether it advises more or fewer of them, where the
    rule does so in some cases only. `first`: it comes before everything else.
    """

    severity: Severity
    confidence: Confidence
    summary: str
    evidence: tuple[Evidence, ...]
    advice: str
    where: Place | None = None
    speedup: Speedup | None = None
    verify: str | None = None
    edit: str | None = None
    rank: int | None = None
    hides: Sequence[str | Group] | None = None
    decides: bool = True
    workers: Literal["more", "fewer"] | None = None
    bound: Bound | None = None
    first: bool = False


class Trace(NamedTuple):
    """How a rule came to its outcome: each need with its value, and each number that a threshold was compared with."""

    needs: tuple[tuple[Need, Any], ...]
    comparisons: tuple[Comparison, ...]
    outcome: Outcome


Members = Mapping[Group, Sequence[str]]


class ByTrace(NamedTuple):
    """How a rule looks at a GPU trace, which says more of its subject than what it needs of a run: used where there is one."""

    needs: tuple[Need, ...]
    check: Callable[..., Found | Missing | None]
    # Whether it also says more than the run itself, where the trace is of a few of the run's own steps.
    in_runs: bool = True


@dataclass(frozen=True)
class Rule:
    """Everything about one finding.

    `page`: what `gpuwatch explain` prints; its first line is the title. `hides`: the findings (or groups) that this one
    explains. `group`: the group that it belongs to. `traits`: what bounds the run if it is strong, its place in the order,
    the lanes that show it, the remedies that `gpuwatch try` can measure. `by_trace`: how it looks at a GPU trace.
    `by_events`: what it looks at is in events alone, of which a training that was attached to has written none.
    """

    id: str
    page: str
    check: Callable[..., Found | Missing | None]
    needs: tuple[Need, ...] = ()
    thresholds: NoThresholds = NoThresholds()
    hides: tuple[str | Group, ...] = ()
    group: Group | None = None
    traits: Traits = Traits()
    by_trace: ByTrace | None = None
    by_events: bool = False

    @property
    def title(self) -> str:
        """Return the first line of the page."""
        return inspect.cleandoc(self.page).partition("\n")[0]

    def sections(self) -> dict[str, str]:
        """Return the page after its title: heading -> text, paragraphs separated by an empty line."""
        found: dict[str, list[str]] = {}
        heading = ""
        for line in inspect.cleandoc(self.page).splitlines()[1:]:
            if line and not line.startswith(" "):
                heading = line.strip()
                found[heading] = []
            elif heading:
                found[heading].append(line.strip())
        return {name: "\n".join(lines).strip() for name, lines in found.items()}

    def evaluate(self, profile: Profile, members: Members | None = None) -> Outcome:
        """Return what the rule says of a profile; `members`: the ids of each group's rules."""
        return self.trace(profile, members).outcome

    def trace(self, profile: Profile, members: Members | None = None) -> Trace:
        """Return what the rule says of a profile, and how it came to it."""
        read: list[tuple[Need, Any]] = []
        with comparisons() as kept:
            outcome = self._outcome(profile, members or {}, read)
        return Trace(tuple(read), tuple(kept), outcome)

    def _outcome(self, profile: Profile, members: Members, read: list[tuple[Need, Any]]) -> Outcome:
        if self.by_events and profile.run.attached is not None:
            return NotEvaluated(self.id, *EVENTS)
        if profile.gpu_time and self.by_trace is not None and (self.by_trace.in_runs or not profile.ranks):
            found = self._check(profile, self.by_trace.needs, self.by_trace.check, read)
            if isinstance(found, Found) and found.where is None and profile.ranks:
                found = self._with_line(profile, found)
        else:
            found = self._check(profile, self.needs, self.check, read)
        if found is None:
            return Clear(self.id)
        return NotEvaluated(self.id, *found) if isinstance(found, Missing) else self._finding(profile, found, members)

    def _check(
        self,
        profile: Profile,
        needs: Sequence[Need],
        check: Callable[..., Found | Missing | None],
        read: list[tuple[Need, Any]],
    ) -> Found | Missing | None:
        """Return what a check says once its needs are met: None is clear."""
        for need in needs:
            value = need.read(profile)
            read.append((need, value))
            if isinstance(value, Missing):
                return value
            if value is NOT_SO:
                return None
        return check(profile, self.thresholds, *(value for _, value in read))

    def _with_line(self, profile: Profile, found: Found) -> Found:
        """Return what a trace shows with the line that the run's own stack samples have for it."""
        sampled = self._check(profile, self.needs, self.check, [])
        return replace(found, where=sampled.where) if isinstance(sampled, Found) else found

    def _finding(self, profile: Profile, found: Found, members: Members) -> Finding:
        return Finding(
            id=self.id,
            severity=found.severity,
            confidence=_by_samples(profile, found.confidence),
            summary=found.summary,
            evidence=tuple(_plain(one) for one in found.evidence if _is_known(profile, one)),
            advice=found.advice,
            where=found.where,
            speedup=found.speedup,
            verify=_verify(found, profile),
            edit=found.edit,
            explains=_ids(self.hides if found.hides is None else found.hides, members),
            rank=found.rank,
            traits=replace(
                self.traits,
                bound=(found.bound or self.traits.bound) if _is_strong(found) else None,
                workers=found.workers or self.traits.workers,
                order="first" if found.first else self.traits.order,
            ),
        )


def _verify(found: Found, profile: Profile) -> str | None:
    """Return the call that would prove a finding; a notebook's cell is no command that could be run again."""
    in_cell = profile.run.in_process is not None and "cell" in profile.run.in_process
    return None if in_cell or not found.verify else f"gpuwatch {found.verify} -- {command_line(profile)}"


def _by_samples(profile: Profile, confidence: Confidence) -> Confidence:
    """Return how sure a finding is; where a training was attached to, no event tells what its loop did."""
    return "medium" if profile.run.attached is not None and confidence == "high" else confidence


def _is_known(profile: Profile, evidence: Evidence) -> bool:
    """Say whether a value was measured: where it is not known how long a step takes, no time in it is."""
    relative = profile.costs is not None and profile.costs.relative
    return not (relative and evidence.unit.startswith("ms"))


def _is_strong(found: Found) -> bool:
    """Say whether a finding may decide what bounds the run."""
    return found.decides and found.severity != "info" and found.confidence not in ("low", "borderline")


def _ids(hidden: Sequence[str | Group], members: Members) -> tuple[str, ...]:
    return tuple(id for one in hidden for id in (members.get(one, ()) if isinstance(one, Group) else (one,)))


def _plain(evidence: Evidence) -> Evidence:
    """Return evidence whose threshold is a number like any other."""
    threshold = evidence.threshold
    return replace(evidence, threshold=threshold.number) if isinstance(threshold, Threshold) else evidence


def command_line(profile: Profile) -> str:
    """Return the run's command as one would type it."""
    return shlex.join(profile.run.command) or "COMMAND"


def members(rules: Sequence[Rule]) -> dict[Group, tuple[str, ...]]:
    """Return the ids of the rules of each group."""
    return {group: tuple(rule.id for rule in rules if rule.group is group) for group in Group}
