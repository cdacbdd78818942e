#!/usr/bin/env -S uv run --quiet python
"""When does data augmentation hold up a training, for which model, on how many cores?

    scripts/reproduce/input_overhead.py [--full | --smallest] [--data DIR] [--out DIR]

ResNet-50 and MobileNetV2 under Basic augmentation and Basic + RandAugment with N layers. `gpuwatch try --ceilings
--cores` measures each end to end, on cached batches (Synthetic) and input only; one loop written by hand checks it.
`--data`: a folder as ImageNet's, with `train/<class>/` in it.
"""

from __future__ import annotations

import itertools
import os
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from study import data, figures, watch
from study.options import TRAININGS, Options, cores
from study.result import CLAIM_ONLY, Result, Table
from study.show import command, main, tell
from study.timing import interleaved, median

from gpuwatch.model.measures import Interval

TITLE = "When does the input pipeline hold up the training?"
PAPER = "Lee, Lee, Chun: Analysis of input pipeline overhead for training image classifiers with data augmentation"
MODELS = {"resnet50": "ResNet-50", "mobilenet_v2": "MobileNetV2"}
# Where there is no GPU, ResNet-50's step is imagined this long, and MobileNetV2's shorter by what both take on the CPU.
RESNET_MS = 130.0
# Input only this far below (above) Synthetic has to show (not to show) end to end; between them either may be.
BELOW, ABOVE, SHOWS = 0.85, 1.3, 0.92
EVEN = 0.08


@dataclass(frozen=True, slots=True)
class Case:
    """One row of the study: what is trained, with how many layers of RandAugment, on how many cores."""

    model: str
    layers: int
    cores: int

    @property
    def augmentation(self) -> str:
        return f"Basic + {self.layers}" if self.layers else "Basic"


@dataclass(frozen=True, slots=True)
class Rates:
    """Images per second: end to end, on cached batches, input only."""

    whole: Interval
    synthetic: Interval
    input_only: Interval

    @property
    def kept(self) -> float:
        """Return what the input pipeline leaves of the synthetic rate."""
        return self.whole.median / self.synthetic.median

    @property
    def supply(self) -> float:
        """Return the input-only rate over the synthetic one."""
        return self.input_only.median / self.synthetic.median


Measured = dict[Case, Rates]


def device_ms(options: Options) -> dict[str, float | None]:
    """Return the step of an imagined device per model, their ratio measured on the CPU; None for a real GPU."""
    import torch

    if torch.cuda.is_available():
        return dict.fromkeys(MODELS)
    if not options.judged:
        return {"resnet50": 60.0, "mobilenet_v2": 20.0}
    sys.path.insert(0, str(TRAININGS))
    import classifier

    trainers = {name: classifier.Trainer(classifier.options(["-", "--model", name])) for name in MODELS}
    images, labels = torch.rand(4, 3, 96, 96), torch.arange(4)
    cases = {name: partial(trainer.step, images, labels) for name, trainer in trainers.items()}
    tell("the two models' step on this CPU, for their ratio")
    times = interleaved(cases, 5)
    return {name: RESNET_MS * median(times[name]) / median(times["resnet50"]) for name in MODELS}


def training(options: Options, folder: Path, model: str, layers: int, device: float | None) -> list[str]:
    """Return the call of the training: the published batch of 64 with a GPU, a smaller one without."""
    size = () if device is None else ("--batch", options.pick(8, 16, 32), "--side", 112, "--device-ms", f"{device:.1f}")
    workers = max(core_counts(options))
    return command(
        TRAININGS / "classifier.py", folder, "--model", model, "--layers", layers, "--workers", workers, "--steps",
        options.pick(60, 60, 300), *size,
    )  # fmt: skip


def core_counts(options: Options) -> list[int]:
    """Return the published core counts of which this machine has enough; 1 and 2 on a small one."""
    most = cores()
    wanted = (2, 4, 6, 8) if most >= 8 else (1, 2, 4)
    counts = [count for count in wanted if count <= most]
    return options.pick(counts[-1:], counts, counts)


def batch_of(call: list[str]) -> int:
    """Return the images per step of a call."""
    return int(call[call.index("--batch") + 1]) if "--batch" in call else 64


def ceilings(options: Options, call: list[str]) -> dict[int, Rates]:
    """Return the rates by cores, as `gpuwatch try --ceilings --cores` measures them."""
    counts = core_counts(options)
    budget = f"{len(counts) * options.pick(60, 28, 90)}s"
    found = watch.try_(options, ["--ceilings", "--cores", ",".join(map(str, counts)), "--budget", budget], call)
    for note in found["notes"]:
        tell(note)
    return {ceiling["cores"]: _rates(ceiling, batch_of(call)) for ceiling in found["ceilings"]}


def _rates(ceiling: Mapping[str, Any], batch: int) -> Rates:
    def images(name: str) -> Interval:
        seen = ceiling[name]
        return Interval(seen["median"] * batch, seen["low"] * batch, seen["high"] * batch, seen["n"])

    return Rates(images("end_to_end"), images("device"), images("loader"))


def by_hand(options: Options, call: list[str]) -> Rates:
    """Return the same three rates from loops written by hand, in turns: the check of `gpuwatch try --ceilings`."""
    sys.path.insert(0, str(TRAININGS))
    import classifier

    args = classifier.options(call[2:])
    args.steps = 1_000_000
    trainer, steps = classifier.Trainer(args), options.pick(6, 12, 40)
    kept = list(itertools.islice(iter(classifier.loader_of(args)), 4))
    synthetic = partial(_by_hand_synthetic, trainer, kept, steps)
    whole = partial(_by_hand_loader, trainer, partial(classifier.loader_of, args), steps, trainer.step)
    input_only = partial(_by_hand_loader, trainer, partial(classifier.loader_of, args), steps, lambda *batch: None)
    rates: list[list[float]] = [[], [], []]
    for _ in range(options.pick(1, 4, 4)):
        for found, work in zip(rates, (whole, synthetic, input_only), strict=True):
            found.append(work())
    return Rates(*(_interval(found, args.batch) for found in rates))


def _by_hand_synthetic(trainer: Any, kept: list[Any], steps: int) -> float:
    """Return steps per second on batches that are there."""
    trainer.step(*kept[0])
    start = _now(trainer)
    for turn in range(steps):
        trainer.step(*kept[turn % len(kept)])
    return steps / (_now(trainer) - start)


def _by_hand_loader(trainer: Any, make: Callable[[], Any], steps: int, work: Callable[..., object]) -> float:
    """Return steps per second on a loader of its own, so that no other one's workers take the cores meanwhile."""
    loader = make()
    batches = iter(loader)
    # What stood ready before the loop's clock began belongs to no loop.
    for _ in range(loader.num_workers * 2 + 2):
        work(*next(batches))
    start = _now(trainer)
    for _ in range(steps):
        work(*next(batches))
    return steps / (_now(trainer) - start)


def _now(trainer: Any) -> float:
    if trainer.device == "cuda":
        import torch

        torch.cuda.synchronize()
    return time.perf_counter()


def _interval(rates: list[float], batch: int) -> Interval:
    return Interval(median(rates) * batch, min(rates) * batch, max(rates) * batch, len(rates))


def table(result: Result, measured: Measured, devices: Mapping[str, float | None]) -> None:
    """Add the table of rates."""
    rows = [
        (
            MODELS[case.model], case.augmentation, str(case.cores), _shown(rates.synthetic), _shown(rates.input_only),
            _shown(rates.whole), f"{rates.kept:.0%}",
        )
        for case, rates in measured.items()
    ]  # fmt: skip
    imagined = ", ".join(f"{MODELS[name]} {ms:.0f} ms" for name, ms in devices.items() if ms is not None)
    note = f"no GPU: an imagined device takes {imagined} a step; loading and augmentation are real" if imagined else ""
    columns = ("model", "augmentation", "cores", "Synthetic", "input only", "end to end", "kept")
    result.tables.append(Table("Images per second, from `gpuwatch try --ceilings --cores`", columns, tuple(rows), note))


def _shown(rate: Interval) -> str:
    return f"{rate.median:.0f} [{rate.low:.0f}, {rate.high:.0f}]"


def draw(result: Result, measured: Measured) -> None:
    """Draw the rates over the layers, per model and cores."""
    for model, name in MODELS.items():
        for count in sorted({case.cores for case in measured}):
            chosen = {c.layers: r for c, r in measured.items() if (c.model, c.cores) == (model, count)}
            if not chosen:
                continue
            xs = sorted(chosen)
            series: dict[str, tuple[list[int], list[float | None]]] = {
                "Synthetic": (xs, [chosen[x].synthetic.median for x in xs]),
                "input only": (xs, [chosen[x].input_only.median for x in xs]),
                "end to end": (xs, [chosen[x].whole.median for x in xs]),
            }
            title = f"{name}, {count} core{'s' if count > 1 else ''}"
            result.figures.append(figures.lines(title, series, "RandAugment layers", "images per second"))


def judge(result: Result, measured: Measured, judged: bool) -> None:
    """Hold the four claims against the rates."""
    _judge_supply(result, measured, judged)
    _judge_model(result, measured, judged)
    _judge_falling(result, measured, judged, "Fewer cores make it worse", "cores")
    _judge_falling(result, measured, judged, "More layers make it worse", "layers")


def _judge_supply(result: Result, measured: Measured, judged: bool) -> None:
    low = [r.kept < SHOWS for r in measured.values() if r.supply < BELOW]
    high = [r.kept >= SHOWS for r in measured.values() if r.supply > ABOVE]
    here = (
        f"input only under {BELOW:.0%} of Synthetic: slower in {sum(low)} of {len(low)}; "
        f"over {ABOVE:.0%}: as fast in {sum(high)} of {len(high)}"
    )
    # Without a case on either side nothing was tested.
    held = all(low) and all(high) if low and high else None
    result.claim(
        "Throughput falls when input only drops under Synthetic", CLAIM_ONLY, here, held, judged=judged and bool(low)
    )


def _judge_model(result: Result, measured: Measured, judged: bool) -> None:
    pairs = [
        (rates.kept, measured[other].kept)
        for case, rates in measured.items()
        if case.model == "mobilenet_v2" and (other := Case("resnet50", case.layers, case.cores)) in measured
    ]
    lower = sum(small < large - EVEN for small, large in pairs)
    higher = sum(small > large + EVEN for small, large in pairs)
    here = f"MobileNetV2 keeps less of its synthetic rate in {lower} of {len(pairs)} cases, more in {higher}"
    result.claim("The smaller model suffers earlier", CLAIM_ONLY, here, lower > 0 and higher == 0, judged=judged)


def _judge_falling(result: Result, measured: Measured, judged: bool, text: str, field: str) -> None:
    """A claim on neighbours in one field: the share kept may not rise as it gets harder, and has to fall somewhere."""
    from dataclasses import replace

    steps = []
    for case, rates in measured.items():
        values = sorted({getattr(c, field) for c in measured})
        at = values.index(getattr(case, field))
        if at + 1 < len(values) and (other := replace(case, **{field: values[at + 1]})) in measured:
            easy, hard = (measured[other], rates) if field == "cores" else (rates, measured[other])
            steps.append(hard.kept - easy.kept)
    falls, rises = sum(step < -EVEN for step in steps), sum(step > EVEN for step in steps)
    here = (
        f"the share kept falls in {falls} of {len(steps)} steps, rises in {rises}, stays within {EVEN:.0%} in the rest"
    )
    held = (falls > 0 and rises == 0) if steps else None
    result.claim(text, CLAIM_ONLY, here, held, judged=judged)


def check_by_hand(options: Options, result: Result, case: Case, rates: Rates, call: list[str]) -> None:
    """Hold one case against the loops written by hand."""
    tell("the same by hand, once")
    hand = by_hand(options, call)
    names = ("end to end", "Synthetic", "input only")
    pairs = list(
        zip(
            names,
            (rates.whole, rates.synthetic, rates.input_only),
            (hand.whole, hand.synthetic, hand.input_only),
            strict=False,
        )
    )
    rows = tuple((name, _shown(a), _shown(b), f"{a.median / b.median:.2f}") for name, a, b in pairs)
    title = f"Checked by hand: {MODELS[case.model]}, {case.augmentation}, {case.cores} cores"
    result.tables.append(Table(title, ("", "gpuwatch try", "by hand", "ratio"), rows, "images per second"))
    worst = max((max(a.median / b.median, b.median / a.median) for _, a, b in pairs))
    result.claim(
        "`gpuwatch try --ceilings` agrees with loops written by hand", "within 15 %", f"apart by up to {worst - 1:.0%}",
        worst <= 1.15, judged=options.judged,
    )  # fmt: skip


def named(options: Options, result: Result, measured: Measured, calls: Mapping[tuple[str, int], list[str]]) -> None:
    """Have gpuwatch name the bound of the hungriest and of the most sated training by itself."""
    everywhere = {case: rates for case, rates in measured.items() if case.cores == max(core_counts(options))}
    ordered = sorted(everywhere, key=lambda case: everywhere[case].supply)
    for case, bound in zip(dict.fromkeys((ordered[0], ordered[-1])), ("input", "compute"), strict=False):
        tell(f"gpuwatch run on {MODELS[case.model]}, {case.augmentation}")
        watched = watch.run(options, f"classifier-{bound}", calls[case.model, case.layers])
        result.named.append(watched.named())
        supply = everywhere[case].supply
        expected = bound if (supply < BELOW if bound == "input" else supply > ABOVE) else None
        here = f"{watched.bound}-bound; findings: {', '.join(watched.found) or 'none'}; input only is {supply:.0%} of Synthetic"
        text = f"gpuwatch calls {MODELS[case.model]} with {case.augmentation} {bound}-bound"
        held = watched.bound == expected if expected else None
        result.claim(text, CLAIM_ONLY, here, held, judged=options.judged)


def study(options: Options, result: Result) -> None:
    """Measure every case, check one by hand, draw, judge."""
    devices = device_ms(options)
    if any(ms is not None for ms in devices.values()):
        _leave_the_cores()
    photos = data.image_folder(
        options.made, 4, options.pick(8, 40, 400), *options.pick((160, 120), (500, 375), (500, 375))
    )
    folder, layers = options.data or photos, options.pick((2,), (0, 2), (0, 1, 2, 3, 4))
    if not (folder / "train").is_dir():
        raise SystemExit(f"{folder}: no folder `train` with a folder per class in it")
    models = options.pick(["mobilenet_v2"], list(MODELS), list(MODELS))
    calls = {(m, n): training(options, folder, m, n, devices[m]) for m in models for n in layers}
    measured: Measured = {}
    for (model, count), call in calls.items():
        tell(f"gpuwatch try --ceilings on {MODELS[model]} with {count} layers")
        measured |= {Case(model, count, at): rates for at, rates in ceilings(options, call).items()}
    if not measured:
        raise SystemExit("input_overhead: `gpuwatch try --ceilings` measured nothing within its budget")
    table(result, measured, devices)
    draw(result, measured)
    judge(result, measured, options.judged)
    case, rates = max(measured.items(), key=lambda item: item[0].cores)
    check_by_hand(options, result, case, rates, calls[case.model, case.layers])
    named(options, result, measured, calls)


def _leave_the_cores() -> None:
    """The step of an imagined device needs one thread; the cores are the input pipeline's."""
    import torch

    os.environ["OMP_NUM_THREADS"] = "1"
    torch.set_num_threads(1)


if __name__ == "__main__":
    main("input_overhead", TITLE, PAPER, __doc__, study)
