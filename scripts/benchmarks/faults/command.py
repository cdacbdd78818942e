"""`scripts/faults`: tries of each kind until the time is over, the counts of all calls so far, and the table in the docs."""

from __future__ import annotations

import argparse
import json
import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random
from typing import Any

from scripts.benchmarks import pages
from scripts.benchmarks.faults.kinds import KINDS, Kind
from scripts.benchmarks.faults.trial import Trial, attempt
from scripts.benchmarks.machine import Conditions, end_cleanly_when_terminated, sentence
from tests.fuzzing import call

BLOCK = "faults"
# What is said where the fault leaves nothing to report.
UNRECORDED = ("running without recording", "the run folder was removed")
Counts = dict[str, dict[str, Any]]


def main(about: str | None) -> int:
    """Make tries; return 1 where a training was changed or a recording could not be reported."""
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kind", action="append", choices=[kind.name for kind in KINDS])
    parser.add_argument("--jobs", type=int, default=2, help="so many tries at a time")
    parser.add_argument(
        "--keep", type=Path, metavar="FILE", help="add to the counts in FILE, and go on where it stopped"
    )
    pages.add_option(parser, BLOCK)
    options = parser.parse_args()
    os.environ["COLUMNS"] = "100"
    end_cleanly_when_terminated()
    conditions = Conditions()
    counts: Counts = json.loads(options.keep.read_text()) if options.keep and options.keep.exists() else {}
    kinds = [kind for kind in KINDS if not options.kind or kind.name in options.kind]
    end = time.monotonic() + options.seconds
    while time.monotonic() < end:
        _round(sorted(kinds, key=lambda kind: _of(counts, kind)["made"])[: options.jobs], counts, options.seed)
        if options.keep:
            options.keep.write_text(json.dumps(counts, indent=1))
    print(_table(counts))
    if options.write_docs:
        # Made in several calls: the load and the seconds of the last one say nothing.
        made = sentence(conditions.told("scripts/faults --keep FILE --write-docs")).partition(";")[0]
        pages.write(BLOCK, f"{_table(counts)}\n\n{made}.")
    return int(any(_lost(count) for count in counts.values()))


def _of(counts: Counts, kind: Kind) -> dict[str, Any]:
    return counts.setdefault(kind.name, {"made": 0, "tries": 0, "unchanged": 0, "reported": 0, "why": []})


def _round(kinds: list[Kind], counts: Counts, seed: int) -> None:
    noises = [Random(f"{kind.name} {_of(counts, kind)['made']} {seed}") for kind in kinds]
    with ThreadPoolExecutor(len(kinds)) as pool:
        made = list(pool.map(_attempt, kinds, noises))
    for kind, trial in zip(kinds, made, strict=True):
        count = _of(counts, kind)
        count["made"] += 1
        if isinstance(trial, str):
            print(trial, flush=True)
        elif trial.struck:
            _count(kind, trial, count)


def _attempt(kind: Kind, noise: Random) -> Trial | str:
    try:
        return attempt(kind, noise)
    except RuntimeError as error:
        return str(error)


def _count(kind: Kind, trial: Trial, count: dict[str, Any]) -> None:
    unreported = _unreported(kind, trial)
    count["tries"] += 1
    count["unchanged"] += not trial.why
    count["reported"] += not unreported
    for why in filter(None, (trial.why, unreported)):
        count["why"].append(why)
        print(f"{kind.name}: {why}", flush=True)
    trial.folder.cleanup()


def _unreported(kind: Kind, trial: Trial) -> str:
    """Return why the recording cannot be reported; empty when it can, or when the fault leaves none."""
    if trial.run is None:
        return (
            ""
            if kind.leaves_no_run and any(why in trial.ran.err for why in UNRECORDED)
            else f"there is no run folder: {trial.ran.err[-300:]!r}"
        )
    answer = call(("report", str(trial.run), "--json", "-"))
    fine = answer.judged == "clear" and (answer.code == 0 or kind.leaves_no_run)
    return "" if fine else f"the report is {answer.judged} {answer.code}: {answer.why} {answer.err[-300:]}"


def _lost(count: dict[str, Any]) -> int:
    return max(count["tries"] - count["unchanged"], count["tries"] - count["reported"])


def _table(counts: Counts) -> str:
    rows = [
        [kind.name, kind.about, *(str(count[key]) for key in ("tries", "unchanged", "reported")), str(_lost(count))]
        for kind in KINDS
        if (count := counts.get(kind.name)) and count["tries"]
    ]
    sums = [sum(int(row[at]) for row in rows) for at in (2, 3, 4, 5)]
    head = ["fault", "what happens", "tries", "training unchanged", "reported", "lost"]
    return pages.table(head, [*rows, ["all", "", *map(str, sums)]])
