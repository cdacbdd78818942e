#!/usr/bin/env -S uv run --quiet python
"""What does an augmentation cost in which library, and what does its place in the chain cost?

    scripts/reproduce/augmentation_order.py [--full | --smallest] [--data DIR] [--out DIR]

Five libraries, each operation alone (loading included) and two chains of the same five operations, on three sizes of
photographs; then gpuwatch on a detector's training that augments before it crops. `--data`: photographs in COCO's or
Open Images' folders.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from study import data, figures, originals, watch
from study.libraries import BEYOND, PUBLISHED, Library, one_thread
from study.options import TRAININGS, Options, cores
from study.result import CLAIM_ONLY, Result, Table
from study.show import command, main, tell
from study.timing import interleaved, median, ratio

TITLE = "Which augmentation library, and in which order?"
PAPER = (
    "Cesar, Solina, Kramberger, Kramberger: Enhancing the performance of image preprocessing for classification and "
    "object detection"
)
SIZES = ((640, 427), (2000, 1500), (3000, 5000))
ALONE = ("resize to 300", "resize to 1000", "crop", "rotation", "jitter", "flip")
LATE, EARLY = "flip, rotate, jitter, crop, resize", "crop, resize, flip, rotate, jitter"
Size = tuple[int, int]
Times = dict[tuple[str, str], list[float]]
# A step of the imagined device where there is no GPU: long enough to matter, far below what the photographs cost.
DEVICE_MS = 40.0
# Steps that one point of the utilization is made of: batches come in bursts.
FEW = 8


def operations(library: Library) -> dict[str, Callable[[Path], object]]:
    """Return every case of the table for one library, each from the file on."""
    load, flip, rotate, jitter, crop = library.load, library.flip, library.rotate, library.jitter, library.crop
    return {
        "resize to 300": lambda path: library.resize(load(path), 300),
        "resize to 1000": lambda path: library.resize(load(path), 1000),
        "crop": lambda path: crop(load(path)),
        "rotation": lambda path: rotate(load(path)),
        "jitter": lambda path: jitter(load(path)),
        "flip": lambda path: flip(load(path)),
        LATE: lambda path: library.resize(crop(jitter(rotate(flip(load(path))))), 300),
        EARLY: lambda path: jitter(rotate(flip(library.resize(crop(load(path)), 300)))),
    }


def measure(size: Size, path: Path, count: int) -> Times:
    """Return the seconds of every (library, case) for one size."""
    cases = {
        (name, case): partial(work, path)
        for name, make in {**PUBLISHED, **BEYOND}.items()
        for case, work in operations(make()).items()
    }
    return interleaved(cases, count, lambda done: tell(f"{size[0]}×{size[1]}: round {done} of {count + 1}"))


def rounds(options: Options, size: Size) -> int:
    """Return the published number of iterations; fewer of large photographs where ten would take minutes."""
    few = 3 if size[0] * size[1] > 10_000_000 else 5
    return options.pick(2, few if size[0] * size[1] > 1_000_000 else 10, 10)


def photo(options: Options, size: Size) -> Path:
    """Return a photograph of this size."""
    if options.data:
        return originals.resized(options, 1, *size)[0]
    return data.photos(options.made, 1, *size)[0]


def tables(result: Result, times: dict[Size, Times]) -> None:
    """Add a table per size: milliseconds per case and library."""
    names = [*PUBLISHED, *BEYOND]
    for size, measured in times.items():
        rows = [
            (case, *(f"{1e3 * median(measured[name, case]):.1f}" for name in names)) for case in (*ALONE, LATE, EARLY)
        ]
        gains = [ratio(measured[name, LATE], measured[name, EARLY]) for name in names]
        rows.append(("second order: times faster", *(f"{g.median:.2f} [{g.low:.2f}, {g.high:.2f}]" for g in gains)))
        note = "ms, loading included, median of {} rounds in turns, one thread; published beside it: Pillow up to 25 % faster, the second order up to 4×"
        result.tables.append(
            Table(f"{size[0]}×{size[1]}", ("", *names), tuple(rows), note.format(len(measured[names[0], LATE])))
        )


def judge_library(result: Result, times: dict[Size, Times], judged: bool) -> None:
    """Pillow against the faster of the two others, cell by cell; it holds when Pillow wins most of them."""
    leads = []
    for size, measured in times.items():
        for case in ALONE:
            others = min(median(measured[name, case]) for name in PUBLISHED if name != "Pillow")
            leads.append((others / median(measured["Pillow", case]) - 1, case, size))
    wins = sum(lead > 0 for lead, _, _ in leads)
    best, worst = max(leads), min(leads)
    here = (
        f"fastest in {wins} of {len(leads)} cells; at best {best[0]:+.0%} ({best[1]} at {best[2][0]}×{best[2][1]}), "
        f"at worst {worst[0]:+.0%} ({worst[1]} at {worst[2][0]}×{worst[2][1]})"
    )
    held = wins > len(leads) / 2
    result.claim("Pillow is faster than OpenCV and numpy", "up to 25 %", here, held, judged=judged)


def judge_order(result: Result, times: dict[Size, Times], judged: bool) -> None:
    """The largest gain of cropping first over libraries and sizes; it holds when that comes near the published one."""
    gains = {
        (name, size): ratio(measured[name, LATE], measured[name, EARLY])
        for size, measured in times.items()
        for name in PUBLISHED
    }
    (name, size), gain = max(gains.items(), key=lambda item: item[1].median)
    least = min(gains.values(), key=lambda gain: gain.median)
    here = f"up to {gain.median:.1f}× ({gain.low:.1f} to {gain.high:.1f}; {name}, {size[0]}×{size[1]}), at least {least.median:.1f}×"
    result.claim("Crop and resize first is faster", "up to 4×", here, gain.low >= 3.0, judged=judged)


def training(options: Options, result: Result, folder: Path) -> None:
    """gpuwatch on a detector that augments before it crops: the timeline, the finding, and its proof by `try`."""
    import torch

    device = () if torch.cuda.is_available() else ("--device-ms", DEVICE_MS)
    # The same call for both, so that `try` finds what `run` recorded.
    script = command(
        TRAININGS / "detector.py", folder, "--workers", cores(), "--steps", options.pick(40, 80, 400), *device
    )
    timeline = options.out / "augmentation_order-timeline.html"
    tell("gpuwatch run on the detector's training")
    watched = watch.run(options, "detector", script, html=timeline)
    tell("gpuwatch try on the same")
    budget = options.pick("60s", "80s", "180s")
    tried = watch.try_(options, ["--remedies", "shrink-first", "--budget", budget], script)
    result.named.append(watched.named(watch.trials(tried)))
    result.notes.append(f"the timeline of the training (their Figure 1), as gpuwatch draws it: {timeline.name}")
    utilisation(options, result, watched)
    judge_training(result, watched, tried, options.judged)


def utilisation(options: Options, result: Result, watched: watch.Watched) -> None:
    """Draw GPU and CPU utilization over time from what gpuwatch exports."""
    rows = watch.export_series(options, watched, options.out / "augmentation_order-timeline.csv")
    wanted = [row for row in rows if row["value"] and (row["lane"] == "CPU busy" or _is_gpu_share(row))]
    series: dict[str, tuple[list[float], list[float | None]]] = {}
    for row in wanted:
        scale = 100 / cores() if row["unit"] == "cores" else 1.0
        ts, values = series.setdefault(f"{row['group']}: {row['lane']}", ([], []))
        ts.append(float(row["start_s"]))
        values.append(scale * float(row["value"]))
    if not any(_is_gpu_share(row) for row in wanted):
        series["device, imagined: busy"] = _not_waiting(rows)
    title = "Utilization during the detector's training, exported by gpuwatch"
    result.figures.append(figures.lines(title, series, "seconds", "%"))


def _not_waiting(rows: list[dict[str, str]]) -> tuple[list[float], list[float | None]]:
    """Return when every few steps began, and the share of them in which the trainer did not wait for its batch."""
    lanes: dict[str, dict[float, float]] = {"input wait": {}, "step time": {}}
    for row in rows:
        if row["lane"] in lanes and row["value"]:
            lanes[row["lane"]][float(row["start_s"])] = float(row["value"])
    waits = lanes["input wait"]
    steps = [(at, whole) for at, whole in sorted(lanes["step time"].items()) if at in waits and whole > 0]
    few = [steps[first : first + FEW] for first in range(0, len(steps), FEW)]
    shares = [1 - sum(waits[at] for at, _ in part) / sum(whole for _, whole in part) for part in few]
    return [part[0][0] for part in few], [100 * max(share, 0.0) for share in shares]


def _is_gpu_share(row: dict[str, str]) -> bool:
    return row["unit"] == "%" and row["group"].startswith("GPU")


def judge_training(result: Result, watched: watch.Watched, tried: dict, judged: bool) -> None:
    """gpuwatch has to name the order, first or second, and `try` has to find that it helps."""
    found, trial = watched.found, next(iter(tried["trials"]), None)
    here = f"{watched.bound}-bound; findings: {', '.join(found) or 'none'}"
    result.claim(
        "gpuwatch finds transform-order in a training", CLAIM_ONLY, here, "transform-order" in found[:2], judged=judged
    )
    here = watch.trials(tried)[0] if trial else "; ".join(tried["notes"])
    # What could not be told apart proves nothing either way.
    held = None if trial and trial["verdict"] == "inconclusive" else bool(trial) and trial["verdict"] == "helps"
    result.claim("`gpuwatch try` proves that the order helps", CLAIM_ONLY, here, held, judged=judged)


def study(options: Options, result: Result) -> None:
    """Measure, draw, judge."""
    one_thread()
    # First, so that data that will not do is told at once.
    side = options.pick((640, 480), (1000, 750), (1600, 1200))
    detection = originals.detection(options) if options.data else data.coco(options.made, 12, *side)
    sizes = [(w // 5, h // 5) for w, h in SIZES] if options.size == "smallest" else list(SIZES)
    times = {size: measure(size, photo(options, size), rounds(options, size)) for size in sizes}
    tables(result, times)
    names = [f"{w}×{h}" for w, h in times]
    gains = {
        name: [ratio(measured[name, LATE], measured[name, EARLY]).median for measured in times.values()]
        for name in {**PUBLISHED, **BEYOND}
    }
    result.figures.append(figures.bars("Gain of cropping first", names, gains, "times faster"))
    for size, measured in times.items():
        alone = {name: [1e3 * median(measured[name, case]) for case in ALONE] for name in {**PUBLISHED, **BEYOND}}
        title = f"Each operation alone at {size[0]}×{size[1]}, loading included"
        result.figures.append(figures.bars(title, ALONE, alone, "ms"))
    judge_library(result, times, options.judged)
    judge_order(result, times, options.judged)
    training(options, result, detection)


if __name__ == "__main__":
    main("augmentation_order", TITLE, PAPER, __doc__, study)
