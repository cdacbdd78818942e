"""The process that draws a notebook's panel: python -m gpuwatch.integrations.notebook.panel RUN_FOLDER.

It writes one panel per line, as JSON, and ends when its stdin does. It leaves the tree of the training's processes, whose
cores are counted, and takes no core that the training needs.
"""

from __future__ import annotations

import json
import os
import select
import sys
import time
from pathlib import Path

from gpuwatch.commands.live_feed import Feed
from gpuwatch.views.html.notebook import notice, panel

_NICE = 10
_PAUSE_S = 2.0
# So many times as long as drawing took is waited for the next one.
_REST = 15


def main(path: str) -> None:
    """Draw the run again and again."""
    if os.fork():
        os._exit(0)
    os.nice(_NICE)
    feed, pause_s = Feed(Path(path)), _PAUSE_S / 2
    while not select.select([sys.stdin], [], [], pause_s)[0]:
        began_s = time.monotonic()
        try:
            print(json.dumps(_draw(feed)), flush=True)
        except OSError:
            return  # the kernel has gone
        pause_s = max(_PAUSE_S, _REST * (time.monotonic() - began_s))


def _draw(feed: Feed) -> str:
    try:
        return panel(feed.read()[0])
    except Exception as error:  # what half a recording holds is foreign ground; the next look may do
        return notice(f"records this cell; nothing to show yet ({type(error).__name__})")


if __name__ == "__main__":
    main(sys.argv[1])
