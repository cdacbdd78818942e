"""The rules: a folder each, named like the finding's id, with the rule (`rule.py`) and its cases (`cases.py`).

`RULES` are gpuwatch's own, found by their folders. `all_rules()` adds those of other packages, which name them as entry
points of the group `gpuwatch.rules`. docs/writing-a-rule.md shows how to write one.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from pkgutil import iter_modules

from gpuwatch.diagnosis.rule import Found, Missing, Need, Rule
from gpuwatch.model.profile import Profile

GROUP = "gpuwatch.rules"
SLUGS = tuple(sorted(module.name for module in iter_modules(__path__) if module.ispkg))
RULES: tuple[Rule, ...] = tuple(import_module(f"gpuwatch.rules.{slug}.rule").RULE for slug in SLUGS)


@cache
def all_rules() -> tuple[Rule, ...]:
    """Return gpuwatch's rules and those of installed packages; one that cannot be loaded is never evaluated."""
    return RULES + tuple(map(_load, _points().values()))


def ids() -> tuple[str, ...]:
    """Return the ids of all rules; nothing of other packages is imported."""
    return tuple(sorted(modules()))


def modules() -> dict[str, str]:
    """Return the module of each rule by the rule's id; nothing of other packages is imported."""
    own = {slug.replace("_", "-"): f"gpuwatch.rules.{slug}.rule" for slug in SLUGS}
    return own | {id: point.module for id, point in _points().items()}


def _points() -> dict[str, EntryPoint]:
    """Return the entry points of other packages by the rule's id: the first of each, and none with an id of gpuwatch's."""
    found = sorted(entry_points(group=GROUP), key=lambda point: (point.name, point.value), reverse=True)
    return {point.name: point for point in reversed(found) if point.name.replace("-", "_") not in SLUGS}


def _load(point: EntryPoint) -> Rule:
    try:
        rule = point.load()
        if not isinstance(rule, Rule) or rule.id != point.name:
            raise TypeError(f"it is no Rule with the id {point.name}")
        return rule
    except (Exception, SystemExit) as error:
        return _broken(point, " ".join(f"{type(error).__name__}: {error}".split()))


def _broken(point: EntryPoint, error: str) -> Rule:
    """Return a rule that says why the one of an entry point could not be loaded."""
    package = point.dist.name if point.dist else point.value

    def check(profile: Profile, _thresholds: object, _need: object) -> Found | None:
        return None

    return Rule(
        id=point.name,
        page=_BROKEN_PAGE.format(package=package, value=point.value, error=error),
        check=check,
        needs=(
            Need(
                "the rule itself",
                lambda _: Missing(f"the rule could not be loaded from {point.value}: {error}", "clause"),
            ),
        ),
    )


_BROKEN_PAGE = """A rule of {package} that could not be loaded.

What it means
    {value} failed with {error}

What to do
    Repair, update or uninstall the package {package}. The other rules are not affected.
"""
