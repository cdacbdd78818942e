"""The code edit of a remedy as a person would make it: `-` and `+` lines of their own source where that is known."""

from __future__ import annotations

import ast
import difflib
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gpuwatch.experiments import rewriting
from gpuwatch.experiments.sweep import Setting
from gpuwatch.model.experiment import LoaderTrial
from gpuwatch.model.measures import Place

FASTER_DECODER = (
    "- image = Image.open(path).convert('RGB')\n"
    "+ image = Image.fromarray(simplejpeg.decode_jpeg(Path(path).read_bytes(), 'RGB'))  # or cv2, torchvision.io"
)
CACHE = "+ keep the finished items in memory (a list or tensor made once), or save them once and load the result"
PACK = "+ collate into one tensor per field, and split it after the batch has arrived"
UINT8 = "- collate float images\n+ collate uint8 images, and after x.to(device): x = x.float().div_(255)"
BATCHED = "+ DataLoader(dataset, sampler=BatchSampler(RandomSampler(dataset), n, drop_last=False), batch_size=None)"
SAMPLER = "+ batch_sampler=Ahead(batch_sampler)  # draws in a thread, through a queue.Queue, some batches ahead"
AFFINITY = "+ def on_all_cores(worker):\n+     os.sched_setaffinity(0, range(os.cpu_count()))\n+ DataLoader(..., worker_init_fn=on_all_cores)"
FREEZE = "+ gc.collect()\n+ gc.freeze()  # once, before the loop over the epochs"
TO_NONE = "- optimizer.zero_grad(set_to_none=False)\n+ optimizer.zero_grad()"
CHANNELS_LAST = "+ model = model.to(memory_format=torch.channels_last)\n+ x = x.to(memory_format=torch.channels_last)"
NON_BLOCKING = "+ x = x.to(device, non_blocking=True)"
# A start of workers that takes more than this share of an epoch is worth keeping them.
RESTART_SHARE = 0.03


class Code(str):
    """An argument's value that is code, not a string."""


def for_sweep(rows: Sequence[LoaderTrial], now: Setting, loop: Mapping[str, Any]) -> str | None:
    """Return the edit that makes the knee permanent; None when the loader is there already."""
    knee = next((row for row in rows if row.knee), None)
    if knee is None or (knee.workers, knee.prefetch, knee.threads) == (now.workers, None, None):
        return None
    settings: dict[str, Any] = {"num_workers": knee.workers}
    if knee.prefetch:
        settings["prefetch_factor"] = knee.prefetch
    if knee.threads:
        settings["worker_init_fn"] = Code("lambda worker: cv2.setNumThreads(0)")
    if knee.workers and not loop.get("persistent_workers") and _restarts_cost(knee, loop.get("length")):
        settings["persistent_workers"] = True
    file, line, *_ = loop.get("made") or (None, None)
    return loader_call((file, line) if file and line else None, settings)


def _restarts_cost(knee: LoaderTrial, length: int | None) -> bool:
    rate = knee.loop_rate
    return bool(rate and length and knee.startup_s and knee.startup_s > RESTART_SHARE * length / rate.median)


def loader_call(place: tuple[str, int] | None, settings: Mapping[str, Any]) -> str:
    """Return the edit of the loader's constructor call; a general line when the call cannot be read."""
    words = {name: str(value) if isinstance(value, Code) else repr(value) for name, value in settings.items()}
    found = source_of(place[0]) if place else None
    edited = rewriting.with_keywords(found, place[1], words) if found and place else None
    if found is None or edited is None or place is None:
        return f"+ DataLoader(..., {', '.join(f'{name}={value}' for name, value in words.items())})"
    return _diff(found, edited, place)


def moved_first(place: Place | None, shrink: str, early: Sequence[str]) -> str:
    """Return the edit that puts the shrinking transform before the early ones, in the list where they stand."""
    general = f"+ Compose([{shrink}(...), {', '.join(f'{name}(...)' for name in early) or '...'}, ...])"
    found = source_of(place.file) if place else None
    edited = rewriting.reordered(found, place.line, shrink, early) if found and place else None
    return general if found is None or edited is None or place is None else _diff(found, edited, (place.file, 0))


def scaled_decode(place: Place | None, scale: int) -> str:
    """Return the edit that decodes at a part of the size."""
    general = f"  image = Image.open(path)\n+ image.draft('RGB', (image.width // {scale}, image.height // {scale}))"
    found = source_of(place.file) if place else None
    edited = rewriting.drafted(found, place.line, scale) if found and place else None
    return general if found is None or edited is None or place is None else _diff(found, edited, (place.file, 0))


def source_of(file: str) -> str | None:
    """Return the source of a file; None when it cannot be read or is no Python."""
    try:
        text = Path(file).read_text(encoding="utf-8")
        ast.parse(text)
    except (OSError, ValueError, SyntaxError):
        return None
    return text


def _diff(before: str, after: str, place: tuple[str, int]) -> str:
    """Return the changed lines, with where they are."""
    old, new = before.splitlines(), after.splitlines()
    lines = list(difflib.unified_diff(old, new, n=0, lineterm=""))[2:]
    at = next((line for line in lines if line.startswith("@@")), "@@ -0")
    number = at.split("-")[1].split()[0].split(",")[0]
    changed = [line for line in lines if not line.startswith("@@")]
    body = textwrap.dedent("\n".join(line[1:] for line in changed)).splitlines()
    return "\n".join([f"{place[0]}:{number}", *(f"{line[0]} {text}" for line, text in zip(changed, body, strict=True))])
