"""docs/environment.md, from the list of environment variables."""

from __future__ import annotations

from gpuwatch.words.environment import VARIABLES, Audience

HEAD = """\
# Environment variables

A setting is taken from the first of these places that has it: the command-line flag, the environment variable,
`gpuwatch.toml` in the working folder or the nearest folder above it, `[tool.gpuwatch]` in `pyproject.toml`, the default.
An empty variable counts as not set.
"""
SECTIONS: dict[Audience, str] = {
    "user": "## For you to set\n",
    "internal": """\
## Set by gpuwatch itself

gpuwatch puts these into the environment of the command that it starts. A launcher that clears the environment has to pass
`GPUWATCH_RUN` and `PYTHONPATH` on; the others are listed so that you recognise them in a printed environment.
""",
}


def page() -> str:
    """Return the page."""
    return "\n".join([HEAD, *(f"{about}\n{_table(audience)}" for audience, about in SECTIONS.items())])


def _table(audience: Audience) -> str:
    rows = [("variable", "values", "default", "what it does", "in gpuwatch.toml"), ("---",) * 5]
    rows += [
        (f"`{each.name}`", each.values, each.default, each.about, f"`{each.setting}`" if each.setting else "")
        for each in VARIABLES
        if each.audience == audience
    ]
    return "".join(f"| {' | '.join(row if audience == 'user' else row[:-1])} |\n" for row in rows)
