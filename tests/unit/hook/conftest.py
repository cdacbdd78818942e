from __future__ import annotations

import pytest

from gpuwatch.hook.event_log import spool
from gpuwatch.hook.operations import registry
from gpuwatch.hook.worker_process import fetch


@pytest.fixture
def measuring(tmp_path):
    """Measure operations in this process as in a worker; everything is put back afterwards."""
    folder = tmp_path / "spool"
    folder.mkdir()
    spool.use_folder(str(folder))
    registry.book.clear()
    instruments = fetch.Instruments()
    instruments.patches.enter()
    instruments.scan()
    registry.begin()
    yield instruments
    registry.stage.tally = None
    instruments.patches.leave()
    registry.book.clear()
    spool.use_folder(None)
