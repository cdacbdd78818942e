#!/usr/bin/env -S uv run --quiet python
"""How far do parallel processes carry image preprocessing, and where does their output queue end it?

    scripts/reproduce/parallel_preprocessing.py [--full | --smallest] [--data DIR] [--out DIR]

Serving: processes read, preprocess and write to one result queue or one each, with torchvision and OpenCV; rates, and
the CPU usage that gpuwatch's sampler saw. Training: workers in front of a device that is the limit, where they can gain
nothing, and in front of one that waits, where they can. `--data`: COCO's or Open Images' folders.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from study import data, figures, originals, watch
from study.options import TRAININGS, Options, cores
from study.result import CLAIM_ONLY, Result, Table
from study.show import command, main, tell
from study.timing import median

TITLE = "Parallel preprocessing, and what its output queue does to it"
PAPER = "Hashimoto, Ito (Hitachi): Acceleration techniques of image preprocessing and their effect for machine learning system"
LIBRARIES = ("torchvision", "opencv")
QUEUES = ("one", "each")
# All cores but this share busy counts as full.
FULL = 0.9
# A change of the rate below this is none.
EVEN = 0.08
DEVICE_BOUND_MS, WAITING_MS = 250.0, 20.0


@dataclass(frozen=True, slots=True)
class Case:
    """One way to serve."""

    library: str
    queues: str
    processes: int


@dataclass(frozen=True, slots=True)
class Served:
    """Images per second of each repetition, and the cores used meanwhile as the sampler saw them."""

    rates: tuple[float, ...]
    cores: tuple[float, ...]
    megabytes_per_s: float

    @property
    def rate(self) -> float:
        return median(self.rates)

    @property
    def used(self) -> float | None:
        return median(self.cores) if self.cores else None


Serving = dict[Case, Served]


def process_counts(options: Options) -> list[int]:
    """Return the numbers of processes: 1 to 20 as published, or as far as a small machine tells something."""
    small = sorted({1, cores(), 4 * cores()})
    return options.pick([1, 2], small, [1, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20])


def serve(options: Options, folder: Path) -> Serving:
    """Run every case in turns, each recorded by gpuwatch."""
    iterations, rounds = options.pick(60, 200, 1000), options.pick(1, 2, 3)
    cases = [Case(lib, queues, n) for lib in LIBRARIES for n in process_counts(options) for queues in QUEUES]
    # With one process there is one queue either way.
    cases = [case for case in cases if case.processes > 1 or case.queues == "one"]
    seen: dict[Case, list[tuple[float, float | None, float]]] = {case: [] for case in cases}
    for round_ in range(rounds):
        for case in cases[round_ % len(cases) :] + cases[: round_ % len(cases)]:
            tell(f"round {round_ + 1} of {rounds}: {case.library}, {case.processes} processes, {case.queues} queue")
            seen[case].append(_serve_once(options, folder, case, iterations))
    return {
        case: Served(
            tuple(rate for rate, _, _ in found),
            tuple(used for _, used, _ in found if used is not None),
            median([volume for _, _, volume in found]),
        )
        for case, found in seen.items()
    }


def _serve_once(options: Options, folder: Path, case: Case, iterations: int) -> tuple[float, float | None, float]:
    script = TRAININGS / "serving.py"
    arguments = ("--library", case.library, "--processes", case.processes, "--queues", case.queues)
    call = command(script, folder, *arguments, "--iterations", iterations)
    watched = watch.run(options, "serving", call, rate=10.0)
    told = json.loads(watched.stdout)
    seconds = (told["ended_ns"] - told["started_ns"]) / 1e9
    used = watch.cores_between(watched, told["started_ns"], told["ended_ns"])
    return told["images"] / seconds, used, told["bytes"] / seconds / 1e6


def rate_of(serving: Serving, case: Case) -> Served:
    """Return a case's result; with one process, one queue is one per process."""
    return serving[case] if case in serving else serving[Case(case.library, "one", case.processes)]


def table(result: Result, serving: Serving) -> None:
    """Add the table of serving."""
    rows = [
        (
            case.library, str(case.processes), case.queues, f"{served.rate:.0f} [{min(served.rates):.0f}, {max(served.rates):.0f}]",
            f"{served.megabytes_per_s:.0f}", "–" if served.used is None else f"{served.used:.2f}",
        )
        for case, served in serving.items()
    ]  # fmt: skip
    columns = ("library", "processes", "queues", "images per second", "MB per second", "cores used")
    note = (
        f"cores used: all processes of the command, from gpuwatch's sampler, while it served; {cores()} cores there are"
    )
    result.tables.append(Table("Serving: read, preprocess, write", columns, tuple(rows), note))


def draw(options: Options, result: Result, serving: Serving) -> None:
    """Draw rate and CPU usage over the processes."""
    counts = process_counts(options)
    for title, unit, value in (
        ("Serving rate", "images per second", lambda served: served.rate),
        ("CPU used while serving, from gpuwatch's sampler", "cores", lambda served: served.used),
    ):
        series = {
            f"{library}, {queues} queue{'' if queues == 'one' else ' (one per process)'}": (
                counts,
                [value(rate_of(serving, Case(library, queues, n))) for n in counts],
            )
            for library in LIBRARIES
            for queues in QUEUES
        }
        result.figures.append(figures.lines(title, series, "processes", unit))


def judge_queues(options: Options, result: Result, serving: Serving) -> None:
    """The two claims on the queue: where one queue stops growing, and whether more queues go on."""
    counts = process_counts(options)
    grows, limited, back = [], [], []
    for library in LIBRARIES:
        one = {n: rate_of(serving, Case(library, "one", n)) for n in counts}
        each = {n: rate_of(serving, Case(library, "each", n)) for n in counts}
        grows.append(max(served.rate for served in one.values()) / one[1].rate)
        gains = {n: each[n].rate / one[n].rate for n in counts if n > 1}
        best = max(gains, key=lambda n: gains[n])
        back.append((gains[best], best))
        used = one[best].used
        # A queue is the limit only where one per process is faster, and cores are left unused.
        limited.append(gains[best] > 1 + EVEN and used is not None and used < FULL * cores())
    here = "; ".join(
        f"{library}: {grow:.2f}× one process"
        + (", then the queue is the limit" if limit else ", the queue is no limit")
        for library, grow, limit in zip(LIBRARIES, grows, limited, strict=True)
    )
    held = any(limited) and all(grow > 1 + EVEN for grow in grows)
    text = "Parallelism scales until the single output queue is the limit"
    result.claim(text, CLAIM_ONLY, here, held, judged=options.judged)
    here = "; ".join(
        f"{library}: at best {gain:.2f}× one queue, at {at} processes"
        for library, (gain, at) in zip(LIBRARIES, back, strict=True)
    )
    held = any(gain > 1 + EVEN for gain, _ in back)
    result.claim("As many queues as processes bring it back", CLAIM_ONLY, here, held, judged=options.judged)


def judge_cpu(options: Options, result: Result, serving: Serving) -> None:
    """OpenCV is to fill the cores with fewer processes than torchvision."""
    full = {}
    for library in LIBRARIES:
        used = {n: rate_of(serving, Case(library, "each", n)).used for n in process_counts(options)}
        full[library] = next((n for n, value in used.items() if value is not None and value >= FULL * cores()), None)
    here = "; ".join(
        f"{library}: {FULL:.0%} of {cores()} cores {'never' if n is None else f'from {n} processes on'}"
        for library, n in full.items()
    )
    opencv, other = full["opencv"], full["torchvision"]
    held = opencv is not None and (other is None or opencv < other)
    result.claim("OpenCV reaches full CPU with fewer processes", CLAIM_ONLY, here, held, judged=options.judged)


def train(options: Options, result: Result, folder: Path) -> None:
    """Training at growing numbers of workers: a device that is the limit, then one that waits for one worker."""
    import torch

    counts = options.pick([1], [1, 2, 4], [1, 2, 4, 6, 8, 10, 12])
    base = ("--order", "crop-first", "--batch", 4, "--steps", options.pick(40, 45, 400))
    if torch.cuda.is_available():
        result.notes.append("the device that is the limit is imagined here too, so that it surely is")
    bound: dict[int, watch.Watched] = {}
    for workers in counts:
        tell(f"gpuwatch run on a device-bound training with {workers} workers")
        call = command(TRAININGS / "detector.py", folder, *base, "--device-ms", DEVICE_BOUND_MS, "--workers", workers)
        bound[workers] = watch.run(options, f"device-bound-{workers}", call)
    judge_device(options, result, bound)
    tell("gpuwatch run on a training that waits for its one worker")
    call = command(TRAININGS / "detector.py", folder, *base, "--device-ms", WAITING_MS, "--workers", 1)
    waiting = watch.run(options, "waiting", call)
    result.named += [bound[counts[-1]].named(), waiting.named()]
    here = f"{waiting.bound}-bound; findings: {', '.join(waiting.found) or 'none'}"
    text = "gpuwatch names the input where one worker feeds a fast device"
    result.claim(text, CLAIM_ONLY, here, waiting.bound == "input", judged=options.judged)


def judge_device(options: Options, result: Result, bound: dict[int, watch.Watched]) -> None:
    """More workers may not help, and gpuwatch has to say so: the negative control."""
    rates = {n: watched.loader.get("steps_per_s") for n, watched in bound.items()}
    rows = tuple(
        (str(n), "–" if rates[n] is None else f"{rates[n]:.2f}", watched.bound, ", ".join(watched.found) or "none")
        for n, watched in bound.items()
    )
    note = f"a step of the imagined device takes {DEVICE_BOUND_MS:.0f} ms; claim published: no gain"
    columns = ("workers", "steps per second", "gpuwatch says", "findings")
    result.tables.append(Table("Training with the device as the limit", columns, rows, note))
    known = [rate for rate in rates.values() if rate]
    gain = max(known) / known[0] if known else float("nan")
    result.claim(
        "A device-bound training gains nothing from more processes", CLAIM_ONLY,
        f"best of {', '.join(map(str, rates))} workers: {gain:.2f}× one worker", bool(known) and gain < 1 + EVEN, judged=options.judged,
    )  # fmt: skip
    # A slow start is no advice on the steps, and true of every short training here.
    said = sum(watched.bound == "compute" and set(watched.found) <= {"slow-startup"} for watched in bound.values())
    here = f"compute-bound and no finding on the steps in {said} of {len(bound)} trainings"
    result.claim("gpuwatch says so (negative control)", CLAIM_ONLY, here, said == len(bound), judged=options.judged)


def study(options: Options, result: Result) -> None:
    """Serve, train, judge."""
    folder = options.data or data.photos(options.made, options.pick(4, 16, 64), 640, 480)[0].parent
    # First, so that data that will not do is told at once.
    detection = originals.detection(options) if options.data else data.coco(options.made, 12, 640, 480)
    serving = serve(options, folder)
    table(result, serving)
    draw(options, result, serving)
    judge_queues(options, result, serving)
    judge_cpu(options, result, serving)
    train(options, result, detection)


if __name__ == "__main__":
    main("parallel_preprocessing", TITLE, PAPER, __doc__, study)
