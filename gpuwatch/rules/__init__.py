"""The rules: a folder each, named like the finding's id, with the rule and its cases.

A rule is a module with a docstring (its page, shown by `gpuwatch explain`) under the headings What it means, How it
is measured, When it is wrong, What to do; and one pure function `check(profile) -> Finding | Clear | NotEvaluated`.
Thresholds are module constants.
"""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules
from types import ModuleType

SLUGS = tuple(sorted(module.name for module in iter_modules(__path__) if module.ispkg))
RULES: tuple[ModuleType, ...] = tuple(import_module(f"gpuwatch.rules.{slug}.rule") for slug in SLUGS)


def rule_id(rule: ModuleType) -> str:
    """Return a rule's public id: its folder's name with dashes."""
    return rule.__name__.split(".")[-2].replace("_", "-")
