"""The public contract of `gpuwatch fleet --json`, described by `fleet.schema.json`."""

from __future__ import annotations

import json
from importlib import resources
from typing import Any

from gpuwatch.model.fleet import Fleet
from gpuwatch.views.json import plain

SCHEMA = "gpuwatch.fleet/1"


def to_dict(fleet: Fleet) -> dict[str, Any]:
    """Return the summary as the documented JSON object."""
    return {"schema": SCHEMA, **plain(fleet)}


def schema() -> dict[str, Any]:
    """Return the published JSON Schema of `to_dict`'s result."""
    published = resources.files("gpuwatch.views").joinpath("fleet.schema.json").read_text(encoding="utf-8")
    loaded: dict[str, Any] = json.loads(published)
    return loaded
