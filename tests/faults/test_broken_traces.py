"""Two hundred broken traces: each gives a card or one clear line, and none a traceback."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

from gpuwatch.__main__ import main
from tests.broken_traces import BREAKS


@pytest.mark.parametrize("break_it", BREAKS, ids=lambda each: each.__name__)
def test_a_broken_trace_is_a_card_or_one_clear_line(
    break_it: Callable[[Random], bytes],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    for seed in range(25):
        Path("t.json").write_bytes(break_it(Random(f"{break_it.__name__}{seed}")))
        with pytest.raises(SystemExit) as ended:
            main(["report", "t.json", *(["--json"] if seed % 2 else [])])
        out, err = capfd.readouterr()
        assert "own fault" not in err and "Traceback" not in err + out, (seed, err)
        if ended.value.code == 0:
            assert err == "" and ("GPU trace" in out or json.loads(out)["gpu_time"]), seed
        else:
            assert out == "" and err.count("\n") == 1 and err.startswith("gpuwatch: t.json "), (seed, err)


def test_a_trace_that_unpacks_without_end_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("gpuwatch.traces.unpacked._SMALL_BYTES", 1 << 20)
    packer = zlib.compressobj(9, wbits=31)
    pieces = [packer.compress(b'{"traceEvents":['), *(packer.compress(b" " * (1 << 20)) for _ in range(20))]
    Path("t.json.gz").write_bytes(b"".join([*pieces, packer.flush()]))
    with pytest.raises(SystemExit):
        main(["report", "t.json.gz"])
    assert capfd.readouterr().err == "gpuwatch: t.json.gz cannot be read: it unpacks to more than 200 times its size\n"
