"""A stack sample, placed: whose process, in what activity, on which of the user's lines."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence, Set
from typing import Literal, NamedTuple

from gpuwatch.analyze.lines.frames import Frame
from gpuwatch.analyze.lines.model_calls import IN_MODEL, Part
from gpuwatch.model.hot_lines import Callee
from gpuwatch.words.source_code import package_of

LOADER_WORK = ("fetch", "collate", "serialise")
BEFORE = ("startup", "importing")
NO_WORK = ("idle", "wait", "shutdown")
Role = Literal["worker", "trainer"]


class Sample(NamedTuple):
    """Some equal samples of one process: the line they stood on and in what activity. Weights are sample counts,
    `seconds` is the time they stand for. `makes`: the class made there, when they were in library code of its. `part`: of
    a trainer's step; `callback`: what of a framework's loop they were in, outside of the model. `below`: where in the
    called code they were, and what is called there. `late`: the part of them taken in the second half of the loops' time,
    None where that is unknown. `tenths`: of a trainer's samples, in which tenth of a second of the run's clock they were taken,
    and how many then."""

    pid: int
    role: Role
    activity: str
    file: str
    line: int
    function: str
    callee: Callee | None
    makes: str | None
    stack: tuple[Frame, ...]
    weight: float
    seconds: float
    awaited: float
    blocked: float | None
    part: Part = "own"
    callback: str | None = None
    below: Frame | None = None
    below_callee: Callee | None = None
    late: float | None = None
    tenths: tuple[tuple[int, int], ...] = ()


Path = tuple[tuple[str, int], ...]


# So many samples of a way to a line decide for it; fewer go by what they have in common with others.
_DECISIVE = 20
# Ways that are in long steps by so much more than all samples (ratio of odds) are, also if that is not most of their time.
_FAR_MORE, _SOME = 3.0, 0.2


def settle_long_steps(samples: Sequence[Sample]) -> list[Sample]:
    """Give each way to the trainer's lines one kind of step: the one that most of its samples fell in, or that they fell in
    far more than others. A sample's time is known to a tenth of a second or so."""
    drivers = {(s.file, s.line) for s in samples if s.part in IN_MODEL}
    paths = [_path(sample, drivers) if is_of_step(sample) else () for sample in samples]
    long: dict[Path, float] = defaultdict(float)
    whole: dict[Path, float] = defaultdict(float)
    for sample, path in zip(samples, paths, strict=True):
        for end in range(len(path) + 1) if path else ():
            whole[path[:end]] += sample.weight
            long[path[:end]] += sample.weight if sample.activity == "long step" else 0.0
    kinds = {path: _is_long(path, long, whole) for path in set(paths) if path}
    return [
        sample._replace(activity="long step" if kinds[path] else "step") if path else sample
        for sample, path in zip(samples, paths, strict=True)
    ]


def _is_long(path: Path, long: Mapping[Path, float], whole: Mapping[Path, float]) -> bool:
    ends = range(len(path), 0, -1)
    decisive = next((path[:end] for end in ends if whole[path[:end]] >= _DECISIVE), path)
    share, overall = long[decisive] / whole[decisive], long[()] / whole[()]
    odds = share * (1.0 - overall)
    usual = overall * (1.0 - share)
    return odds >= usual if share > 0.5 else share >= _SOME and odds >= _FAR_MORE * usual


def is_of_step(sample: Sample) -> bool:
    """Say whether samples are of a trainer's step."""
    return sample.role == "trainer" and sample.activity in ("step", "long step")


def _path(sample: Sample, drivers: Set[tuple[str, int]]) -> Path:
    """Return the calls that lead to a sample's line, or, where that runs a framework's loop, from it to torch."""
    place = (sample.file, sample.line)
    places = [(frame.file, frame.line) for frame in sample.stack]
    if place not in places:
        return (place,)
    torch = next((i for i, frame in enumerate(sample.stack) if package_of(frame.file) == "torch"), len(places))
    own = len(places) - places[::-1].index(place)
    return tuple(places[: torch if place in drivers else min(torch, own)])
