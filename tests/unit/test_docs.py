"""The first pages: small enough, no dead link, no command that does not parse, no retired word."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from gpuwatch.verbs import cli
from tests import glossary

ROOT = Path(__file__).resolve().parent.parent.parent
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "CHANGELOG.md",
    *sorted((ROOT / "docs").rglob("*.md")),
]
README_BYTES = 9216
FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"`([^`\n]+)`")
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
COMMAND = re.compile(r"(?:^|\s)gpuwatch (?=[a-z])")
SCRIPT = re.compile(r"(?<![\w/])scripts/[\w/.]*\w")

page = pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))


def test_readme_is_one_page() -> None:
    assert len((ROOT / "README.md").read_bytes()) < README_BYTES


@page
def test_relative_links_resolve(path: Path) -> None:
    text = FENCE.sub("", path.read_text(encoding="utf-8"))
    links = [link for link in LINK.findall(text) if "://" not in link]
    assert [link for link in links if not resolves(path, link)] == []


def resolves(path: Path, link: str) -> bool:
    """Say whether a link's file is there, and has the heading that its anchor names."""
    name, _, anchor = link.partition("#")
    target = path.parent / name if name else path
    return target.exists() and (not anchor or anchor in anchors(target))


def anchors(path: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    headings = HEADING.findall(FENCE.sub("", path.read_text(encoding="utf-8")))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@page
def test_commands_parse(path: Path) -> None:
    wrong = []
    for command in commands(path.read_text(encoding="utf-8")):
        try:
            parse(command)
        except (click.UsageError, ValueError) as error:
            wrong.append(f"gpuwatch {command}: {error}")
    assert wrong == []


def commands(text: str) -> Iterator[str]:
    """Yield what follows `gpuwatch` in code: each line of a fenced block, each inline span that names a command."""
    fenced = [line for block in FENCE.findall(text) for line in block.splitlines()[1:-1]]
    for code in [*fenced, *CODE.findall(FENCE.sub("", text))]:
        if found := COMMAND.search(code.replace("\\|", "|")):
            yield code[found.end() :]


def parse(command: str) -> None:
    """Read a call as the command line does, without running it. Raises click.UsageError when it is wrong."""
    words = shlex.split(command, comments=True)
    name, verb, rest = cli.resolve_command(click.Context(cli), words)
    while isinstance(verb, click.Group) and rest:
        name, verb, rest = verb.resolve_command(click.Context(verb), rest)
    assert verb is not None
    context = click.Context(verb, info_name=name)
    values, _, _ = verb.make_parser(context).parse_args(rest)
    for parameter in verb.get_params(context):
        if isinstance(parameter, click.Option) and parameter.name in values:
            parameter.type_cast_value(context, values[parameter.name])


@pytest.mark.parametrize(
    "command", ["repot", "run --no-such -- python x.py", "rule old x", "export --to pdf", "lines -n none"]
)
def test_a_wrong_command_does_not_parse(command: str) -> None:
    with pytest.raises(click.UsageError):
        parse(command)


def test_commands_are_found_in_blocks_and_spans() -> None:
    text = "Use `gpuwatch top`, not `gpuwatch`.\n```console\n$ gpuwatch run -- a   # b\ngpuwatch: note\n```\n"
    assert list(commands(text)) == ["run -- a   # b", "top"]


@page
def test_scripts_exist(path: Path) -> None:
    named = set(SCRIPT.findall(path.read_text(encoding="utf-8")))
    assert sorted(script for script in named if not (ROOT / script).exists()) == []


@page
def test_no_retired_word(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    if path == glossary.GLOSSARY:
        text = text.partition(glossary.BEGIN)[0] + text.partition(glossary.END)[2]
    assert glossary.refused(text) == []


def test_retired_words_are_matched_whole_and_in_any_case() -> None:
    assert glossary.refused("Told by\nlot, made  ANEW.") == [
        "told -> reported, given, recorded",
        "anew -> again, re-created",
        "made anew -> re-created",
        "by lot -> at random",
    ]
    assert glossary.refused("workers_made_anew, a toldo, standstill") == []


def test_retired_words_are_listed_once() -> None:
    words = [row.word for row in glossary.retired()]
    assert sorted(words) == sorted(set(words))


def test_readme_figures_are_those_of_the_linked_page() -> None:
    """A figure in the README is a copy: its page changes with the benchmark, and the README must follow."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    for section, name in (("Overhead", "overhead.md"), ("Accuracy", "accuracy.md")):
        part = text.partition(f"## {section}\n")[2].partition("\n## ")[0]
        figures = re.findall(r"\d+/\d+|\d+\.\d+", part)
        known = (ROOT / "docs" / name).read_text(encoding="utf-8")
        assert figures and [figure for figure in figures if figure not in known] == []
