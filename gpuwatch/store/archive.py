"""Pack the spool of a finished run (gzip per file), and read packed and plain files alike."""

from __future__ import annotations

import gzip
import os
import shutil
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from gpuwatch.store.regular import open_regular

_GZIP = 16 + zlib.MAX_WBITS
_PIECE = 1 << 16
# An event log is packed to a tenth. What unpacks to so much more was made to fill a memory.
_LARGEST_RATIO, _SMALL_BYTES = 200, 1 << 24


def blocks(path: Path, offset: int, most: int) -> Iterator[bytes]:
    """Yield the text of a spool file from `offset` of its unpacked text on, in blocks of up to `most` bytes. Raises OSError.

    A packed file that was cut off gives what can still be unpacked."""
    with open_regular(path) as file:
        if path.suffix == ".gz":
            yield from _unpacked(file, offset, most)
            return
        file.seek(offset)
        while block := file.read(most):
            yield block


def _unpacked(file: BinaryIO, offset: int, most: int) -> Iterator[bytes]:
    # Unlike gzip.open this gives what a cut-off file still holds.
    unpacker, taken, made = zlib.decompressobj(_GZIP), 0, 0
    kept = bytearray()
    while not unpacker.eof and (packed := unpacker.unconsumed_tail or file.read(_PIECE)):
        taken += 0 if unpacker.unconsumed_tail else len(packed)
        try:
            piece = unpacker.decompress(packed, _PIECE)
        except zlib.error as error:
            yield bytes(kept)
            raise OSError(0, f"it is no gzip file, or a damaged one ({error})") from error
        kept += piece[max(offset - made, 0) :]
        made += len(piece)
        if made > _SMALL_BYTES and made > _LARGEST_RATIO * taken:
            raise OSError(0, f"it unpacks to more than {_LARGEST_RATIO} times its size")
        if len(kept) >= most:
            yield bytes(kept[:most])
            del kept[:most]
    yield bytes(kept)


def pack(path: Path) -> tuple[int, int]:
    """Pack every spool file of a finished run; returns the bytes before and after. Raises OSError.

    Each file is replaced only once its packed copy is complete. Of a packing that was killed in between, both may be
    there: the reader goes by the plain one, and packing again ends it."""
    spool = path / "spool"
    if spool.is_symlink():
        raise OSError(0, "its spool is a link")
    before = after = 0
    for file in sorted(spool.glob("*.jsonl")):
        temporary = file.with_name(f".{file.name}.gz")
        # What a killed packing left; or a link that somebody planted, through which we would write.
        temporary.unlink(missing_ok=True)
        try:
            with (
                open_regular(file) as source,
                _create(temporary) as made,
                gzip.open(made, "wb", compresslevel=6) as target,
            ):
                shutil.copyfileobj(source, target, 1 << 20)
        except OSError:
            temporary.unlink(missing_ok=True)
            raise
        before, after = before + file.stat().st_size, after + temporary.stat().st_size
        temporary.replace(file.with_name(file.name + ".gz"))
        file.unlink()
    return before, after


def _create(path: Path) -> BinaryIO:
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600), "wb")
