from __future__ import annotations

import pytest

from gpuwatch.hook.event_log import spool
from gpuwatch.hook.operations import timing
from gpuwatch.hook.operations.instruments import Instruments
from gpuwatch.hook.operations.registry import registry


@pytest.fixture
def measuring(tmp_path):
    """Measure operations in this process as in a worker; everything is put back afterwards."""
    folder = tmp_path / "spool"
    folder.mkdir()
    spool.use_folder(str(folder))
    registry.clear()
    instruments = Instruments()
    instruments.patches.enter()
    instruments.scan()
    timing.begin()
    yield instruments
    timing.thread.counters = None
    instruments.patches.leave()
    registry.clear()
    spool.use_folder(None)
