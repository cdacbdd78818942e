"""The unpacked bytes of a trace file, piece by piece: plain or gzip, also when it was cut off."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from pathlib import Path

PIECE = 1 << 17
# Traces are packed to a tenth or a fiftieth. What unpacks to so much more was made to fill a memory.
_LARGEST_RATIO, _SMALL_BYTES = 200, 1 << 22
_GZIP_MAGIC = b"\x1f\x8b"
# Files that people hand over by mistake, by how they begin -> what to do with them.
FOREIGN = {
    b"PK\x03\x04": ("a zip archive", "Unpack it first"),
    b"\x28\xb5\x2f\xfd": ("packed with zstd", "Unpack it first: `unzstd FILE`"),
    b"\xfd7zXZ": ("packed with xz", "Unpack it first: `unxz FILE`"),
    b"BZh": ("packed with bzip2", "Unpack it first: `bunzip2 FILE`"),
    b"\x80\x02": ("a pickle", "torch.profiler writes its trace with export_chrome_trace"),
    b"\x80\x04": ("a pickle", "torch.profiler writes its trace with export_chrome_trace"),
    b"\x7fELF": ("a program", "Name the trace that torch.profiler or nsys wrote"),
}


class Unpacked:
    """The pieces of a file. `size` counts their bytes; `torn` says that the packed file ended too early."""

    def __init__(self, path: Path) -> None:
        self.path, self.size, self.torn = path, 0, False

    def __iter__(self) -> Iterator[bytes]:
        with self.path.open("rb") as file:
            packed = file.read(2) == _GZIP_MAGIC
            file.seek(0)
            pieces = iter(lambda: file.read(PIECE), b"")
            for piece in self._gunzip(pieces) if packed else pieces:
                self.size += len(piece)
                yield piece

    def _gunzip(self, pieces: Iterator[bytes]) -> Iterator[bytes]:
        member = zlib.decompressobj(zlib.MAX_WBITS | 16)
        begun, taken = False, 0
        for piece in pieces:
            rest = piece
            taken += len(piece)
            while rest:
                try:
                    yield member.decompress(rest, PIECE)
                except zlib.error:
                    self.torn = True
                    return
                if self.size > _SMALL_BYTES and self.size > _LARGEST_RATIO * taken:
                    raise OSError(0, f"it unpacks to more than {_LARGEST_RATIO} times its size")
                begun = True
                rest = member.unconsumed_tail
                if member.eof:
                    rest = member.unused_data
                    member, begun = zlib.decompressobj(zlib.MAX_WBITS | 16), False
                    if not rest.startswith(_GZIP_MAGIC):  # padding, as tar and tape leave it
                        break
        if begun:
            yield member.flush()
            self.torn = not member.eof
