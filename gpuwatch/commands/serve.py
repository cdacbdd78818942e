"""`gpuwatch serve`: the newest run's metrics for Prometheus, over HTTP.

A run that goes on is read on at each scrape, at most once every `--every` seconds; the answer in between is the
one that is there. An error of a run is an answer (a comment and a zero), never the end of the server.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gpuwatch.commands.recorded import RUN_HELP, base_folder, dir_option, find
from gpuwatch.errors import GpuwatchError, UsageError

if TYPE_CHECKING:
    from gpuwatch.store.reader import Tail

DEFAULT_ADDRESS = "127.0.0.1:9478"
INDEX = "gpuwatch: the metrics of the newest run are at /metrics\n"
OWN = (
    ("gpuwatch_exporter_run_found", "1 when there was a run that could be read."),
    ("gpuwatch_exporter_analysis_seconds", "Time that the last analysis took."),
)


class Exporter:
    """The metrics' text, rendered again when it is older than `every` seconds. Safe to call from many threads."""

    def __init__(self, find: Callable[[], Path], every: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._find, self._every, self._clock = find, every, clock
        self._tail: Tail | None = None
        self._made: float | None = None
        self._text = ""
        self._lock = threading.Lock()

    def text(self) -> str:
        """Return the exposition; a run that is missing or cannot be read gives `gpuwatch_exporter_run_found 0`."""
        with self._lock:
            if self._made is None or self._clock() - self._made >= self._every:
                self._text = self._make()
                self._made = self._clock()
            return self._text

    def _make(self) -> str:
        start = self._clock()
        try:
            metrics = self._read()
        except Exception as error:  # an endpoint that is scraped for weeks outlives one odd recording
            reported = str(error) if isinstance(error, GpuwatchError) else f"{type(error).__name__}: {error}"
            why = " ".join(reported.split())
            return f"# {why}\n{_own(0, self._clock() - start)}"
        return metrics + _own(1, self._clock() - start)

    def _read(self) -> str:
        from gpuwatch.build_report import build
        from gpuwatch.store.reader import Tail
        from gpuwatch.views.prometheus import render

        path = self._find()
        if self._tail is None or self._tail.path != path:
            self._tail = Tail(path)
        return render(build(self._tail.refresh(), False))


def _own(found: int, seconds: float) -> str:
    values = (str(found), f"{seconds:.6f}")
    lines = [
        f"# HELP {name} {about}\n# TYPE {name} gauge\n{name} {value}\n"
        for (name, about), value in zip(OWN, values, strict=True)
    ]
    return "".join(lines)


def make_server(address: str, exporter: Exporter) -> ThreadingHTTPServer:
    """Return a server that listens already. Raises UsageError when the address is wrong or taken."""
    host, port = _parse(address)

    class Handler(BaseHTTPRequestHandler):
        server_version = "gpuwatch"
        sys_version = ""
        timeout = 10

        def do_GET(self) -> None:
            self._answer(body=True)

        def do_HEAD(self) -> None:
            self._answer(body=False)

        def _answer(self, body: bool) -> None:
            from gpuwatch.views.prometheus import CONTENT_TYPE

            pages = {"/metrics": exporter.text, "/": lambda: INDEX}
            page = pages.get(self.path.partition("?")[0])
            text = page().encode() if page else b"not found; see /metrics\n"
            self.send_response(200 if page else 404)
            self.send_header("Content-Type", CONTENT_TYPE)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            if body:
                self.wfile.write(text)

        def log_message(self, format: str, *arguments: object) -> None:
            """Say nothing of each scrape."""

    try:
        server = ThreadingHTTPServer((host, port), Handler)
    except OSError as error:
        raise UsageError(
            f"cannot listen on {address}: {error.strerror or error}", "Choose another with --bind HOST:PORT"
        ) from error
    server.daemon_threads = True
    return server


def _parse(address: str) -> tuple[str, int]:
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit() or int(port) > 65535:
        raise UsageError(f"--bind {address!r} is not HOST:PORT", f"For example {DEFAULT_ADDRESS}")
    return host, int(port)


@click.command("serve", help=f"Serve a run's metrics to Prometheus, at /metrics.\n\n{RUN_HELP}")
@click.argument("run", required=False)
@dir_option
@click.option("--bind", default=DEFAULT_ADDRESS, show_default=True, metavar="HOST:PORT", help="Where to listen.")
@click.option(
    "--every",
    type=click.FloatRange(min=1.0),
    default=5.0,
    show_default=True,
    metavar="S",
    help="Analyse at most once every S seconds.",
)
def command(run: str | None, base: str | None, bind: str, every: float) -> None:
    where = base_folder(base)
    server = make_server(bind, Exporter(lambda: find(run, base), every))
    host, port = server.server_address[:2]
    click.echo(
        f"gpuwatch: metrics of {run or f'the newest run in {where}'} at http://{host!s}:{port}/metrics (Ctrl-C ends)",
        err=True,
    )
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        click.echo("gpuwatch: ended", err=True)
    finally:
        server.server_close()
