from __future__ import annotations

import pytest

from gpuwatch.hook import fetch, operations, spool


@pytest.fixture
def measuring(tmp_path):
    """Measure operations in this process as in a worker; everything is put back afterwards."""
    folder = tmp_path / "spool"
    folder.mkdir()
    spool.use_folder(str(folder))
    operations.book.clear()
    instruments = fetch.Instruments()
    instruments.patches.enter()
    instruments.scan()
    operations.begin()
    yield instruments
    operations.stage.tally = None
    instruments.patches.leave()
    operations.book.clear()
    spool.use_folder(None)
