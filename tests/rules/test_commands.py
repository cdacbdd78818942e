"""What a finding tells a person to type: each `verify` is a command of the real command line, each `edit` is code."""

from __future__ import annotations

import ast
import re
import shlex
from dataclasses import replace

import click
import pytest

from gpuwatch.diagnosis.rule import members
from gpuwatch.experiments.remedies import REMEDIES, check_names, named
from gpuwatch.model.findings import Finding
from gpuwatch.model.profile import Profile
from gpuwatch.rules import RULES
from gpuwatch.verbs import cli
from tests.rules.cases import CASES

# What a shell and the command line could take for their own: spaces, quotes, options of gpuwatch, another `--`.
TRAINING = ("python", "train.py", "--data", "/data/image net", "--json", "--loader", "--lr=0.1", "--", "it's $HOME")
FIRING = [
    pytest.param(id, case.profile, id=f"{id}-{number}")
    for id, cases in CASES.items()
    for number, case in enumerate(cases)
    if case.outcome is Finding
]
# A setting of the environment, which goes before the command.
SETTING = re.compile(r"[A-Z_]+=\S+")
# Remedies whose edit is a sentence: the change is spread over the user's code.
IN_WORDS = {"cache-items", "packed-batches", "uint8-batches"}


def _found(id: str, profile: Profile) -> Finding:
    rule = next(rule for rule in RULES if rule.id == id)
    outcome = rule.evaluate(replace(profile, run=replace(profile.run, command=TRAINING)), members(RULES))
    assert isinstance(outcome, Finding)
    return outcome


def parsed(line: str) -> tuple[str, dict[str, object]]:
    """Return the verb of a `gpuwatch` command line and its parameters; nothing is run. Raises click.UsageError."""
    program, *words = shlex.split(line)
    assert program == "gpuwatch"
    verb, command, rest = cli.resolve_command(click.Context(cli), words)
    assert verb is not None and command is not None
    return verb, command.make_context(verb, rest).params


@pytest.mark.parametrize(("id", "profile"), FIRING)
def test_the_command_line_reads_every_verify(id: str, profile: Profile) -> None:
    finding = _found(id, profile)
    if finding.verify is None:
        return
    verb, parameters = parsed(finding.verify)
    assert verb in ("try", "lines")
    assert parameters["arguments"] == TRAINING
    if verb == "lines":
        assert parameters["exact"]
        return
    remedies = [name for name in str(parameters["remedies"] or "").split(",") if name]
    assert remedies or parameters["sweep"] or parameters["ceilings"], "a bare `try` proves no one finding"
    check_names(remedies)
    assert set(remedies) <= set(finding.traits.remedies), "the remedy of another finding"


def test_a_command_that_is_none_would_be_found() -> None:
    for wrong in ("gpuwatch try --remedy scaled-decode -- python train.py", "gpuwatch trial -- python train.py"):
        with pytest.raises(click.UsageError):
            parsed(wrong)


@pytest.mark.parametrize(("id", "profile"), FIRING)
def test_every_edit_is_code(id: str, profile: Profile) -> None:
    edit = _found(id, profile).edit
    if edit is None:
        return
    if not all(SETTING.fullmatch(word) for word in shlex.split(edit)):
        ast.parse(edit)


@pytest.mark.parametrize("name", [*REMEDIES, "workers=4"])
def test_what_a_remedy_adds_is_code(name: str) -> None:
    (remedy,) = named([name], None)
    assert remedy.edit
    added = [line[2:] for line in remedy.edit.splitlines() if line.startswith("+ ")]
    assert added
    if name not in IN_WORDS:
        ast.parse("\n".join(added))
