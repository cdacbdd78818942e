"""The rules: one file each, named like the finding's id.

A rule is a module with a docstring (its page, shown by `gpuwatch explain`) under the headings What it means, How it
is measured, When it is wrong, What to do; and one pure function `check(profile) -> Finding | Clear | NotEvaluated`.
Thresholds are module constants. A new rule is a new file, its line in RULES, and its cases in tests/rules.
"""

from __future__ import annotations

from types import ModuleType

from gpuwatch.analyze.rules import (
    cpu_saturated,
    no_worker_processes,
    not_instrumented,
    too_few_workers,
)

RULES: tuple[ModuleType, ...] = (
    not_instrumented,
    no_worker_processes,
    too_few_workers,
    cpu_saturated,
)


def rule_id(rule: ModuleType) -> str:
    """Return a rule's public id: its module's name with dashes."""
    return rule.__name__.rsplit(".", 1)[-1].replace("_", "-")
