"""What `scripts/fuzz` does: tries in turn of all kinds until the time is over, counters, and each defect once."""

from __future__ import annotations

import argparse
import os
import re
import time
from collections import Counter

from tests.fuzzing import JUDGED, KINDS, attempt, planned


def main(about: str | None) -> int:
    """Run the tries; return 1 where one was not answered clearly."""
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kind", choices=KINDS)
    parser.add_argument("--again", metavar="KIND:NUMBER", help="make this try again, with the traceback")
    options = parser.parse_args()
    os.environ["COLUMNS"] = "200"
    if options.again:
        return again(options.again, options.seed)
    return tries(options.seconds, options.seed, options.kind)


def again(named: str, seed: int) -> int:
    """Make one try again where errors are raised, and show what it said."""
    os.environ["GPUWATCH_DEBUG"] = "1"
    kind, _, number = named.partition(":")
    made = planned(kind, int(number), seed)
    answer = attempt(made)
    print(
        *made.verb, "→", answer.judged, answer.code, answer.why, f"{answer.seconds:.1f} s\n{answer.err}\n{answer.out}"
    )
    return int(answer.judged != "clear")


def tries(seconds: float, seed: int, chosen: str | None) -> int:
    """Make tries of all kinds in turn; print the counters."""
    end, number = time.monotonic() + seconds, 0
    kinds = [chosen] if chosen else KINDS
    found: dict[str, Counter[str]] = {kind: Counter() for kind in kinds}
    known: Counter[str] = Counter()
    while time.monotonic() < end:
        for kind in kinds:
            made = planned(kind, number, seed)
            answer = attempt(made)
            found[kind][answer.judged] += 1
            if answer.judged != "clear":
                same = re.sub(r"[0-9]+", "N", f"{answer.judged} {answer.why}")
                if not known[same]:
                    print(
                        f"{kind}:{number}  {' '.join(made.verb)!r:.100}\n    {answer.judged}: {answer.why}", flush=True
                    )
                known[same] += 1
        number += 1
    print(f"{'kind':<16}{'tried':>8}" + "".join(f"{name:>11}" for name in JUDGED))
    for kind in kinds:
        print(f"{kind:<16}{found[kind].total():>8}" + "".join(f"{found[kind][name]:>11}" for name in JUDGED))
    total = sum(counts.total() for counts in found.values())
    clear = sum(counts["clear"] for counts in found.values())
    print(f"{total} tries, {clear} answered clearly, {total - clear} not ({len(known)} different)")
    return int(clear < total)
