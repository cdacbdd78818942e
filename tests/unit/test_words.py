"""No text of the package uses a word that docs/glossary.md has retired."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import glossary

ROOT = Path(__file__).parents[2]
MODULES = sorted((ROOT / "gpuwatch").rglob("*.py"))


def texts(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the strings of a module with their lines: messages, help, pages, docstrings; not what is a bare name."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and " " in node.value:
            yield node.lineno, node.value


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_strings_use_the_fields_words(path: Path) -> None:
    found = [f"line {line}: {word}" for line, text in texts(path) for word in glossary.refused(text)]
    assert not found


def test_the_published_schema_and_the_dashboards_use_the_fields_words() -> None:
    files = [ROOT / "gpuwatch/views/report.schema.json", *sorted((ROOT / "dashboards").rglob("*.json"))]
    found = {file.name: words for file in files if (words := glossary.refused(file.read_text(encoding="utf-8")))}
    assert files and not found


def test_a_retired_word_would_be_found() -> None:
    assert glossary.refused("each asks for a batch anew") == [
        "anew -> again, re-created",
        "asks for a batch -> requests a batch",
    ]
    assert json.dumps(glossary.refused("the rule fires")) == "[]"
