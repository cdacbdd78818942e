"""Settings: flag > `GPUWATCH_*` > `gpuwatch.toml` > `[tool.gpuwatch]` in pyproject.toml > default.

Both files are looked for in the working folder, then in its parents; the nearest one of each kind counts.
"""

from __future__ import annotations

import dataclasses
import difflib
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from gpuwatch.errors import UsageError
from gpuwatch.records import dataclass
from gpuwatch.words.environment import SETTINGS, switch
from gpuwatch.words.units import figures

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

MAX_RATE_HZ = 20.0


@dataclass(frozen=True, slots=True)
class Config:
    """What can be set once for all calls. `rate` is the sampler's, in Hz; `dir` is the directory that holds the runs."""

    dir: str = ".gpuwatch"
    rate: float = 1.0
    stacks: bool = True
    quiet: bool = False
    live: bool = False
    html: str | None = None
    json: str | None = None
    fail_on: str | None = None
    problems: tuple[str, ...] = ()


def load(cwd: Path, environ: Mapping[str, str], **flags: Any) -> Config:
    """Return the settings in force; flags that are None were not given.

    What cannot be read is left out and reported in `problems`, a line each: a training must start all the same.
    A command that only reads calls `strict` on the result."""
    problems: list[str] = []
    values = {
        **_from_file(_nearest(cwd, "pyproject.toml"), ("tool", "gpuwatch"), problems),
        **_from_file(_nearest(cwd, "gpuwatch.toml"), (), problems),
        **_from_environment(environ, problems),
        **{
            name: _check(name, value, f"--{name.replace('_', '-')}")
            for name, value in flags.items()
            if value is not None
        },
    }
    return Config(**values, problems=tuple(problems))


def strict(config: Config) -> Config:
    """Return the config, or raise UsageError with the first thing that was wrong in it."""
    if config.problems:
        raise UsageError(config.problems[0])
    return config


def _nearest(cwd: Path, name: str) -> Path | None:
    for folder in (cwd, *cwd.parents):
        if (folder / name).is_file():
            return folder / name
    return None


def _from_file(path: Path | None, section: tuple[str, ...], problems: list[str]) -> dict[str, Any]:
    if path is None:
        return {}
    try:
        text = path.read_text(encoding="utf-8")
        # A project file of somebody who never heard of gpuwatch is not worth parsing, let alone complaining about.
        if section and section[-1] not in text:
            return {}
        table: Any = tomllib.loads(text)
        for key in section:
            table = table.get(key, {})
        items = dict(table)
    except (OSError, ValueError, TypeError, AttributeError, RecursionError) as error:
        problems.append(f"{path} cannot be read: {_first_line(error)}")
        return {}
    return _collect(items, lambda name: f"{name} in {path}", problems)


def _from_environment(environ: Mapping[str, str], problems: list[str]) -> dict[str, Any]:
    given = {each.setting: value for each in SETTINGS if each.setting and (value := each.read(environ))}
    names = {each.setting: each.name for each in SETTINGS}
    return _collect(given, names.__getitem__, problems)


def _collect(items: dict[str, Any], label: Callable[[str], str], problems: list[str]) -> dict[str, Any]:
    values = {}
    for key, value in items.items():
        try:
            name = key.replace("-", "_")
            values[name] = _check(name, value, label(key))
        except UsageError as error:
            problems.append(str(error))
    return values


def _check(name: str, value: Any, label: str) -> Any:
    if name not in _TYPES:
        near = difflib.get_close_matches(name, _TYPES, 1)
        hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(_TYPES)}"
        raise UsageError(f"unknown setting {label}; {hint}")
    return _TYPES[name](value, label)


def _text(value: Any, label: str) -> str:
    if not isinstance(value, str) or not value or "\0" in value:
        raise UsageError(f"{label} must be a text, not {value!r}")
    return value


def _switch(value: Any, label: str) -> bool:
    answer = switch(value)
    if answer is None:
        raise UsageError(f"{label} must be true or false, not {value!r}")
    return answer


def _rate(value: Any, label: str) -> float:
    try:
        rate = float(value)
    except (TypeError, ValueError):
        rate = float("nan")
    if not 0.1 <= rate <= MAX_RATE_HZ:
        raise UsageError(f"{label} must be between 0.1 and {figures(MAX_RATE_HZ)} (Hz), not {value!r}")
    return rate


def _first_line(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error).split("\n", 1)[0]


_PARSERS: dict[str, Callable[[Any, str], Any]] = {"rate": _rate, "stacks": _switch, "quiet": _switch, "live": _switch}
_TYPES = {
    field.name: _PARSERS.get(field.name, _text) for field in dataclasses.fields(Config) if field.name != "problems"
}
