"""The rules: a folder each, named like the finding's id, with the rule (`rule.py`) and its cases (`cases.py`).

`RULES` are gpuwatch's own, found by their folders. `all_rules()` adds those of other packages, which name them as entry
points of the group `gpuwatch.rules`. docs/writing-a-rule.md shows how to write one.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from pkgutil import iter_modules

from gpuwatch.diagnosis.rule import Found, Rule
from gpuwatch.model.profile import Profile

GROUP = "gpuwatch.rules"
SLUGS = tuple(sorted(module.name for module in iter_modules(__path__) if module.ispkg))
RULES: tuple[Rule, ...] = tuple(import_module(f"gpuwatch.rules.{slug}.rule").RULE for slug in SLUGS)


@cache
def all_rules() -> tuple[Rule, ...]:
    """Return gpuwatch's rules and those of installed packages; one that cannot be loaded says so when it is asked."""
    others = sorted(entry_points(group=GROUP), key=lambda point: point.name)
    own = {rule.id for rule in RULES}
    return RULES + tuple(rule for rule in map(_load, others) if rule.id not in own)


def ids() -> tuple[str, ...]:
    """Return the ids of all rules; nothing of other packages is imported."""
    others = {point.name for point in entry_points(group=GROUP)}
    return tuple(sorted({slug.replace("_", "-") for slug in SLUGS} | others))


def _load(point: EntryPoint) -> Rule:
    try:
        rule = point.load()
        if not isinstance(rule, Rule) or rule.id != point.name:
            raise TypeError(f"{point.value} is no Rule with the id {point.name}")
        return rule
    except Exception as error:
        return _broken(point, error)


def _broken(point: EntryPoint, error: Exception) -> Rule:
    def check(profile: Profile, _thresholds: object) -> Found | None:
        raise error

    return Rule(id=point.name, page=f"A rule of {point.value} that could not be loaded.", check=check)
