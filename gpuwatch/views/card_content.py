"""What the card shows, as plain text: its parts and the heads of its tables."""

from __future__ import annotations

from typing import Literal

from gpuwatch.records import dataclass

LOADER_HEADER = ("", "dataset", "workers", "batch", "batches", "samples/s", "wait")
RANK_HEADER = ("rank", "host", "device", "steps", "step", "wait")
TRAINING_HEADER = ("", "command", "started at", "took", "steps", "wait", "bound by")
TRIAL_HEADER = ("remedy", "before", "after", "gain", "predicted", "outputs")

Tone = Literal["bad", "good", "unsure"]


@dataclass(frozen=True, slots=True)
class Fact:
    """One line of evidence."""

    label: str
    text: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """One hot line. `share_of`: what its share is of; `below`: where in what it calls the time goes."""

    share: str
    where: str
    path: str
    source: str
    note: str
    gain: str
    share_of: str = ""
    below: str = ""


@dataclass(frozen=True, slots=True)
class Loader:
    """One loader: its cells, and what a batch is made of."""

    cells: tuple[str, ...]
    breakdown: str


@dataclass(frozen=True, slots=True)
class Action:
    """One finding as something to do."""

    id: str
    summary: str
    advice: str
    edit: str
    where: str
    path: str
    gain: str
    verify: str
    confidence: str
    severity: str


@dataclass(frozen=True, slots=True)
class Slice:
    """One phase of the bar."""

    name: str
    share: float
    seconds: str
    percent: str


@dataclass(frozen=True, slots=True)
class Card:
    """Everything that the card shows, as text."""

    run: str
    command: str
    ended: str
    tone: Tone
    badge: str
    headline: str
    reason: str
    confidence: str
    why: tuple[Fact, ...]
    actions: tuple[Action, ...]
    more: str
    nothing: str
    tried: tuple[tuple[str, ...], ...]
    phases: tuple[Slice, ...]
    phases_of: str
    ranks: tuple[tuple[str, ...], ...]
    lines: tuple[Line, ...]
    lines_note: str
    loaders: tuple[Loader, ...]
    machine: tuple[Fact, ...]
    notes: tuple[str, ...]
    cost: str
    next: str
    tried_note: str = ""
    answer: str = ""
    also: tuple[str, ...] = ()
    together: str = ""
    trainings: tuple[tuple[str, ...], ...] = ()
    traced: tuple[Fact, ...] = ()
    traced_note: str = ""
