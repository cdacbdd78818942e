#!/usr/bin/env -S uv run --quiet python
"""Does cutting out the foreground as an augmentation help a classifier, and what does it cost its training?

    scripts/reproduce/foreground_augmentation.py [--full | --smallest] [--data DIR] [--out DIR]

A CIFAR-10 ResNet under cutout, cutout + batch augmentation, and both + GrabCut foregrounds: curves of loss and accuracy,
the model exported to ONNX and run by onnxruntime; then gpuwatch on the third training, and `gpuwatch try` on the gain of
cutting the foregrounds once. `--data`: the folder with CIFAR-10's binary files.
"""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from study import data, figures, watch
from study.options import ROOT, TRAININGS, Options, cores
from study.result import CLAIM_ONLY, Result, Table
from study.show import command, main, tell

TITLE = "Foregrounds as an augmentation"
PAPER = "Sanghvi: Application of segmentation based techniques in performance optimization of deep neural networks"
STRATEGIES = {"cutout": "cutout", "batch": "cutout + batch", "foreground": "cutout + batch + GrabCut"}
COLUMNS = ("epoch", "train loss", "train accuracy", "validation loss", "validation accuracy")
SCRIPT = TRAININGS / "foreground.py"
# The last epochs over which accuracies and losses are averaged, so that one lucky epoch decides nothing.
LAST = 3
# Two accuracies from a few hundred images are told apart by three standard errors at least.
APART = 3.0
# A step of the imagined device that stands in where gpuwatch looks on: the network on the CPU would take the workers' cores.
DEVICE_MS = 60.0
PAIRS = 2
Curve = list[list[float]]


def settings(options: Options) -> list[object]:
    """Return the size of the training: as published in full; shallow, with more and smaller steps, on two cores."""
    epochs, depth, batch = options.pick(1, 10, 200), options.pick(8, 8, 44), options.pick(64, 16, 64)
    return ["--epochs", epochs, "--depth", depth, "--batch", batch, "--workers", cores()]


def folder_of(options: Options) -> Path:
    """Return the folder with CIFAR-10's files. Raises SystemExit when `--data` has none."""
    if options.data is None:
        return data.cifar10(options.made, *options.pick((128, 64), (700, 1000), (20_000, 4000)))
    files = sorted(options.data.rglob("data_batch_*.bin"))
    if not files or not (files[0].parent / "test_batch.bin").exists():
        raise SystemExit(f"{options.data}: CIFAR-10's binary files (data_batch_1.bin ... test_batch.bin) are not in it")
    return files[0].parent


def train(options: Options, folder: Path) -> dict[str, Curve]:
    """Train under each strategy and return the curves; the models are kept for the export."""
    curves = {}
    for strategy, name in STRATEGIES.items():
        tell(f"training with {name}")
        call = command(
            SCRIPT,
            folder,
            *settings(options),
            "--strategy",
            strategy,
            "--precomputed",
            "--save",
            weights(options, strategy),
        )
        ended = subprocess.run(call, cwd=ROOT, capture_output=True, text=True, check=False)
        if ended.returncode:
            raise SystemExit(f"{SCRIPT.name} ended with status {ended.returncode}:\n{ended.stderr[-2000:]}")
        curves[strategy] = [json.loads(line) for line in ended.stdout.splitlines()]
    return curves


def weights(options: Options, strategy: str) -> Path:
    """Return the file with a trained model."""
    return options.out / f"foreground-{strategy}.pt"


def last(curve: Curve, column: int) -> float:
    """Return the mean of a column over the last epochs."""
    values = [row[column] for row in curve[-LAST:]]
    return sum(values) / len(values)


def table(options: Options, result: Result, curves: dict[str, Curve], on_made: bool) -> None:
    """Add the table of the last epochs."""
    rows = tuple(
        (STRATEGIES[s], f"{last(c, 1):.3f}", f"{last(c, 2):.1%}", f"{last(c, 3):.3f}", f"{last(c, 4):.1%}")
        for s, c in curves.items()
    )
    size = " ".join(map(str, settings(options)[:6])).replace("--", "")
    where = "made data: pictures of ten shapes" if on_made else "CIFAR-10"
    note = (
        f"{where}; {size}; RMSprop, M = 4 copies, rate ÷10 at 40, 60, 80 % of the epochs (chosen here); mean of "
        f"the last {LAST} epochs. Published: the trio has the worst training loss and the best validation accuracy, about 90 %"
    )
    result.tables.append(Table("Training and validation", ("strategy", *COLUMNS[1:]), rows, note))


def draw(result: Result, curves: dict[str, Curve]) -> None:
    """Draw the four curves."""
    for column, name in enumerate(COLUMNS[1:], 1):
        series = {STRATEGIES[s]: ([r[0] for r in c], [r[column] for r in c]) for s, c in curves.items()}
        result.figures.append(figures.lines(name.capitalize(), series, "epoch", name.split()[1]))


def judge(options: Options, result: Result, curves: dict[str, Curve], images: int, on_made: bool) -> None:
    """The published order of the three strategies, and how sure one can be of it."""
    losses = {s: last(c, 1) for s, c in curves.items()}
    accuracies = {s: last(c, 4) for s, c in curves.items()}
    shown = ", ".join(f"{STRATEGIES[s]} {value:.3f}" for s, value in losses.items())
    worst = max(losses, key=lambda s: losses[s]) == "foreground"
    result.claim("The trio has the worst training loss", CLAIM_ONLY, shown, worst, judged=options.judged)
    best = max((a for s, a in accuracies.items() if s != "foreground"), default=0.0)
    gap = accuracies["foreground"] - best
    error = (2 * best * (1 - best) / images) ** 0.5
    shown = ", ".join(f"{STRATEGIES[s]} {value:.1%}" for s, value in accuracies.items())
    sure = abs(gap) > APART * error
    about = f"{shown}; {images} images tell differences of {APART * error:.1%} or more"
    result.claim(
        "The trio has the best validation accuracy",
        "about 90 %",
        about,
        gap > 0 if sure else None,
        judged=options.judged,
    )
    if on_made:
        result.notes.append(
            "made data: the shapes are easier to cut out than CIFAR-10's animals and say nothing of the 90 %; what carries "
            "over is the cost of GrabCut, the order of the training losses, and that the export predicts the same"
        )


def export(options: Options, result: Result, folder: Path) -> None:
    """Export the trio's model to ONNX and compare its predictions with onnxruntime's."""
    text = "The exported model predicts the same through onnxruntime"
    lacking = [name for name in ("onnx", "onnxscript", "onnxruntime") if importlib.util.find_spec(name) is None]
    if lacking:
        result.claim(text, CLAIM_ONLY, f"not tried: {', '.join(lacking)} not installed", None)
        return
    tell("ONNX")
    same, apart = _compare(options, folder)
    here = f"{same:.1%} of the classes equal, outputs apart by {apart:.1e} at most"
    result.claim(text, CLAIM_ONLY, here, same == 1.0 and apart < 1e-3, judged=options.judged)


def _compare(options: Options, folder: Path) -> tuple[float, float]:
    """Return the share of equal classes, and the largest difference of an output."""
    import onnxruntime
    import torch

    sys.path.insert(0, str(TRAININGS))
    import foreground

    kept = torch.load(weights(options, "foreground"))
    model = foreground.resnet(kept["depth"])
    model.load_state_dict(kept["weights"])
    model.eval()
    images = foreground.to_floats(foreground.read([folder / "test_batch.bin"])[0][:256])
    file = options.out / "foreground.onnx"
    torch.onnx.export(model, (images,), str(file), input_names=["images"], dynamo=True, verbose=False)
    session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    theirs = torch.from_numpy(session.run(None, {"images": images.numpy()})[0])
    with torch.no_grad():
        ours = model(images)
    return (ours.argmax(1) == theirs.argmax(1)).float().mean().item(), (ours - theirs).abs().max().item()


def watched_training(options: Options, result: Result, folder: Path) -> None:
    """gpuwatch on the training that cuts while it trains, and `try` on cutting once."""
    tell("gpuwatch run on the training with GrabCut")
    import torch

    size = ["--epochs", options.pick(4, 4, 3), "--depth", options.pick(8, 8, 44), "--workers", cores()]
    device = () if torch.cuda.is_available() else ("--device-ms", DEVICE_MS)
    call = command(SCRIPT, folder, *size, "--strategy", "foreground", *device)
    watched = watch.run(options, "foreground", call)
    tell("gpuwatch try on the same")
    budget = options.pick("60s", "80s", "180s")
    tried = watch.try_(options, ["--remedies", "cache-items", "--budget", budget], call)
    result.named.append(watched.named(watch.trials(tried)))
    judge_watched(options, result, watched, tried)


def judge_watched(options: Options, result: Result, watched: watch.Watched, tried: dict[str, Any]) -> None:
    """GrabCut has to be the workers' hottest line; what precomputing is worth has to be measured."""
    hot = next((line for line in watched.report["hot_lines"] if line["process_role"] == "worker"), None)
    here = (
        "no hot line of a worker"
        if hot is None
        else f"{hot['share']:.0%} of the workers: {(hot['source'] or '').strip()}"
    )
    held = hot is not None and "grabCut" in (hot["source"] or "")
    result.claim("gpuwatch names GrabCut as the hot line", CLAIM_ONLY, here, held, judged=options.judged)
    trials = tried["trials"]
    here = watch.trials(tried)[0] if trials else "; ".join(tried["notes"])
    # One pair of windows is an anecdote; more end as soon as they show what there is.
    held = bool(trials) and (trials[0]["ratio"] or {"n": 0})["n"] >= PAIRS
    result.claim("`gpuwatch try` measures precomputing it", CLAIM_ONLY, here, held, judged=options.judged)


def study(options: Options, result: Result) -> None:
    """Train, draw, judge, export, watch."""
    folder = folder_of(options)
    curves = train(options, folder)
    table(options, result, curves, options.data is None)
    draw(result, curves)
    images = (folder / "test_batch.bin").stat().st_size // data.CIFAR_RECORD
    judge(options, result, curves, images, options.data is None)
    export(options, result, folder)
    watched_training(options, result, folder)


if __name__ == "__main__":
    main("foreground_augmentation", TITLE, PAPER, __doc__, study)
