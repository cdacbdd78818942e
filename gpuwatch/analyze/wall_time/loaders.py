"""Which iterators are one loader, and what role it plays: training, evaluation, or inference when nothing trains."""

from __future__ import annotations

from collections import defaultdict
from typing import Literal

import numpy as np

from gpuwatch.analyze.processes.sorting import Iterator, Trainer
from gpuwatch.analyze.wall_time.phases import Walk
from gpuwatch.analyze.wall_time.wrappers import is_feed
from gpuwatch.records import dataclass

Role = Literal["training", "evaluation", "inference"]


@dataclass(slots=True)
class Loader:
    """One loader of one trainer in one role: positions of its iterators, in order."""

    id: str
    trainer: Trainer
    role: Role
    positions: list[int]
    walk: Walk

    @property
    def iterators(self) -> list[Iterator]:
        """Its iterators, in order."""
        return [self.trainer.iterators[position] for position in self.positions]

    @property
    def first(self) -> Iterator:
        """The iterator that represents the others (they share a loader)."""
        return self.iterators[0]

    @property
    def own_loop(self) -> bool:
        """Whether it is no DataLoader at all but a loop whose steps the optimizer tells."""
        return bool(self.first.attributes.get("own_loop"))


def find_loaders(walks: list[Walk]) -> list[Loader]:
    """Group the iterators of all trainers into loaders. When no loader trains, the main one is `inference`."""
    loaders = [loader for walk in walks for loader in _of_one(walk)]
    if not any(loader.role == "training" for loader in loaders):
        for walk in walks:
            mine = [loader for loader in loaders if loader.walk is walk]
            if mine:
                max(mine, key=seconds_of).role = "inference"
    return loaders


def roles_of(loaders: list[Loader], walk: Walk) -> dict[int, str]:
    """Return the role of each iterator (by position) of one trainer."""
    return {position: loader.role for loader in loaders if loader.walk is walk for position in loader.positions}


def seconds_of(loader: Loader) -> float:
    """Return the time its loops took, waits and the training's own code together."""
    walk = loader.walk
    mine = np.isin(walk.owner, loader.positions)
    asked = np.isin(walk.iterator, loader.positions)
    return float(walk.gap[mine].sum() + walk.wait[asked].sum()) / 1e9


def _of_one(walk: Walk) -> list[Loader]:
    by_key: dict[tuple[Role, tuple[object, ...]], list[int]] = defaultdict(list)
    site = _sites(walk)
    roles = _settled_roles(walk, site)
    left_out = _sanity_checks(walk, site, roles) | _beside(walk, roles)
    for position, iterator in enumerate(walk.trainer.iterators):
        if position not in left_out:
            by_key[roles[position], site[iterator.loader]].append(position)
    numbered = enumerate(by_key.items())
    return [
        Loader(f"r{walk.trainer.rank}.l{n}", walk.trainer, role, positions, walk)
        for n, ((role, _), positions) in numbered
    ]


def _beside(walk: Walk, roles: list[Role]) -> set[int]:
    """Return the iterators that are no loaders of a loop: wrappers, which speak for their loaders, and where something
    trains other feeds that do not, such as a preparation of the data."""
    feeds = {position for position, iterator in enumerate(walk.trainer.iterators) if is_feed(iterator)}
    idle = {position for position in feeds if roles[position] != "training"} if "training" in roles else set()
    return idle | set(walk.wrappers.values())


def _sanity_checks(walk: Walk, site: dict[str, tuple[object, ...]], roles: list[Role]) -> set[int]:
    """Return the iterators that gave a few batches of an evaluation before any training, as Lightning does to see whether
    it works: part of the start-up, and no pass over the loader."""
    trained = [walk.events_of(position)[:1] for position in walk.training]
    begin = min((int(first[0]) for first in trained if len(first)), default=0)
    batches = [len(walk.of(position)) for position in range(len(roles))]
    most: dict[tuple[object, ...], int] = defaultdict(int)
    for position, iterator in enumerate(walk.trainer.iterators):
        most[site[iterator.loader]] = max(most[site[iterator.loader]], batches[position])
    return {
        position
        for position, iterator in enumerate(walk.trainer.iterators)
        if roles[position] == "evaluation" and 0 < batches[position] < most[site[iterator.loader]]
        if walk.events_of(position)[-1] < begin
    }


def _sites(walk: Walk) -> dict[str, tuple[object, ...]]:
    """Return what makes loaders one: a loader re-created each epoch is the same to its user when it is made (or, where
    that is unknown, asked for) at the same line over the same data with the same settings. Loaders in use at the
    same time are never one: two that are zipped may well be made by one line. One that gave no batch was not in use:
    Keras makes an iterator only to look at the data."""
    sites: dict[str, tuple[object, ...]] = {}
    free_since: dict[tuple[object, ...], list[float]] = defaultdict(list)
    used = {iterator.loader for position, iterator in enumerate(walk.trainer.iterators) if len(walk.of(position))}
    for loader, (site, begin, end) in _uses(walk).items():
        if loader not in used:
            sites[loader] = (*site, 0)
            continue
        until = free_since[site]
        number = next((n for n, free in enumerate(until) if free <= begin), len(until))
        until[number : number + 1] = [end]
        sites[loader] = (*site, number)
    return sites


def _uses(walk: Walk) -> dict[str, tuple[tuple[object, ...], float, float]]:
    """Return each loader's site and when it was first and last used (ns), in the order of their first use."""
    uses: dict[str, tuple[tuple[object, ...], float, float]] = {}
    for position, iterator in enumerate(walk.trainer.iterators):
        site, begin, end = uses.get(iterator.loader, (_site(iterator), iterator.start_ns, iterator.made_ns))
        events = walk.events_of(position)
        last = float(walk.fields["t1"][events[-1]]) if len(events) else end
        uses[iterator.loader] = (site, begin, max(end, last))
    return uses


def _site(iterator: Iterator) -> tuple[object, ...]:
    place = iterator.made_place or iterator.place
    recorded = iterator.attributes
    settings = tuple(str(recorded.get(name)) for name in ("dataset", "length", "workers", "batch_size"))
    return (place, *settings) if place else (iterator.loader,)


def _settled_roles(walk: Walk, site: dict[str, tuple[object, ...]]) -> list[Role]:
    """Return each iterator's role; one too short to tell (a single batch), or whose batches were all thrown away, takes
    that of its loader's others."""
    iterators = walk.trainer.iterators
    handed = np.bincount(walk.iterator[(walk.iterator >= 0) & (walk.fields["end"] == 0)], minlength=len(iterators))
    trains = {site[iterators[position].loader] for position in walk.training}
    roles: list[Role] = []
    for position, iterator in enumerate(iterators):
        same = site[iterator.loader] in trains
        untrained = same and (handed[position] < 2 or position in walk.skipped)
        roles.append("training" if position in walk.training or untrained else "evaluation")
    return roles
