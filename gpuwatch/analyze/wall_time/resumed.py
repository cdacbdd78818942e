"""What a training that was resumed spent on batches that it threw away."""

from __future__ import annotations

from gpuwatch.analyze.wall_time.loaders import Loader
from gpuwatch.model.loader_profile import SkippedBatches


def skipped_batches(loader: Loader) -> SkippedBatches | None:
    """Return the batches that a loader gave for nothing, with the time that took; None when there are none."""
    walk, count, spent, where = loader.walk, 0, 0.0, None
    for position in loader.positions:
        skipped = walk.skipped.get(position, 0)
        if skipped:
            events = walk.of(position)[:skipped]
            count += skipped
            spent += float(walk.wait[events].sum() + (walk.gap - walk.making)[events[1:]].sum()) / 1e9
            where = where or loader.trainer.iterators[position].asking_place
    return SkippedBatches(count, spent, where) if count else None
