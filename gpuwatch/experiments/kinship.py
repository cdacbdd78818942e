"""Whether two commands train the same thing: the same program with the same arguments, but for those that change neither
the data nor a step, such as seeds, epochs, names and folders of results."""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Iterator, Sequence

from gpuwatch.records import dataclass
from gpuwatch.words.masking import same_command

_PYTHON = re.compile(r"^python(\d+(\.\d+)?)?$")
_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+")
_NUMBER = re.compile(r"^[+-]?\d[\d_]*(\.\d+)?(e[+-]?\d+)?$", re.IGNORECASE)
_OPTION = re.compile(r"^--?[A-Za-z]")
# Hydra's `key=value`, with its `+`, `++` and `~`.
_ASSIGNED = re.compile(r"^[+~]{0,2}(?P<key>[A-Za-z_][\w./@-]*)=(?P<value>.*)$", re.DOTALL)
# Words of an option's name that speak of results; those that do so only beside a word for a place or a name; and those
# beside which neither does.
_RESULTS = frozenset(
    [
        "out",
        "output",
        "outputs",
        "save",
        "log",
        "logs",
        "logger",
        "logging",
        "logdir",
        "results",
        "tag",
        "tags",
        "notes",
        "wandb",
        "tensorboard",
    ]
)
_RESULTS_AT = frozenset(
    ["run", "runs", "exp", "experiment", "experiments", "checkpoint", "checkpoints", "ckpt", "artifacts", "project"]
)
_AT = frozenset(["name", "dir", "directory", "folder", "root", "path", "id"])
_DATA = frozenset(
    [
        "data",
        "dataset",
        "datasets",
        "input",
        "inputs",
        "train",
        "val",
        "test",
        "image",
        "images",
        "model",
        "from",
        "load",
        "resume",
    ]
)
# Names of their own: what a run is called, and numbers that only say how long it lasts or what it draws.
_NAMES = frozenset({("name",), ("project",), ("o",), ("root", "dir"), ("default", "root", "dir")})
_NUMBERS = frozenset(["seed", "seeds", "epoch", "epochs", "steps", "iters", "iterations"])
_NUMBERS_WITH = frozenset(
    [
        "max",
        "min",
        "num",
        "n",
        "number",
        "of",
        "total",
        "train",
        "training",
        "trainer",
        "global",
        "random",
        "seed",
        "manual",
    ]
)


@dataclass(frozen=True, slots=True)
class Argument:
    """One argument: an option or assignment with its value, or a value alone (`key` is empty)."""

    key: str
    value: str | None

    def __str__(self) -> str:
        return self.key if self.value is None else f"{self.key}={self.value}" if self.key else self.value


def differences(earlier: Sequence[str], now: Sequence[str]) -> list[str] | None:
    """Return how two commands of the same training differ, as `seed=1 (now 2)`; None when they are of different ones."""
    if same_command(earlier, now):
        return []
    if not earlier or not now or not _same_program(earlier[0], now[0]):
        return None
    before, after = list(_parsed(earlier[1:])), list(_parsed(now[1:]))
    if [str(each) for each in before if not _is_free(each)] != [str(each) for each in after if not _is_free(each)]:
        return None
    old, new = ({each.key: each for each in group if _is_free(each)} for group in (before, after))
    keys = [key for key in dict.fromkeys((*old, *new)) if old.get(key) != new.get(key)]
    return [_difference(old.get(key), new.get(key)) for key in keys]


def _difference(before: Argument | None, now: Argument | None) -> str:
    if before is None:
        return f"{now} is new"
    if now is None:
        return f"without {before}"
    return f"{before} (now {now.value})"


def _same_program(one: str, other: str) -> bool:
    names = os.path.basename(one), os.path.basename(other)
    return one == other or all(map(_PYTHON.match, names))


def _parsed(arguments: Sequence[str]) -> Iterator[Argument]:
    """Yield the arguments; a word behind an option, which is none itself, is taken for the option's value."""
    rest = iter([*itertools.pairwise(arguments), *((last, None) for last in arguments[-1:])])
    for word, following in rest:
        assigned = _ASSIGNED.match(word)
        if word.startswith("--") and "=" in word:
            key, _, value = word.partition("=")
            yield Argument(key, value)
        elif assigned is not None:
            yield Argument(assigned["key"], assigned["value"])
        elif (
            _OPTION.match(word)
            and following is not None
            and not following.startswith("-")
            and not _is_assigned(following)
        ):
            next(rest)
            yield Argument(word, following)
        elif _OPTION.match(word):
            yield Argument(word, None)
        else:
            yield Argument("", word)


def _is_assigned(word: str) -> bool:
    return _ASSIGNED.match(word) is not None


def _is_free(argument: Argument) -> bool:
    """Say whether an argument may differ: it names results or a run, or says how long it lasts or what it draws."""
    words = tuple(word.lower() for word in _WORD.findall(argument.key.rsplit(".", 1)[-1]))
    groups = {word.lower() for word in _WORD.findall(argument.key)}
    if not words:
        return False
    if words in _NAMES:
        return True
    if words[-1] in _NUMBERS and set(words[:-1]) <= _NUMBERS_WITH:
        return _NUMBER.match(argument.value or "") is not None
    speaks = groups & _RESULTS or (groups & _RESULTS_AT and groups & _AT)
    return bool(speaks) and not groups & _DATA
