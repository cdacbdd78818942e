"""Pack the spool of a finished run (gzip per file), and read packed and plain files alike."""

from __future__ import annotations

import gzip
import shutil
from pathlib import Path


def read_from(path: Path, offset: int) -> bytes:
    """Return the bytes of a spool file from `offset` of its unpacked text on. Raises OSError.

    A packed file that was cut off gives what can still be unpacked."""
    if path.suffix != ".gz":
        with path.open("rb") as file:
            file.seek(offset)
            return file.read()
    with gzip.open(path, "rb") as packed:
        return _unpack(packed, offset)


def _unpack(packed: gzip.GzipFile, offset: int) -> bytes:
    parts: list[bytes] = []
    try:
        while part := packed.read(1 << 20):
            parts.append(part)
    except EOFError:
        pass
    return b"".join(parts)[offset:]


def pack(path: Path) -> tuple[int, int]:
    """Pack every spool file of a finished run; returns the bytes before and after. Raises OSError.

    Each file is replaced only once its packed copy is complete."""
    before = after = 0
    for file in sorted((path / "spool").glob("*.jsonl")):
        packed = file.with_name(file.name + ".gz")
        temporary = file.with_name(f".{file.name}.gz")
        with file.open("rb") as source, gzip.open(temporary, "wb", compresslevel=6) as target:
            shutil.copyfileobj(source, target, 1 << 20)
        temporary.chmod(0o600)
        before, after = before + file.stat().st_size, after + temporary.stat().st_size
        temporary.replace(packed)
        file.unlink()
    return before, after
