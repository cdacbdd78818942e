"""`gpuwatch try` ends well whatever happens: a clear line, what is known, no process left behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.faults.cases import GPUWATCH, environment
from tests.unit.experiments.driving import command, leftovers
from tests.unit.experiments.driving import environment as settings

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


def arguments(way: str, *options: str) -> list[str]:
    return [*GPUWATCH, "try", *options, "--", *command(way)]


def run(folder: Path, way: str, *options: str, **values: object) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        arguments(way, *options), cwd=folder, env={**environment(), **settings(**values)}, capture_output=True,
        text=True, timeout=250,
    )  # fmt: skip
    assert not leftovers(folder)
    return done


def test_it_says_first_that_it_is_an_experiment_and_json_is_only_data(tmp_path: Path) -> None:
    done = run(tmp_path, "plain", "--ceilings", "--budget", "90s", "--json")
    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines()[0].startswith("gpuwatch: experiment mode: results of this run are invalid")
    data = json.loads(done.stdout)
    assert data["schema"] == "gpuwatch.experiment/1"
    (ceiling,) = data["ceilings"]
    # What the program's sleeps allow at most: 10 ms a step, 16 ms a batch of its one worker.
    assert 0 < ceiling["device"]["median"] <= 100 and 0 < ceiling["loader"]["median"] <= 62.5
    assert 0 < ceiling["end_to_end"]["median"] <= 62.5
    (kept,) = tmp_path.glob(".gpuwatch/*-try/experiment.json")
    assert json.loads(kept.read_text()) == data


@pytest.mark.parametrize(
    ("way", "said"),
    [
        ("no_loader", "it trains without a torch DataLoader"),
        ("crashing", "the label file is broken"),
    ],
)
def test_a_script_that_cannot_be_driven_gets_a_clear_line(tmp_path: Path, way: str, said: str) -> None:
    done = run(tmp_path, way, "--ceilings", "--budget", "200s")
    assert done.returncode == 1
    assert (
        said in done.stderr
        and 'Traceback (most recent call last):\n  File "/work' not in done.stderr.split("last output")[0]
    )


def test_a_large_gain_is_known_within_one_start_without_an_earlier_run(tmp_path: Path) -> None:
    """One worker hides 16 ms of loading behind 10 ms of work: (16 + 10) / 16."""
    done = run(tmp_path, "plain", "--remedies", "workers=1", "--budget", "120s", "--json", WORKERS=0)
    assert done.returncode == 0, done.stderr
    assert "observing the training first" in done.stderr and "plan: workers=1" in done.stderr
    (trial,) = json.loads(done.stdout)["trials"]
    assert trial["verdict"] == "helps" and trial["ratio"]["low"] > 1 and trial["ratio"]["n"] >= 2
    assert len(list(tmp_path.glob(".gpuwatch/*-try/start-*"))) == 1
    assert [path.name for path in tmp_path.glob(".gpuwatch/2*") if not path.name.endswith("-try")] == []


def test_what_helps_is_kept_becomes_a_patch_and_is_confirmed_from_end_to_end(tmp_path: Path) -> None:
    """One worker hides 16 ms of loading behind 10 ms of work: 26 / 16. The second call knows it and starts nothing."""
    script = tmp_path / "train.py"
    text = Path(command("plain")[1]).read_text()
    script.write_text(text)

    def tried(*options: str, budget: str = "60s") -> dict[str, object]:
        done = subprocess.run(
            [*GPUWATCH, "try", *options, "--budget", budget, "--json", "--", sys.executable, "train.py", "plain"],
            cwd=tmp_path, env={**environment(), **settings(WORKERS=0)}, capture_output=True, text=True, timeout=200,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert not leftovers(tmp_path)
        found: dict[str, object] = json.loads(done.stdout)
        return found | {"said": done.stderr}

    first = tried("--remedies", "workers=1")
    again = tried("--remedies", "workers=1", "--patch", "fix.patch")
    assert "going on from" in str(again["said"]) and again["trials"] == first["trials"]
    assert len(list(tmp_path.glob(".gpuwatch/*-try/start-*"))) == 1
    assert again["answer"]["remedies"] == ["workers=1"] and again["patch"]["remedies"] == ["workers=1"]  # type: ignore[index]
    assert "+        num_workers=1,\n" in (tmp_path / "fix.patch").read_text()
    checked = tried("--check", "fix.patch", budget="90s")
    (trial,) = checked["trials"]  # type: ignore[misc]
    assert (trial["id"], trial["verdict"]) == ("patch", "helps"), trial
    assert 1.2 < trial["ratio"]["median"] < 2.2
    assert script.read_text() == text


def test_a_command_that_is_not_there_gets_a_clear_line(tmp_path: Path) -> None:
    done = subprocess.run(
        [*GPUWATCH, "try", "--ceilings", "--", "no-such-command"], cwd=tmp_path, env=environment(), capture_output=True,
        text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 1 and "no-such-command: No such file" in done.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_it_with_what_is_known(tmp_path: Path, number: signal.Signals) -> None:
    process = subprocess.Popen(
        arguments("plain", "--ceilings", "--budget", "200s"), cwd=tmp_path, env={**environment(), **settings()},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    deadline = time.monotonic() + 150
    while time.monotonic() < deadline and not _windows(tmp_path):
        time.sleep(0.1)
    process.send_signal(number)
    out, err = process.communicate(timeout=100)
    assert process.returncode == 0, err
    assert "Interrupted: this is what was known by then" in out
    assert not leftovers(tmp_path)


def _windows(folder: Path) -> int:
    """Return how many windows have their result."""
    spools = folder.glob(".gpuwatch/*/start-*/spool/*.jsonl")
    return sum(line.startswith('["window"') for path in spools for line in path.read_text().splitlines())


def test_killed_itself_the_training_ends_by_itself(tmp_path: Path) -> None:
    process = subprocess.Popen(
        arguments("plain", "--ceilings", "--budget", "200s"), cwd=tmp_path, env={**environment(), **settings()},
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    deadline = time.monotonic() + 150
    while time.monotonic() < deadline and not _windows(tmp_path):
        time.sleep(0.1)
    process.kill()
    process.wait()
    deadline = time.monotonic() + 30
    while leftovers(tmp_path) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert not leftovers(tmp_path)


def test_a_spent_budget_is_kept_to_and_said(tmp_path: Path) -> None:
    begun = time.monotonic()
    done = run(tmp_path, "plain", "--ceilings", "--budget", "1s")
    assert time.monotonic() - begun < 60
    assert done.returncode == 1 and "took the whole budget of 1s" in done.stderr and "--budget" in done.stderr


def test_a_folder_that_cannot_be_written_is_said_and_another_taken(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = run(tmp_path, "plain", "--ceilings", "--budget", "60s", "--dir", str(tmp_path / "file"))
    assert done.returncode == 0, done.stderr
    assert f"cannot record in {tmp_path / 'file'}" in " ".join(done.stdout.split())


def test_scratch_takes_what_the_script_writes_and_finds_what_it_is_given(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(Path(command("plain")[1]).read_text() + "\nopen('written', 'w')\n")
    text = (tmp_path / "train.py").read_text().replace("import torch\n", "import torch\n\nopen('written', 'w')\n", 1)
    (tmp_path / "train.py").write_text(text)
    done = subprocess.run(
        [*GPUWATCH, "try", "--ceilings", "--budget", "90s", "--scratch", "void", "--", sys.executable, "train.py", "plain"],
        cwd=tmp_path, env=environment(), capture_output=True, text=True, timeout=250,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "from here: train.py" in done.stderr
    assert (tmp_path / "void" / "written").exists() and not (tmp_path / "written").exists()


def test_an_ordinary_run_is_untouched(tmp_path: Path) -> None:
    """Without GPUWATCH_EXPERIMENT the loader's class is not wrapped and no random number is drawn."""
    probe = tmp_path / "probe.py"
    probe.write_text(
        "import random, torch\nfrom torch.utils.data import dataloader\n"
        "state = torch.get_rng_state().sum().item(), hash(random.getstate())\n"
        "print('_driven' in repr(dataloader._BaseDataLoaderIter.__next__), '_remembering' in "
        "repr(dataloader._BaseDataLoaderIter.__init__.__code__.co_filename), state == (torch.get_rng_state().sum().item(), hash(random.getstate())))\n"
        "import sys; print([m for m in sys.modules if m.endswith(('.twins', '.windows', '.remedies'))])\n"
    )
    kept = {k: v for k, v in environment().items() if k != "GPUWATCH_EXPERIMENT"}
    done = subprocess.run(
        [*GPUWATCH, "run", "--quiet", "--", sys.executable, str(probe)], cwd=tmp_path, env=kept, capture_output=True,
        text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0] == "False False True"


@pytest.mark.parametrize(
    ("option", "said"),
    [
        (["--budget", "soon"], "a time such as 90s"),
        (["--cores", "0"], "numbers from 1 to"),
        (["--remedies", "scaled-decod"], "Did you mean scaled-decode?"),
        (["--patch", "gone/fix.patch"], "there is no folder gone"),
        (["--check", "gone.patch"], "there is no such file"),
        (["--check", __file__, "--loader"], "--loader does not go with it"),
        (["--remedies", "trainer-threads=0"], "there is no remedy trainer-threads=0"),
        (["--remedies", "workers=-1"], "there is no remedy workers=-1"),
        (["--remedies", "workers=100000"], "there is no remedy workers=100000"),
    ],
)
def test_a_wrong_call_is_told_before_anything_runs(tmp_path: Path, option: list[str], said: str) -> None:
    done = subprocess.run(
        [*GPUWATCH, "try", *option, "--", "touch", str(tmp_path / "ran")], cwd=tmp_path, env=environment(),
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 2 and said in done.stderr
    assert not os.path.exists(tmp_path / "ran")
