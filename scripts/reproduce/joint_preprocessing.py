#!/usr/bin/env -S uv run --quiet python
"""What bounds the inference of a ResNet, and what do leaner preprocessing and smaller inputs win at which accuracy?

    scripts/reproduce/joint_preprocessing.py [--full | --smallest] [--data DIR] [--out DIR]

Decode, resize, centre crop, normalise, transpose: as torchvision's examples do it in worker processes, and by an engine
of threads that decodes only the region needed, resizes bytes and makes floats in one pass; on photographs and on
thumbnails of 161 pixels; before networks of three depths, trained with and without thumbnails in mind. Then gpuwatch
on the inference. `--data`: a folder as ImageNet's, with `train/<class>/` and `val/<class>/` in it.
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any

from study import accuracy, figures, originals, textures, watch
from study.accuracy import AWARE, REGULAR, Accuracies
from study.options import TRAININGS, Options, cores
from study.result import CLAIM_ONLY, Result, Table
from study.show import command, main, tell
from study.timing import interleaved, median, ratio

sys.path.insert(0, str(TRAININGS))

TITLE = "Preprocessing and inference, optimised together"
PAPER = (
    "Kang, Mathur, Veeramacheneni, Bailis, Zaharia: Jointly optimizing preprocessing and inference for DNN-based visual "
    "analytics"
)
FULL, PNG = "full size", "161 PNG"
USUAL, ENGINE = "torchvision", "engine"
# Images per second of an imagined device with the deepest network; the others are faster by what they take on the CPU.
DEVICE_RATE = 2000.0
BATCH = 32
# A gain this near to the published one counts as it.
NEAR = 0.8
PUBLISHED_GAIN = 4.2
# Differences of accuracy are told apart by this many standard errors.
APART = 3.0
Way = tuple[str, str]
Rates = dict[Way, list[float]]


ALONE: list[Way] = [(source, name) for name in textures.FORMATS for source in (USUAL, ENGINE)]
# Thumbnails by way of torchvision are no more than the table of preprocessing alone says.
WHOLE: list[Way] = [(USUAL, FULL), *((ENGINE, name) for name in textures.FORMATS)]


class Bench:
    """What the rates are measured with: files by format, and a device per depth."""

    def __init__(self, options: Options, folder: Path, networks: dict[int, Any]) -> None:
        import torch
        from inference import found

        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        self.seconds = options.pick(0.3, 1.2, 5.0)
        self.networks = {depth: network.to(self.device).eval() for depth, network in networks.items()}
        self.rates = None if self.device == "cuda" else imagined_rates(self.networks)
        # Long enough for any window.
        self.files = {name: found(folder / "test" / short) * 1000 for name, (short, _, _) in textures.FORMATS.items()}

    def source(self, way: Way) -> Iterable[Any]:
        """Return batches without end, prepared in this way with all cores."""
        from inference import batches

        source = "workers" if way[0] == USUAL else "engine"
        return batches(self.files[way[1]], source, BATCH, cores(), self.device)

    def model(self, depth: int) -> Any:
        """Return what takes a batch, works as long as the device does and waits for it."""
        from inference import Imagined

        if self.rates is not None:
            return Imagined(self.rates[depth])
        network = self.networks[depth]
        return lambda images: network(images.to(self.device, non_blocking=True)).argmax(1).cpu()

    def rate(self, batches: Iterable[Any], work: Any) -> float:
        """Return images per second; what stood ready before the window is not counted."""
        import torch

        with torch.inference_mode():
            moving = iter(batches)
            for _ in range(2 * cores() + 4):
                work(next(moving))
            images, start = 0, time.perf_counter()
            while time.perf_counter() - start < self.seconds:
                batch = next(moving)
                work(batch)
                images += len(batch)
            return images / (time.perf_counter() - start)


def imagined_rates(networks: dict[int, Any]) -> dict[int, float]:
    """Return images per second per depth on an imagined device: their ratios are those on this CPU."""
    import torch

    images = torch.rand(8, 3, 224, 224).to(memory_format=torch.channels_last)
    with torch.inference_mode():
        times = interleaved({depth: partial(network, images) for depth, network in networks.items()}, 5)
    slowest = median(times[max(times)])
    return {depth: DEVICE_RATE * slowest / median(found) for depth, found in times.items()}


def stages(options: Options, result: Result, files: list[Path]) -> None:
    """Add the table of what each change saves on one image, on one thread."""
    import cv2
    import numpy as np
    import pipelines
    from PIL import Image

    encoded = [file.read_bytes() for file in files[:8]]
    centres = [pipelines.centre(e) for e in encoded]
    small = [pipelines.small(e) for e in encoded]
    size, out = (pipelines.SIDE, pipelines.SIDE), np.empty((pipelines.SIDE, pipelines.SIDE, 3), np.float32)
    usual = pipelines.usual()

    def apart(image: Any) -> Any:
        return np.ascontiguousarray(
            ((image.astype(np.float32) / 255 - pipelines.MEAN) / pipelines.SPREAD).transpose(2, 0, 1)
        )

    region = ["region only"] if pipelines.can_decode_regions() else []
    cases = {
        ("decode", "whole, Pillow"): lambda i: np.asarray(Image.open(files[i]).convert("RGB")),
        ("decode", "whole, OpenCV"): lambda i: pipelines.whole(encoded[i]),
        **{("decode", name): lambda i: pipelines.jpeg_centre(encoded[i]) for name in region},
        ("resize", "as floats"): lambda i: cv2.resize(centres[i].astype(np.float32), size),
        ("resize", "as bytes"): lambda i: cv2.resize(centres[i], size),
        ("normalise, transpose", "step by step"): lambda i: apart(small[i]),
        ("normalise, transpose", "one pass, channels last"): lambda i: cv2.LUT(small[i], pipelines.NORMALISED, dst=out),
        ("all", USUAL): lambda i: usual(files[i]),
        ("all", ENGINE): lambda i: pipelines.prepare(files[i], out),
    }  # fmt: skip
    each = {case: partial(lambda work: [work(i) for i in range(len(encoded))], work) for case, work in cases.items()}
    times = interleaved(each, options.pick(2, 15, 30))
    rows = tuple((*case, f"{1e3 * median(times[case]) / len(encoded):.2f}") for case in cases)
    note = "the region is the centre square, out to the next edges of JPEG's blocks"
    if not region:
        note = "nvImageCodec is not installed, so JPEG files are decoded whole"
        result.notes.append(note)
    result.tables.append(Table("One photograph on one thread", ("stage", "how", "ms"), rows, note))


def measure(options: Options, bench: Bench) -> tuple[Rates, dict[int, dict[str, list[float]]], dict[int, Rates]]:
    """Return images per second: of preprocessing alone, of the devices, and of both together by depth."""
    depths, rounds = list(bench.networks), options.pick(1, 3, 5)
    alone: Rates = {way: [] for way in ALONE}
    devices: dict[int, dict[str, list[float]]] = {d: {"alone": [], "with transfer": []} for d in depths}
    whole: dict[int, Rates] = {depth: {way: [] for way in WHOLE} for depth in depths}
    for round_ in range(rounds):
        tell(f"rates: round {round_ + 1} of {rounds}")
        for way in ALONE:
            alone[way].append(bench.rate(bench.source(way), lambda batch: None))
        for depth in depths:
            for name, values in devices[depth].items():
                values.append(device_rate(bench, depth, name == "with transfer"))
            for way in WHOLE:
                whole[depth][way].append(bench.rate(bench.source(way), bench.model(depth)))
    return alone, devices, whole


def device_rate(bench: Bench, depth: int, transfer: bool) -> float:
    """Return images per second of the device on a batch that is there, or that has to be brought each time."""
    import torch

    batch = torch.rand(BATCH, 3, 224, 224, pin_memory=bench.device == "cuda").to(memory_format=torch.channels_last)
    model = bench.model(depth)
    if not transfer:
        if bench.rates is not None:
            model = lambda images: time.sleep(len(images) / bench.rates[depth])  # noqa: E731
        batch = batch.to(bench.device)

    def forever() -> Iterable[Any]:
        while True:
            yield batch

    return bench.rate(forever(), model)


def rate_tables(
    result: Result, alone: Rates, devices: dict[int, dict[str, list[float]]], whole: dict[int, Rates], bench: Bench
) -> None:
    """Add the tables of rates."""
    rows = [
        (way[1], way[0], f"{median(alone[way]):.0f}", *(shown(whole[depth].get(way)) for depth in whole))
        for way in ALONE
    ]
    columns = ("input", "preprocessing", "alone", *(f"end to end, depth {depth}" for depth in whole))
    note = f"{cores()} worker processes with torchvision against an engine of {cores()} threads; batches of {BATCH}"
    result.tables.append(Table("Images per second, preprocessing alone and end to end", columns, tuple(rows), note))
    rows = [
        (str(depth), f"{median(found['alone']):.0f}", f"{median(found['with transfer']):.0f}")
        for depth, found in devices.items()
    ]
    note = (
        ""
        if bench.rates is None
        else f"no GPU: an imagined device classifies {DEVICE_RATE:.0f} images per second with the deepest network, more with the "
        "others as this CPU does; its transfer is a copy within the host's memory"
    )
    result.tables.append(
        Table("Images per second of the device", ("depth", "alone", "with transfer"), tuple(rows), note)
    )


def shown(rates: list[float] | None) -> str:
    """Return a rate as text."""
    return "–" if rates is None else f"{median(rates):.0f}"


def accuracy_table(result: Result, found: Accuracies, whole: dict[int, Rates], images: int) -> None:
    """Add accuracy beside throughput, and draw both with the Pareto front."""
    points = pareto_points(found, whole)
    best = figures.front(list(points.values()))
    rows = [
        (str(depth), name, trained, f"{right:.1%}", f"{rate:.0f}", "yes" if (rate, right) in best else "")
        for (depth, name, trained), (rate, right) in points.items()
    ]
    columns = ("depth", "input", "trained", "accuracy", "images per second", "on the Pareto front")
    note = f"through the engine; {images} images tell differences of {APART * accuracy.error(0.8, images):.1%} or more"
    result.tables.append(Table("Accuracy against throughput", columns, tuple(rows), note))


def pareto_points(found: Accuracies, whole: dict[int, Rates]) -> dict[accuracy.Key, tuple[float, float]]:
    """Return images per second and accuracy by depth, input and training, through the engine."""
    return {key: (median(whole[key[0]][ENGINE, key[1]]), right) for key, right in found.items()}


def draw(result: Result, alone: Rates, devices: Any, whole: dict[int, Rates], found: Accuracies) -> None:
    """Draw the rates as bars, and accuracy over throughput."""
    deepest = max(whole)
    series = {
        "preprocessing alone": [median(alone[way]) for way in WHOLE],
        "device with transfer": [median(devices[deepest]["with transfer"])] * len(WHOLE),
        "end to end": [median(whole[deepest][way]) for way in WHOLE],
    }
    title = f"Rates before the network of {deepest} layers"
    groups = [f"{name}, {source}" for source, name in WHOLE]
    result.figures.append(figures.bars(title, groups, series, "images per second"))
    named: dict[tuple[str, str], dict[str, tuple[float, float]]] = {}
    for (depth, name, trained), (rate, right) in pareto_points(found, whole).items():
        named.setdefault((name, trained), {})[str(depth)] = (rate, 100 * right)
    title = "Accuracy against throughput, by layers"
    result.figures.append(figures.trade_off(title, named, "images per second, end to end", "accuracy, %"))


def judge_rates(
    result: Result, alone: Rates, devices: Any, whole: dict[int, Rates], found: Accuracies, images: int, judged: bool
) -> None:
    """Preprocessing has to be the slower half; what the better halves win end to end at the accuracy there was."""
    supply = median(alone[USUAL, FULL])
    slower = {depth: supply / median(rates["with transfer"]) for depth, rates in devices.items()}
    here = ", ".join(f"{share:.0%} of the device's rate at depth {depth}" for depth, share in slower.items())
    result.claim("Preprocessing bounds inference", CLAIM_ONLY, here, max(slower.values()) < 1, judged=judged)
    # The network one would take without any of this.
    taken = max(whole, key=lambda depth: found[depth, FULL, REGULAR])
    before, wanted = whole[taken][USUAL, FULL], found[taken, FULL, REGULAR]
    floor = wanted - math.sqrt(2) * accuracy.error(wanted, images)
    gains = {key: ratio(whole[key[0]][ENGINE, key[1]], before) for key, right in found.items() if right >= floor}
    key, gain = max(gains.items(), key=lambda item: item[1].median)
    most = max(ratio(rates[ENGINE, name], before).median for rates in whole.values() for name in textures.FORMATS)
    here = (
        f"{gain.median:.1f}× ({gain.low:.1f} to {gain.high:.1f}) at the accuracy of the best network on photographs ({wanted:.1%}): "
        f"{key[0]} layers, {key[1]}, trained {key[2]}; {most:.1f}× whatever the accuracy"
    )
    held = gain.median >= NEAR * PUBLISHED_GAIN
    result.claim("Optimised together, end to end is faster", f"up to {PUBLISHED_GAIN}×", here, held, judged=judged)


def judge_accuracy(result: Result, found: Accuracies, images: int, judged: bool) -> None:
    """Thumbnails have to cost accuracy, and training with them in mind has to win it back without loss in the file."""
    depths = sorted({depth for depth, _, _ in found})

    def mean(name: str, trained: str) -> float:
        return sum(found[depth, name, trained] for depth in depths) / len(depths)

    before, naive, aware = mean(FULL, REGULAR), mean(PNG, REGULAR), mean(PNG, AWARE)
    # The depths see the same images, so their mean is no surer than one of them.
    sure = APART * math.sqrt(2) * accuracy.error(naive, images)
    here = f"{100 * (before - naive):.1f} points, mean of {len(depths)} depths: {before:.1%} to {naive:.1%}"
    result.claim(
        "Low resolution taken as it is loses accuracy", "10.8 points", here, before - naive > sure, judged=judged
    )
    here = f"{aware:.1%} on PNG thumbnails, {before:.1%} on photographs, {mean('161 JPEG q75', AWARE):.1%} on JPEG q75"
    back = aware - naive > sure and before - aware < (before - naive) / 4
    text = "Training with low resolution in mind wins it back, with lossless input"
    result.claim(text, CLAIM_ONLY, here, back if before - naive > sure else None, judged=judged)


def watched(options: Options, result: Result, folder: Path, images: int) -> None:
    """gpuwatch on the inference script as it is usually written, and on the engine behind a DataLoader."""
    import torch

    device = () if torch.cuda.is_available() else ("--device-rate", DEVICE_RATE)
    for source, text in (
        ("workers", "gpuwatch calls the inference input-bound"),
        ("engine-in-loader", "gpuwatch calls it so with the engine, too"),
    ):
        tell(f"gpuwatch run on the inference, {source}")
        arguments = ("--source", source, "--images", images, "--workers", cores(), "--batch", BATCH)
        call = command(TRAININGS / "inference.py", folder / "test" / "full", *arguments, *device)
        seen = watch.run(options, f"inference-{source}", call)
        result.named.append(seen.named())
        here = (
            f"{seen.bound}-bound, role {seen.loader.get('role', 'none')}; findings: {', '.join(seen.found) or 'none'}"
        )
        held = seen.bound == "input" and seen.loader.get("role") == "inference"
        result.claim(text, CLAIM_ONLY, here, held, judged=options.judged)


def study(options: Options, result: Result) -> None:
    """Train, measure, draw, judge, watch."""
    import cv2
    import torch

    train, test = options.pick((64, 32), (960, 320), (20_000, 2000))
    folder = originals.classes(options, train, test) if options.data else textures.folder(options.made, train, test)
    networks, found, images = accuracy.train(options, folder)
    # From here on, the cores are the input pipeline's.
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    bench = Bench(options, folder, networks)
    stages(options, result, bench.files[FULL][:8])
    alone, devices, whole = measure(options, bench)
    rate_tables(result, alone, devices, whole, bench)
    accuracy_table(result, found, whole, images)
    draw(result, alone, devices, whole, found)
    judge_rates(result, alone, devices, whole, found, images, options.judged)
    judge_accuracy(result, found, images, options.judged)
    if options.data is None:
        result.notes.append(
            "made data: how many points low resolution costs depends on the textures made here; what carries over is whether it "
            "costs any, whether training wins it back, and all the rates"
        )
    watched(options, result, folder, options.pick(640, 2000, 20_000))


if __name__ == "__main__":
    main("joint_preprocessing", TITLE, PAPER, __doc__, study)
