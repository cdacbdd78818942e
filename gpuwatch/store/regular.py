"""Open what a run folder holds, whoever put it there: a file and nothing else, and none that its owner was not given."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import BinaryIO


def open_regular(path: Path) -> BinaryIO:
    """Open a file for reading. Raises OSError for what is none (a pipe would block, a device never ends), and for a link
    to the file of somebody else than who made the link: root reads the folders of others."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        found, named = os.fstat(descriptor), os.lstat(path)
        if not stat.S_ISREG(found.st_mode):
            raise OSError(0, "it is no file")
        if stat.S_ISLNK(named.st_mode) and found.st_uid != named.st_uid:
            raise OSError(0, "it is a link to another user's file")
        return os.fdopen(descriptor, "rb")
    except OSError:
        os.close(descriptor)
        raise


def read_regular(path: Path, most_bytes: int) -> bytes:
    """Return a file's content. Raises OSError also when it is larger than that."""
    with open_regular(path) as file:
        content = file.read(most_bytes + 1)
    if len(content) > most_bytes:
        raise OSError(0, f"it is larger than {most_bytes >> 20} MB")
    return content
