from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import click
import pytest

from gpuwatch.commands.export import ENDINGS
from gpuwatch.verbs import VERBS, cli

ROOT = Path(__file__).parents[2]
HEAVY = ("torch", "numpy", "textual", "plotly", "rich", "psutil", "pynvml", "asyncio", "multiprocessing", "subprocess")


def _call(*arguments: str, **options: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "gpuwatch", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, **options)  # type: ignore[call-overload,no-any-return]


def test_help_lists_every_verb_there_is_and_no_other() -> None:
    listed = cli.list_commands(click.Context(cli))
    files = {path.stem for path in (ROOT / "gpuwatch" / "commands").glob("*.py")}
    assert listed == [verb for verb, (module, _) in VERBS.items() if module in files]
    done = _call("--help")
    assert done.returncode == 0
    for verb in listed:
        assert f"  {verb} " in done.stdout
    assert "gpuwatch run -- python train.py" in done.stdout


@pytest.mark.parametrize("verb", cli.list_commands(click.Context(cli)))
def test_every_verb_has_its_own_help_with_a_first_line(verb: str) -> None:
    command = cli.get_command(click.Context(cli), verb)
    assert command is not None
    assert command.help
    assert command is import_module(f"gpuwatch.commands.{VERBS[verb][0]}").command


def test_help_imports_no_verb_and_nothing_heavy_and_says_what_it_costs(
    record_property: Callable[[str, object], None],
) -> None:
    code = (
        "import sys, time\n"
        "from gpuwatch.__main__ import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        "print(time.process_time(), *sorted(sys.modules), file=sys.stderr)\n"
    )
    runs = [
        subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
        for _ in range(3)
    ]
    cpu, *modules = runs[0].stderr.split()
    assert not [name for name in modules if name.startswith("gpuwatch.commands.") or name.partition(".")[0] in HEAVY]
    least = min(float(run.stderr.split()[0]) for run in runs)
    record_property("help_cpu_ms", least * 1e3)
    print(f"gpuwatch --help: {least * 1e3:.0f} ms of CPU (budget 100)")
    assert float(cpu) < 2, "not the budget, only a sign that something is very wrong"


def test_version_is_the_packages() -> None:
    from importlib.metadata import version

    assert _call("--version").stdout == f"gpuwatch {version('gpuwatch')}\n"


@pytest.mark.parametrize(
    ("verb", "told"), [("rnu", "Did you mean `gpuwatch run`?"), ("python", "gpuwatch run -- python")]
)
def test_an_unknown_verb_gets_the_way_on(verb: str, told: str) -> None:
    done = _call(verb)
    assert done.returncode == 2
    assert told in done.stderr
    assert done.stdout == ""


def test_an_error_of_ours_is_one_line_with_its_code(tmp_path: Path) -> None:
    done = _call("report", "--dir", str(tmp_path))
    assert done.returncode == 2
    assert done.stderr.startswith("gpuwatch: no run in")
    assert done.stderr.count("\n") == 1


def test_a_reader_that_has_enough_gets_no_complaint() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as stdout:
        done = subprocess.run(
            [sys.executable, "-m", "gpuwatch", "--help"], cwd=ROOT, stdout=stdout, stderr=subprocess.PIPE, text=True
        )
    assert (done.stderr, done.returncode) == ("", 1)


def test_an_error_that_nobody_foresaw_is_one_line_and_whole_on_request(tmp_path: Path) -> None:
    code = (
        "import gpuwatch.store.folder as folder, sys\n"
        "def fail(*arguments): raise ValueError('odd\\ndata')\n"
        "folder.list_runs = fail\n"
        "from gpuwatch.__main__ import main\n"
        "main(['runs'])\n"
    )
    for debug, lines in (("", 1), ("1", None)):
        environment = {**os.environ, "GPUWATCH_DEBUG": debug, "PYTHONPATH": str(ROOT)}
        done = subprocess.run(
            [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True
        )
        assert done.returncode == 1
        assert ("Traceback" in done.stderr) == bool(debug)
        if lines:
            assert done.stderr.startswith("gpuwatch: ValueError: odd data.") and done.stderr.count("\n") == lines


def test_the_list_of_verbs_names_every_format_of_export() -> None:
    said = VERBS["export"][1].partition(": ")[2].rstrip(".").split(", ")
    assert sorted(said) == sorted(ENDINGS)
