"""What a rule says: a finding with its evidence, "clear", or "not evaluated"; and the verdict on the run."""

from __future__ import annotations

from dataclasses import field
from typing import Literal

from gpuwatch.model.measures import INTERNAL, Interval, Place
from gpuwatch.model.reasons import Reason
from gpuwatch.model.trend import Trend
from gpuwatch.records import dataclass

Bound = Literal["input", "compute", "cpu", "host", "transfer", "communication", "startup", "unknown"]
Severity = Literal["critical", "warning", "info"]


Confidence = Literal["high", "medium", "low", "borderline"]


MissingForm = Literal["need", "clause"]


@dataclass(frozen=True, slots=True)
class Evidence:
    """One measured value that a finding rests on, with the threshold it was compared with."""

    metric: str
    value: float | int | str | None
    unit: str
    threshold: float | None = None
    n: int | None = None
    note: str | None = None
    # By what other code finds it; `metric` is for people. Empty where nothing does.
    key: str = field(default="", metadata=INTERNAL)


@dataclass(frozen=True, slots=True)
class Speedup:
    """Predicted run time now / run time after; `basis` says from what."""

    predicted: float
    low: float
    high: float
    basis: str


@dataclass(frozen=True, slots=True)
class Traits:
    """What the rule of a finding declares for those who rank it, show it and act on it; no part of the JSON.

    `bound`: what it says bounds the run. `order`: `first` before everything else, `last` after what is paid in every
    step. `lanes`: the keys of the lanes that show it (words/lanes.py); `windows`: the time to mark there. `remedies`: what
    `gpuwatch try` can measure, by name; "workers" means the best number of them. `replaces`: notes of the card that
    say the same. `explained_by`: the findings that hide this one, beside those whose rule says so itself.
    `about_input`: its advice changes the input pipeline; `workers`: to more workers, or to fewer. `in_vain`: what it found is
    work of the whole loop that need not be done, so that no part of it is to be left alone.
    """

    bound: Bound | None = None
    order: Literal["first", "usual", "last"] = "usual"
    lanes: tuple[str, ...] = ("input_wait", "gpu_wait", "worker", "gpu_busy")
    windows: Literal["waiting", "long steps", "startup", "evaluation"] | None = None
    remedies: tuple[str, ...] = ()
    replaces: tuple[Literal["not instrumented"], ...] = ()
    explained_by: tuple[str, ...] = ()
    about_input: bool = False
    workers: Literal["more", "fewer"] | None = None
    in_vain: bool = False


@dataclass(frozen=True, slots=True)
class Finding:
    """What a rule says. `advice` is one or more imperative sentences; `edit` a code edit; `verify` a command."""

    id: str
    severity: Severity
    confidence: Confidence
    summary: str
    evidence: tuple[Evidence, ...]
    advice: str
    where: Place | None = None
    speedup: Speedup | None = None
    verify: str | None = None
    edit: str | None = None
    explains: tuple[str, ...] = ()
    rank: int | None = None
    traits: Traits = field(default=Traits(), metadata={"internal": True})


@dataclass(frozen=True, slots=True)
class Clear:
    """The rule had what it needs and found nothing."""

    id: str


@dataclass(frozen=True, slots=True)
class NotEvaluated:
    """The rule was not evaluated; `missing` names what it lacks."""

    id: str
    missing: str
    # Whether `missing` is what the rule needs ("stack samples") or a clause that says why ("no DataLoader was seen").
    form: MissingForm = field(default="need", metadata=INTERNAL)

    @property
    def why(self) -> str:
        """Why the rule was not evaluated, as a clause."""
        return f"it needs {self.missing}" if self.form == "need" else self.missing


Outcome = Finding | Clear | NotEvaluated


@dataclass(frozen=True, slots=True)
class Verdict:
    """What bounds the run, and why.

    `leave_input_alone`: a free input pipeline would win too little, and no finding advises to change it: all texts that say
    so go by this. `speedup_if_compute_free`: of a run whose input and training share the cores, what it would win if the
    training used none of them. `trend`: how the steps changed while the run went on, where a finding is about that.
    """

    bound: Bound
    confidence: Confidence
    input_wait_share: Interval | None
    clock: Literal["host", "cuda", "device"]
    speedup_if_input_free: Speedup | None
    reason: Reason
    leave_input_alone: bool = False
    speedup_if_compute_free: Speedup | None = None
    trend: Trend | None = None
