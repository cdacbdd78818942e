"""A remedy: a change to try on the user's own training, with the edit that makes it permanent."""

from __future__ import annotations

from dataclasses import field, replace
from typing import Any

from gpuwatch.experiments.changes import Change
from gpuwatch.experiments.session import Window
from gpuwatch.records import dataclass

# What acts in the trainer while a window runs: `hook/experiment/step_remedies.py`.
OF_THE_STEP = frozenset(
    (
        "trainer-threads",
        "gc-freeze",
        "foreach-optimizer",
        "fused-optimizer",
        "zero-grad-to-none",
        "channels-last",
        "non-blocking-copies",
    )
)
# With workers that are kept, what they keep is: later epochs have other steps, too.
KEEPS_A_CACHE = "lost-cache"
NOTHING = Change("by hand", why="what to change is not known")


@dataclass(frozen=True, slots=True)
class Remedy:
    """A change to try. `loader`: settings of the twin; `hook`: its name in `hook/experiment/remedies.py`, with parameters.
    `change`: that of the user's source which makes it permanent, where a program can make it. `epochs`: its gain lies in the start of epochs, so that windows must contain some. `parts`: those that it unites."""

    name: str
    finding: str | None = None
    edit: str | None = None
    loader: dict[str, Any] = field(default_factory=dict)
    hook: str | None = None
    parameters: dict[str, Any] = field(default_factory=dict)
    predicted: float | None = None
    epochs: bool = False
    change: Change = NOTHING
    parts: tuple[Remedy, ...] = ()

    @property
    def hooks(self) -> tuple[tuple[str, dict[str, Any]], ...]:
        """Return the names and parameters of what the hook applies."""
        own = ((self.hook, self.parameters),) if self.hook else ()
        return own + tuple(hook for part in self.parts for hook in part.hooks)

    @property
    def steady(self) -> Remedy | None:
        """Return the same without starts of epochs in its windows, where its steps are not those of the unchanged loader."""
        steps_differ = self.finding == KEEPS_A_CACHE or any(not part.epochs for part in self.parts)
        return replace(self, name=f"{self.name}, steady", epochs=False) if self.epochs and steps_differ else None

    @property
    def changes_samples(self) -> bool:
        """Say whether the hook changes how samples are made."""
        return any(name not in OF_THE_STEP for name, _ in self.hooks)

    @property
    def changes_step(self) -> bool:
        """Say whether the hook changes what the training does with a batch."""
        return any(name in OF_THE_STEP for name, _ in self.hooks)

    def comparisons(self) -> list[Window]:
        """Return the windows that tell what it does to samples and losses."""
        kinds = ["compare"] * self.changes_samples + ["losses"] * self.changes_step
        return [self.window(kind) for kind in kinds]

    def window(self, kind: str, round_: int = 0, seconds: float = 0.0) -> Window:
        """Return a window under this remedy."""
        return Window(
            self.name, kind, round_, seconds, loader=self.loader, remedies=self.hooks, epochs=self.epochs
        )  # fmt: skip
