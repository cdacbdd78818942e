"""Our quicker dataclasses are the standard library's in everything that can be seen of one."""

from __future__ import annotations

import copy
import dataclasses
import pickle
from dataclasses import field
from typing import Any

import pytest

from gpuwatch import records


class Plain:
    x: int
    y: list[int] = field(default_factory=list, compare=False)
    z: str = field(default="z", repr=False)


class Saying:
    x: int = 1

    def __repr__(self) -> str:
        return "said"

    def __hash__(self) -> int:
        return 7


class Empty:
    pass


KINDS = [{}, {"slots": True}, {"frozen": True}, {"frozen": True, "slots": True}]


def made(of: type, by: Any, options: dict[str, bool]) -> Any:
    return by(**options)(type(of.__name__, (), {**vars(of)}))


@pytest.mark.parametrize("options", KINDS, ids=str)
@pytest.mark.parametrize("of", [Plain, Saying, Empty])
def test_they_are_compared_hashed_and_shown_alike(of: type, options: dict[str, bool]) -> None:
    ours, theirs = (made(of, by, options) for by in (records.dataclass, dataclasses.dataclass))
    given = [(1,), (2,)] if of is not Empty else [(), ()]
    seen = []
    for kind in (ours, theirs):
        first, same, other = kind(*given[0]), kind(*given[0]), kind(*given[1])
        hashes = hash(first) == hash(same) if kind.__hash__ else None
        seen.append((repr(first).rpartition(".")[2], first == same, first == other, first == 1, hashes))
    assert seen[0] == seen[1]
    assert ours(*given[0]) != theirs(*given[0])


@records.dataclass(frozen=True, slots=True)
class Kept:
    x: int
    below: Kept | None = None


@records.dataclass(frozen=True, slots=True)
class More(Kept):
    w: int = 3


def test_one_is_a_dataclass_to_everybody_else() -> None:
    kept = Kept(1, Kept(2))
    assert dataclasses.replace(kept, x=5) == Kept(5, Kept(2))
    assert dataclasses.asdict(kept) == {"x": 1, "below": {"x": 2, "below": None}}
    assert pickle.loads(pickle.dumps(kept)) == kept == copy.deepcopy(kept)
    assert More(1) != Kept(1)
    assert {Kept(1), Kept(1), More(1)} == {Kept(1), More(1)}
    match kept:
        case Kept(x, _):
            assert x == 1
    with pytest.raises(dataclasses.FrozenInstanceError):
        kept.x = 3  # type: ignore[misc]
