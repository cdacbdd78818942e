"""The dashboard's own process of `gpuwatch run --live`: python -m gpuwatch.commands.live_child RUN_FOLDER PID OUTPUT_FD LEFT_FD."""

from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path

from gpuwatch.commands.live_feed import Feed
from gpuwatch.commands.live_terminal import run
from gpuwatch.views.live.app import Dashboard


def main(path: str, pid: str, output: str, left: str) -> None:
    """Show the run; the command's output comes through `output`, which closes when it has ended. `left` is called at a good end."""
    # The supervisor blocks signals to wait for them; a child inherits that.
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    feed = Feed(Path(path))
    app = Dashboard(feed.read, feed.save, lambda: _interrupt(int(pid)), with_log=True)
    run(app, lambda app: threading.Thread(target=_follow, args=(app, int(output)), daemon=True).start())
    os.write(int(left), b".")


def _interrupt(pid: int) -> str:
    """Send the command what Ctrl-C sends."""
    try:
        os.kill(pid, signal.SIGINT)
    except ProcessLookupError:
        return "The training has ended already."
    return "Interrupt sent; the training ends as with Ctrl-C."


def _follow(app: Dashboard, descriptor: int) -> None:
    """Hand whole lines to the log pane; leave when the command has ended."""
    app.ready.wait()
    rest = b""
    try:
        while data := os.read(descriptor, 1 << 16):
            *lines, rest = (rest + data).split(b"\n")
            if lines:
                app.call_from_thread(app.output, b"\n".join(lines).decode("utf-8", "replace"))
        app.call_from_thread(app.exit, "ended")
    except RuntimeError:
        # The person has left the dashboard: nobody to show it to.
        return


if __name__ == "__main__":
    main(*sys.argv[1:5])
