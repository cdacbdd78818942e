"""The header says who a process is and gives no secret away."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from gpuwatch.hook.event_log import identity
from tests.unit.hook import hooked
from tests.unit.masking_cases import HARMLESS, HF, PEM, SECRETS


def test_the_header_holds_no_secret(tmp_path: Path) -> None:
    cases = [*SECRETS, *((arguments, arguments) for arguments in HARMLESS)]
    typed = [word for n, (arguments, _) in enumerate(cases) for word in ("--case", str(n), *arguments)]
    source = "from _gpuwatch.hook.event_log import spool; spool.meta('a', 1)"
    run = hooked.run(source, tmp_path / "run", *typed)
    words = run.logs[0].header["argv"]
    starts = [at for at, word in enumerate(words) if word == "--case"]
    for (_, kept), start, end in zip(cases, starts, [*starts[1:], len(words)]):
        assert words[start + 2 : end] == kept
    assert len(starts) == len(cases)


@pytest.mark.parametrize(
    "secret", [f"api_key={HF} ", f"x https://u:{HF}@h ", f'{{"n": 1, "password": "{HF}"}} ', f"{PEM} "]
)
def test_a_long_argument_is_cut_after_it_was_masked(tmp_path: Path, secret: str) -> None:
    # So that the cut goes through the secret, and nothing is left to know it by.
    argument = "print(1); " * 27 + secret * 10
    run = hooked.run("from _gpuwatch.hook.event_log import spool; spool.meta('a', 1)", tmp_path / "run", argument)
    (shown,) = run.logs[0].header["argv"][2:]
    assert len(shown) == 301 and shown.startswith("print(1); ") and "***" in shown
    assert HF[:4] not in shown and "MII" not in shown


def test_ranks_come_from_the_launcher(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for names in identity._RANKS.values() for name in names]:
        monkeypatch.delenv(name, raising=False)
    assert identity.ranks() == {"rank": None, "local_rank": None, "world_size": None}
    monkeypatch.setenv("SLURM_PROCID", "9")
    monkeypatch.setenv("RANK", "3")
    monkeypatch.setenv("LOCAL_RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "8")
    assert identity.ranks() == {"rank": 3, "local_rank": 1, "world_size": 8}


def test_the_start_of_the_process_is_on_the_monotonic_clock() -> None:
    start = identity.process_start_ns()
    assert start is not None
    with open("/proc/uptime") as file:
        assert start < time.monotonic_ns() and start > -float(file.read().split()[0]) * 1e9
    pid = os.fork()
    if pid == 0:
        # A child started after us: the kernel counts in hundredths of a second.
        child = identity.process_start_ns() or 0
        os._exit(0 if start <= child <= time.monotonic_ns() + 20_000_000 else 1)
    assert os.waitpid(pid, 0)[1] == 0
