"""`gpuwatch rule`: the skeleton of a new rule, and the check of a rule and its cases."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gpuwatch.errors import GpuwatchError, UsageError

if TYPE_CHECKING:
    from types import ModuleType

NEW_HELP = """Write the skeleton of a rule: its page, thresholds, needs and check, and its cases.

In a checkout of gpuwatch it becomes one of gpuwatch's rules; anywhere else a rule of your own package.

\b
Examples:
  gpuwatch rule new slow-network
  gpuwatch rule new slow-network --into src/acme/rules
"""
CHECK_HELP = """Check a rule and its cases, and print what the rule says where a case is wrong, ready to paste.

RULE is the id of a rule, or its folder. Ends with 1 when something is missing or wrong.

\b
Examples:
  gpuwatch rule check too-few-workers
  gpuwatch rule check ./slow_network
"""


@click.group("rule", help="Write a new rule, check a rule and its cases.")
def command() -> None:
    pass


@command.command("new", help=NEW_HELP, short_help="Write the skeleton of a rule.")
@click.argument("id")
@click.option("--into", metavar="DIR", default=".", help="Where to write it (default: the working folder).")
def new(id: str, into: str) -> None:
    from gpuwatch.rules import ids, skeleton

    folder = skeleton.write(id, Path(into), ids())
    _, package = skeleton.module_of(folder)
    click.echo(_next_steps(id, os.path.relpath(folder), package, skeleton.is_own(folder)))


def _next_steps(id: str, folder: str, package: str, own: bool) -> str:
    """Return what to do with a skeleton; a rule of another package is named in that package's pyproject.toml."""
    steps = [
        f"Edit {folder}/rule.py: the page, the thresholds, the needs, the check.",
        f"Add the cases in which it fires to {folder}/cases.py.",
        f"gpuwatch rule check {id if own else folder}     prints what the rule says of each, ready to paste.",
        f"scripts/test tests/rules -k {id}     must pass." if own else _ENTRY_POINT.format(id=id, package=package),
        f"gpuwatch explain {id} --run RUN     shows what it says of a recorded run, and the numbers that it compared.",
    ]
    listed = "\n".join(f"  {number}. {step}" for number, step in enumerate(steps, 1))
    return f"Wrote {folder}/rule.py and {folder}/cases.py. Next:\n{listed}"


_ENTRY_POINT = """Name it in pyproject.toml, and install your package again (pip install -e .):

       [project.entry-points."gpuwatch.rules"]
       {id} = "{package}.rule:RULE"
"""


@command.command("check", help=CHECK_HELP, short_help="Check a rule and its cases.")
@click.argument("rule")
def check(rule: str) -> None:
    from gpuwatch.diagnosis.examples.complete import problems

    package = _package(rule)
    checked = _imported(f"{package}.rule", "RULE")
    cases, texts = _imported(f"{package}.cases", "CASES"), _profile_texts(sys.modules[f"{package}.cases"])
    found = problems(checked, cases, texts if len(texts) == len(cases) else ())
    for problem in found:
        click.echo(problem)
    click.echo(f"{checked.id}: {len(cases)} cases, {len(found) or 'no'} problem{'s' if len(found) != 1 else ''}")
    sys.exit(1 if found else 0)


def _package(rule: str) -> str:
    """Return the package of a rule that is given by its id or its folder, which is made importable."""
    from gpuwatch.rules import modules, skeleton

    for folder in (Path(rule), Path(rule.replace("-", "_"))):
        if (folder / "rule.py").is_file():
            root, package = skeleton.module_of(folder)
            sys.path.insert(0, str(root))
            return package
    known = modules()
    if rule not in known:
        raise UsageError(f"no rule and no folder with a rule.py: {rule!r}", "`gpuwatch explain` lists the rules")
    return known[rule].rpartition(".")[0]


def _imported(module: str, name: str) -> Any:
    from importlib import import_module

    try:
        return getattr(import_module(module), name)
    except Exception as error:
        raise GpuwatchError(f"{module} has no {name} to import: {type(error).__name__}: {error}") from error


def _profile_texts(module: ModuleType) -> list[str]:
    """Return the source of each case's profile, in the order of CASES; none where it is not written as a tuple of calls."""
    import ast
    import inspect

    source = inspect.getsource(module)
    values = [node.value for node in ast.parse(source).body if isinstance(node, ast.Assign | ast.AnnAssign)]
    cases = [call for value in values if isinstance(value, ast.Tuple) for call in value.elts]
    calls = [call for call in cases if isinstance(call, ast.Call) and call.args]
    return [ast.get_source_segment(source, call.args[0]) or "" for call in calls]
