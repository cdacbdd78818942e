"""The process that draws a notebook's panel: python -m gpuwatch.integrations.notebook.panel RUN_FOLDER.

It writes one panel per line, as JSON, and ends when its stdin does. It takes no core that anything else needs.
"""

from __future__ import annotations

import json
import os
import select
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gpuwatch.commands.live_feed import Feed

_NICE = 19
_PAUSE_S = 2.0
# So many times the CPU time that drawing took is waited for the next one.
_REST = 15


def main(path: str) -> None:
    """Draw the run again and again."""
    _give_way()
    from gpuwatch.commands.live_feed import Feed  # not above: importing is most of what it does in a short run

    feed, pause_s = Feed(Path(path)), _PAUSE_S / 2
    while not select.select([sys.stdin], [], [], pause_s)[0]:
        used_s = time.process_time()
        try:
            print(json.dumps(_draw(feed)), flush=True)
        except OSError:
            return  # the kernel has gone
        pause_s = max(_PAUSE_S, _REST * (time.process_time() - used_s))


def _give_way() -> None:
    os.nice(_NICE)
    try:
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    except (AttributeError, OSError):
        pass  # the niceness has to do


def _draw(feed: Feed) -> str:
    from gpuwatch.views.html.notebook import notice, panel

    try:
        return panel(feed.read()[0])
    except Exception as error:  # what half a recording holds is foreign ground; the next look may do
        return notice(f"records this cell; nothing to show yet ({type(error).__name__})")


if __name__ == "__main__":
    main(sys.argv[1])
