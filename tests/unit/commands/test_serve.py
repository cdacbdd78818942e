"""The Prometheus endpoint over a real socket."""

from __future__ import annotations

import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from gpuwatch.commands.serve import Exporter, make_server
from gpuwatch.diagnosis.examples.parts import make_run
from gpuwatch.errors import RunNotFound, UsageError
from gpuwatch.store import folder


@pytest.fixture
def run_folder(tmp_path: Path) -> Path:
    path = tmp_path / ".gpuwatch" / "20261120-120000"
    (path / "spool").mkdir(parents=True)
    folder.write_info(path, make_run())
    return path


@contextmanager
def served(exporter: Exporter) -> Iterator[str]:
    server = make_server("127.0.0.1:0", exporter)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
    assert not thread.is_alive()


def get(url: str) -> str:
    with urllib.request.urlopen(url, timeout=5) as answer:
        assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
        return str(answer.read().decode())


def test_a_run_is_served(run_folder: Path) -> None:
    with served(Exporter(lambda: run_folder, 5.0)) as url:
        text = get(f"{url}/metrics")
        assert 'gpuwatch_run_info{run="20261120-120000"' in text
        assert "gpuwatch_exporter_run_found 1\n" in text
        assert "/metrics" in get(url)
        with pytest.raises(urllib.error.HTTPError, match="404"):
            get(f"{url}/else")


def test_no_run_yet_is_an_answer_and_the_next_scrape_finds_it(run_folder: Path) -> None:
    now, known = [0.0], [False]

    def find() -> Path:
        if not known[0]:
            raise RunNotFound("no run in here", "Record one")
        return run_folder

    with served(Exporter(find, 5.0, clock=lambda: now[0])) as url:
        text = get(f"{url}/metrics")
        assert text.startswith("# no run in here. Record one\n") and "gpuwatch_exporter_run_found 0\n" in text
        known[0] = True
        assert get(f"{url}/metrics") == text, "within --every the old answer stands"
        now[0] = 5.0
        assert "gpuwatch_exporter_run_found 1\n" in get(f"{url}/metrics")


@pytest.mark.parametrize("address", ["nowhere", "host:", ":9", "host:99999", "host:x"])
def test_a_wrong_address_is_told(address: str) -> None:
    with pytest.raises(UsageError, match="HOST:PORT"):
        make_server(address, Exporter(Path, 1.0))


def test_a_taken_port_is_told(run_folder: Path) -> None:
    exporter = Exporter(lambda: run_folder, 5.0)
    with served(exporter) as url, pytest.raises(UsageError, match="cannot listen"):
        make_server(url.removeprefix("http://"), exporter)


def test_a_recording_that_cannot_be_analysed_is_a_comment_and_not_a_broken_answer(
    run_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: object) -> None:
        raise ValueError("odd\ndata")

    monkeypatch.setattr("gpuwatch.build_report.build", fail)
    with served(Exporter(lambda: run_folder, 5.0)) as url:
        text = get(f"{url}/metrics")
    assert text.startswith("# ValueError: odd data\n") and "gpuwatch_exporter_run_found 0\n" in text
