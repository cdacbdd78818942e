"""Execute a notebook in a real kernel, and keep what it showed: outputs, and how often each display was updated."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

import gpuwatch

nbformat = pytest.importorskip("nbformat", reason="needs nbformat (uv sync)")
nbclient = pytest.importorskip("nbclient", reason="needs nbclient (uv sync)")
pytest.importorskip("ipykernel", reason="needs ipykernel (uv sync)")


@dataclass
class Executed:
    """A notebook that was executed; `updates`: the panels that were put in place of others, in order."""

    notebook: Any
    updates: list[str] = field(default_factory=list)

    def html(self, cell: int) -> list[str]:
        """Return what a cell (from 1) showed as HTML."""
        return [one["data"]["text/html"] for one in self._shown(cell) if "text/html" in one["data"]]

    def kinds(self, cell: int) -> set[str]:
        """Return the kinds of data that a cell showed."""
        return {kind for one in self._shown(cell) for kind in one["data"]}

    def values(self, cell: int) -> list[str]:
        """Return the values of a cell's last expression."""
        return [one["data"]["text/plain"] for one in self._outputs(cell) if one["output_type"] == "execute_result"]

    def text(self, cell: int, stream: str = "stdout") -> str:
        """Return what a cell has printed."""
        return "".join(
            one["text"] for one in self._outputs(cell) if one["output_type"] == "stream" and one["name"] == stream
        )

    def error(self, cell: int) -> tuple[str, str] | None:
        """Return the name of the exception that ended a cell, and its traceback."""
        found = [one for one in self._outputs(cell) if one["output_type"] == "error"]
        return (found[0]["ename"], "\n".join(found[0]["traceback"])) if found else None

    def _outputs(self, cell: int) -> Any:
        return self.notebook.cells[cell - 1].outputs

    def _shown(self, cell: int) -> list[Any]:
        return [one for one in self._outputs(cell) if one["output_type"] in ("display_data", "execute_result")]


def execute(cells: Sequence[str], folder: Path, timeout_s: int = 50) -> Executed:
    """Execute cells one after the other in a kernel of this Python, also those after one that fails."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in cells])
    done = Executed(notebook)

    class Client(nbclient.NotebookClient):  # type: ignore[misc, name-defined]
        def process_message(self, message: Any, cell: Any, cell_index: int) -> Any:
            if message["header"]["msg_type"] == "update_display_data":
                done.updates.append(message["content"]["data"].get("text/html", ""))
            return super().process_message(message, cell, cell_index)

    client = Client(notebook, timeout=timeout_s, kernel_name="python3", allow_errors=True)
    path = [str(Path(gpuwatch.__file__).parents[1])]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GPUWATCH_")}
    client.execute(cwd=str(folder), env={**environment, "PYTHONPATH": os.pathsep.join(path)})
    return done
