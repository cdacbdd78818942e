"""The cases of all rules, by id."""

from __future__ import annotations

from importlib import import_module

from gpuwatch.diagnosis.examples.cases import Case
from gpuwatch.rules import RULES

CASES: dict[str, tuple[Case, ...]] = {
    rule.id: import_module(f"gpuwatch.rules.{rule.id.replace('-', '_')}.cases").CASES for rule in RULES
}
