"""Pack the spool of a finished run (gzip per file), and read packed and plain files alike."""

from __future__ import annotations

import gzip
import shutil
import zlib
from pathlib import Path

_GZIP = 16 + zlib.MAX_WBITS


def read_from(path: Path, offset: int, most: int = -1) -> bytes:
    """Return the bytes of a spool file from `offset` of its unpacked text on. Raises OSError.

    `most` bytes of a plain file. A packed file that was cut off gives what can still be unpacked."""
    if path.suffix != ".gz":
        with path.open("rb") as file:
            file.seek(offset)
            return file.read(most)
    try:
        # Unlike gzip.open this gives what a cut-off file still holds.
        return zlib.decompressobj(_GZIP).decompress(path.read_bytes())[offset:]
    except zlib.error as error:
        raise OSError(0, f"not a gzip file ({error})") from error


def pack(path: Path) -> tuple[int, int]:
    """Pack every spool file of a finished run; returns the bytes before and after. Raises OSError.

    Each file is replaced only once its packed copy is complete. Of a packing that was killed in between, both may be
    there: the reader goes by the plain one, and packing again ends it."""
    before = after = 0
    for file in sorted((path / "spool").glob("*.jsonl")):
        packed = file.with_name(file.name + ".gz")
        temporary = file.with_name(f".{file.name}.gz")
        try:
            with file.open("rb") as source, gzip.open(temporary, "wb", compresslevel=6) as target:
                shutil.copyfileobj(source, target, 1 << 20)
            temporary.chmod(0o600)
        except OSError:
            temporary.unlink(missing_ok=True)
            raise
        before, after = before + file.stat().st_size, after + temporary.stat().st_size
        temporary.replace(packed)
        file.unlink()
    return before, after
