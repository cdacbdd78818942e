"""What others may do to a run, or with it: nothing. Permissions, another user's folder, secrets, the endpoint."""

from __future__ import annotations

import linecache
import os
import re
import socket
import subprocess
import threading
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from gpuwatch.commands.serve import DEFAULT_ADDRESS, Exporter, make_server
from gpuwatch.store.reader import read
from tests.faults.cases import GPUWATCH, environment, newest_run
from tests.fuzzing import call
from tests.mutations import recorded, write
from tests.spools import FakeRun
from tests.unit.masking_cases import SECRETS

NOBODY = 65534
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to have a folder of another user")


def test_a_run_is_private_whatever_the_umask(tmp_path: Path) -> None:
    ours = " ".join([*GPUWATCH, "run", "--quiet", "--", GPUWATCH[0], "-c", "pass"])
    subprocess.run(["sh", "-c", f"umask 0; {ours}"], cwd=tmp_path, env=environment(), check=True, timeout=60)
    run = newest_run(tmp_path)
    assert run.parent.stat().st_mode & 0o022 == 0, "nobody else may put a run in the place of ours"
    entries = [run, *run.rglob("*")]
    assert len(entries) > 50
    assert [str(entry) for entry in entries if entry.stat().st_mode & 0o077] == []


@as_root
def test_a_file_that_its_owner_may_not_read_is_not_quoted_from_anothers_run(tmp_path: Path) -> None:
    files = {"private": 0o600, "public": 0o644, "linked": 0o600}
    for name, mode in files.items():
        (tmp_path / f"{name}.py").write_text(f"{name} = 'mine'\n")
        (tmp_path / f"{name}.py").chmod(mode)
    planted = tmp_path / "planted.py"
    planted.symlink_to(tmp_path / "linked.py")
    os.lchown(planted, NOBODY, NOBODY)
    run = FakeRun(tmp_path / "run")
    trainer = run.trainer()
    for name in (*files, "planted"):
        trainer.add("span", name="save", t0=1, t1=2, file=str(tmp_path / f"{name}.py"), line=1)
    run.stacks().add("stack", t0=1, t1=2, frames=[["f", str(tmp_path / "private.py"), 1]])
    path = run.write()
    os.chown(path, NOBODY, NOBODY)
    read(path)
    lines = {name: linecache.getline(str(tmp_path / f"{name}.py"), 1) for name in (*files, "planted")}
    assert lines == {"private": "", "public": "public = 'mine'\n", "linked": "", "planted": ""}


@as_root
def test_a_link_of_another_user_to_a_file_of_root_is_not_read(tmp_path: Path) -> None:
    other, path = tmp_path / "other", FakeRun(tmp_path / "run").write()
    run = FakeRun(other)
    run.trainer().loop(batches=3)
    (whole,) = (run.write() / "spool").iterdir()
    link = path / "spool" / "1-1.jsonl"
    link.symlink_to(whole)
    assert len(read(path).logs) == 1, "one's own link is followed"
    os.lchown(link, NOBODY, NOBODY)
    assert read(path).logs == () and "link to another user's file" in read(path).problems[0]


def _words(arguments: list[str]) -> set[str]:
    return set(re.findall(r"[\w+/.-]{10,}", " ".join(arguments)))


def test_no_output_holds_a_secret_that_was_typed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Recorded by a version that masked nothing: what is shown now is masked when it is read."""
    monkeypatch.chdir(tmp_path)
    # Each with a value of its own, so that it is found wherever it is shown.
    planted = [
        ([re.sub(r"\babc\b", f"s3cr3tv{n:03}", word) for word in typed], kept)
        for n, (typed, kept) in enumerate(SECRETS)
    ]
    secrets = {word for typed, kept in planted for word in _words(typed) - _words(kept)}
    command = ["python", "t.py", *(word for n, (typed, _) in enumerate(planted) for word in ("--case", str(n), *typed))]
    assert len(secrets) > 60
    run = FakeRun(Path("run"))
    first = run.trainer(pid=100, argv=command).loop(batches=60, wait_ms=30, compute_ms=10)
    run.now = first.now
    run.trainer(pid=200, argv=command).loop(batches=60, wait_ms=1, compute_ms=40)
    run.write(command=command)
    shown = ("report", "./run"), ("report", "./run", "--json", "-"), ("report", "./run", "--markdown", "-")
    others = [("export", "./run", "--to", to, "-o", "-") for to in ("perfetto", "csv", "prometheus")]
    written = ("report", "./run", "--html", "out.html"), ("export", "./run", "--to", "plotly", "-o", "plot.html")
    lists = ("runs", "--dir", ".", "--json"), ("lines", "./run", "--json"), ("top", "./run", "--once")
    for verb in (*shown, *others, *written, *lists):
        answer = call(verb)
        assert answer.judged == "clear", answer.why
        text = answer.out + answer.err + "".join(path.read_text() for path in Path().glob("*.html"))
        assert {secret for secret in secrets if secret in text} == set(), verb


def test_silent_clients_and_odd_paths_do_not_keep_a_scrape_from_its_answer(tmp_path: Path) -> None:
    assert DEFAULT_ADDRESS.startswith("127.0.0.1:"), "for this machine alone"
    path = write(recorded(), tmp_path / "run")
    server = make_server("127.0.0.1:0", Exporter(lambda: path, 60.0))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    address: Any = server.server_address[:2]
    silent = [socket.create_connection(address) for _ in range(100)]
    try:
        for connection in silent[::2]:
            connection.sendall(b"GET /metrics HTTP/1.1\r\nX-Slow: ")
        for odd in (
            "/../../etc/passwd",
            "/%2e%2e/run.json",
            "/metrics/../run.json",
            "//etc/passwd",
            "/" + "a" * 60_000,
        ):
            with pytest.raises(urllib.error.HTTPError, match="404"):
                urllib.request.urlopen(f"http://127.0.0.1:{address[1]}{odd}", timeout=5)
        for _ in range(200):
            with urllib.request.urlopen(f"http://127.0.0.1:{address[1]}/metrics", timeout=5) as answer:
                assert b"gpuwatch_exporter_run_found 1" in answer.read()
    finally:
        for connection in silent:
            connection.close()
        server.shutdown()
        server.server_close()
        thread.join(5)
    assert not thread.is_alive()
