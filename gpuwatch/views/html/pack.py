"""Lanes as a small binary blob for the page: floats of 16 bits in planes, compressed, never above a size."""

from __future__ import annotations

import base64
import gzip
import json
from typing import Any

import numpy as np

from gpuwatch.records import dataclass
from gpuwatch.views.html.decimate import Buckets, Floats, bridge, line_buckets, span_shares, usual_hole
from gpuwatch.views.html.lanes import Family, Lanes, Member
from gpuwatch.views.text import clean

RAW_POINTS = 1500
FEWEST, MOST = 128, 32_768
MARKS = 400
# Per number in the blob, as base64: between all noise (1.9) and all alike (0).
TYPICAL_BYTES = 1.1


@dataclass(frozen=True)
class Packed:
    """`index` describes the lanes (JSON), `blob` holds their numbers (base64 of gzip)."""

    index: dict[str, Any]
    blob: str


class _Writer:
    """Collects planes of bytes and remembers where each begins."""

    def __init__(self) -> None:
        self.parts: list[bytes] = []
        self.size = 0

    def put(self, data: bytes) -> int:
        at = self.size
        self.parts.append(data)
        self.size += len(data)
        return at


def pack(lanes: Lanes, budget_bytes: int) -> Packed:
    """Return the lanes at the finest resolution that keeps the blob within the budget."""
    finest = MOST
    while finest > FEWEST and _estimate(lanes, finest) > budget_bytes:
        finest //= 2
    while True:
        packed = _pack(lanes, finest)
        if len(packed.blob) <= budget_bytes or finest <= FEWEST:
            return packed
        finest //= 2


def _estimate(lanes: Lanes, finest: int) -> float:
    """Return the size of the blob in bytes, from what such planes usually compress to."""
    buckets = (
        _buckets(family, finest) * len(family.members) * (len(family.labels) if family.labels else 3)
        for family in lanes.families
    )
    return sum(buckets) * TYPICAL_BYTES


def _buckets(family: Family, finest: int) -> int:
    """Return how many buckets a lane gets: those shown at first the most, members of a crowd share."""
    count, crowd = finest if family.shown else finest // 2, max(1, len(family.members) // 2)
    while crowd > 1 and count > FEWEST:
        count, crowd = count // 2, crowd // 2
    return count


def _pack(lanes: Lanes, finest: int) -> Packed:
    writer = _Writer()
    families = [_pack_family(family, lanes.seconds, finest, writer) for family in lanes.families]
    index = {"seconds": lanes.seconds, "families": families, "marks": _marks(lanes)}
    blob = gzip.compress(b"".join(writer.parts), 6, mtime=0)
    return Packed(index, base64.b64encode(blob).decode("ascii"))


def _pack_family(family: Family, seconds: float, finest: int, writer: _Writer) -> dict[str, Any]:
    count = _buckets(family, finest)
    members = [_pack_member(family, member, seconds, count, writer) for member in family.members]
    head = {
        "name": family.name,
        "title": family.title,
        "kind": family.kind,
        "unit": family.unit,
        "help": family.help,
        "shown": family.shown,
        "waits": family.of.waits,
    }
    return {**head, "labels": family.labels, "members": members}


def _pack_member(family: Family, member: Member, seconds: float, count: int, writer: _Writer) -> dict[str, Any]:
    packed: dict[str, Any] = {"name": member.name}
    if member.statistics:
        packed["stats"] = {
            name: float(f"{getattr(member.statistics, name):.5g}") for name in ("low", "median", "p95", "high")
        }
        packed["stats"]["n"] = member.statistics.n
    if family.kind == "spans":
        return {**packed, **_pack_spans(family, member, seconds, count, writer)}
    assert member.times is not None and member.values is not None
    if len(member.times) <= min(RAW_POINTS, count):
        return {**packed, **_pack_points(member.times, member.values, writer)}
    buckets = line_buckets(member.times, member.values, seconds, count)
    return {**packed, **_pack_buckets(bridge(buckets, usual_hole(member.times, seconds, count)), writer)}


def _pack_points(times: Floats, values: Floats, writer: _Writer) -> dict[str, Any]:
    scale = _scale(values)
    at = writer.put(np.ascontiguousarray(times, "<f4").tobytes())
    return {"points": len(times), "t": at, "mid": writer.put(_halves(values, scale, 10)), "scale": scale}


def _pack_buckets(buckets: Buckets, writer: _Writer) -> dict[str, Any]:
    scale = _scale(buckets.high)
    planes = {
        "mid": _halves(buckets.mid, scale, 7),
        "low": _halves(buckets.low, scale, 5),
        "high": _halves(buckets.high, scale, 5),
    }
    return {"buckets": len(buckets.mid), "scale": scale} | {name: writer.put(data) for name, data in planes.items()}


def _pack_spans(family: Family, member: Member, seconds: float, count: int, writer: _Writer) -> dict[str, Any]:
    if len(member.spans) <= RAW_POINTS // max(1, len(family.members)):
        return {
            "spans": [
                [round(start, 4), round(end, 4), family.labels.index(label)] for start, end, label in member.spans
            ]
        }
    shares = span_shares(member.spans, family.labels, seconds, count)
    levels = np.round(shares * 32).astype(np.uint8)
    return {"buckets": count, "shares": writer.put(levels.tobytes()), "level": 32}


def _scale(values: Floats) -> float:
    """Return the factor that brings the largest value under what 16-bit floats hold."""
    known = np.abs(values[np.isfinite(values)])
    largest = float(known.max()) if len(known) else 0.0
    return largest / 1e4 if largest > 1e4 else 1.0


def _halves(values: Floats, scale: float, mantissa: int) -> bytes:
    """Return 16-bit floats rounded to `mantissa` of their 10 bits, all high bytes before all low bytes."""
    bits = (values / scale).astype("<f2").view("<u2").astype(np.uint32)
    drop = 10 - mantissa
    if drop:
        finite = np.isfinite(values)
        bits = np.where(finite, ((bits + (1 << (drop - 1))) >> drop) << drop, bits)
    shorts = bits.astype("<u2")
    return (shorts >> 8).astype(np.uint8).tobytes() + (shorts & 0xFF).astype(np.uint8).tobytes()


def _marks(lanes: Lanes) -> list[list[Any]]:
    step = max(1, len(lanes.marks) // MARKS)
    return [
        [round(mark.start_s, 4), round(mark.end_s, 4), mark.label, clean(mark.of.title)] for mark in lanes.marks[::step]
    ]


def script_json(data: Any) -> str:
    """Return JSON that may stand inside a <script> element: no `<`, so no closing tag and no comment."""
    text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    clean = text.encode("utf-8", "replace").decode("utf-8")
    return (
        clean.replace("<", "\\u003c")
        .replace(">", "\\u003e")
        .replace("&", "\\u0026")
        .replace("\u2028", "\\u2028")
        .replace("\u2029", "\\u2029")
    )
