"""The header says who a process is and gives no secret away."""

from __future__ import annotations

import os
import time

import pytest

from gpuwatch.hook.event_log import identity


@pytest.mark.parametrize(
    ("argument", "shown"),
    [
        (["--api-key", "abc"], ["--api-key", "***"]),
        (["--token=xyz"], ["--token=***"]),
        (["WANDB_API_KEY=123"], ["WANDB_API_KEY=***"]),
        (["--hf_token", "x"], ["--hf_token", "***"]),
        (["hf_abcdefghijklmnopqrstuv"], ["***"]),
        (["trainer.key=hf_abcdefghijklmnopqrstuv"], ["trainer.key=***"]),
        (["https://user:pw@host/x"], ["https://user:***@host/x"]),
        (["--password", "p"], ["--password", "***"]),
        (["0123456789abcdef0123456789abcdef01234567"], ["***"]),
    ],
)
def test_secrets_are_masked(argument: list[str], shown: list[str]) -> None:
    assert identity.mask_secrets(argument) == shown


@pytest.mark.parametrize(
    "argument",
    [
        "--max-tokens",
        "--num_tokens=5",
        "--monkey=3",
        "--key-frames",
        "--tokenizer=bert",
        "train.py",
        "lr=0.1",
        "--secret-sauce=2",
    ],
)
def test_what_is_no_secret_stays(argument: str) -> None:
    assert identity.mask_secrets([argument, "7"]) == [argument, "7"]


def test_long_arguments_are_cut() -> None:
    (cut,) = identity.mask_secrets(["x = 1;" * 1000])
    assert len(cut) < 400


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
