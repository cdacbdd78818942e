"""The reports and screens whose drawings are kept as text in this folder; `scripts/goldens` writes them anew."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gpuwatch.diagnosis.examples.parts import (
    interval,
    make_device,
    make_fetch,
    make_hot_line,
    make_loader,
    make_operation,
    make_profile,
    make_rank,
    make_run,
)
from gpuwatch.model.findings import Speedup, Verdict
from gpuwatch.model.hot_lines import Callee, StackQuality
from gpuwatch.model.loader_profile import QueueProfile
from gpuwatch.model.measures import Interval, Phase
from gpuwatch.model.profile import Unentered
from gpuwatch.model.reasons import LoaderSteps, NoLoop
from gpuwatch.views import card, lines, markdown, terminal
from tests.builders import make_finding, make_report

FOLDER = Path(__file__).parent
SOURCE = 'return np.stack([self._filters[i].apply(image.astype(np.float32), mode="reflect") for i in range(9)])'
PACKAGE = "/home/me/.venv/lib/python3.11/site-packages/torchvision/transforms/functional.py"


def input_bound() -> Any:
    """Several loaders, findings, hot lines and a GPU; long paths, markup in the names."""
    hot = (
        make_hot_line(),
        make_hot_line(
            file="/home/me/project/a/very/long/package/path/with/folders/filters.py",
            line=1120,
            share=0.22,
            source=SOURCE,
            callee=Callee("", "numpy"),
        ),
        make_hot_line(file=PACKAGE, line=88, share=0.08, source="x = x[red]", callee=None, speedup_if_free=None),
    )
    operations = (
        make_operation("Image.open", kind="decode", share=0.6),
        make_operation(share=0.22),
        make_operation("ToTensor", share=0.1),
    )
    training = make_loader(operations=operations)
    evaluation = make_loader(
        id="r0.l1",
        role="evaluation",
        dataset="PhotosForValidationWithQuiteALongName",
        workers=0,
        queue=None,
        batches=20,
    )
    findings = (
        make_finding(),
        make_finding(
            "oversized-decode",
            severity="warning",
            confidence="medium",
            summary="images are decoded at 12 megapixels a sample, of which 224 × 224 are used by what comes after",
            advice='Decode at a smaller scale: call image.draft("RGB", (448, 448)) before convert.',
            edit='image.draft("RGB", (448, 448))',
            speedup=Speedup(2.34, 2.0, 2.6, "throughput model"),
            verify="gpuwatch try --remedy scaled-decode -- python train.py --data '/data/image net' --epochs 3 --batch-size 256 --lr 0.1",
        ),
        make_finding(
            "worker-restart",
            confidence="borderline",
            summary="workers are made anew each epoch",
            edit=None,
            verify=None,
            speedup=None,
        ),
        make_finding("gc-pause"),
        make_finding("slow-startup"),
    )
    command = ("python", "train.py", "--data", "/data/image net", "--name", "[red]bold[/red]")
    return make_report(
        make_profile(training, hot_lines=hot, stacks=StackQuality("py-spy", 1234, "high", "")),
        findings=findings,
        loaders=(training, evaluation),
        devices=(make_device(),),
        run=make_run(command=command, name="baseline"),
    )


def compute_bound() -> Any:
    """The device is the limit: no advice about the loader."""
    loader = make_loader(
        wait_ms=interval(0.1),
        step_ms=interval(210.0),
        compute_ms=interval(209.9),
        wait_share=Interval(0.0005, 0.0004, 0.0006, 700),
        fetch=make_fetch(busy_share=0.2),
        queue=QueueProfile(0.998, 3.1, 0.0),
    )
    reason = LoaderSteps("training", 0.10, 0.1, 209.9)
    verdict = Verdict(
        "compute", "high", loader.wait_share, "cuda", Speedup(1.001, 1.0, 1.002, "throughput model"), reason
    )
    phases = {
        "startup": 3.0,
        "input wait": 0.1,
        "forward": 30.0,
        "backward": 60.0,
        "optimizer": 5.0,
        "unexplained": 1.9,
    }
    return make_report(
        make_profile(loader, devices=(make_device(busy=0.99, sm_active=0.86, throttle={"power cap": 0.12}),)),
        findings=(),
        hot_lines=(make_hot_line(),),
        verdict=verdict,
        phases=tuple(Phase(name, seconds, seconds / 100) for name, seconds in phases.items()),
    )


def unknown() -> Any:
    """Killed after a second; nothing was measured."""
    return make_report(
        run=make_run(exit_code=None, signal=9),
        seconds=1.2,
        findings=(),
        clear=(),
        loaders=(),
        primary=None,
        ranks=(),
        phases=(),
        hot_lines=(),
        verdict=Verdict("unknown", "low", None, "host", None, NoLoop("no loader")),
        problems=("spool/123-456.jsonl ends in the middle of an event (its process was killed)",),
        unentered=(
            Unentered(99, "python -I other.py", "started with -I, which ignores PYTHONPATH", "Start it without -I"),
        ),
    )


def ranks() -> Any:
    """Eight ranks on two nodes."""
    each = tuple(
        make_rank(rank=i, local_rank=i % 4, world_size=8, host=f"node{i // 4}", device=f"cuda:{i % 4}")
        for i in range(8)
    )
    loaders = tuple(make_loader(id=f"r{i}.l0", rank=i) for i in range(8))
    return make_report(ranks=each, loaders=loaders, devices=tuple(make_device(index=i) for i in range(12)))


REPORTS: dict[str, Callable[[], Any]] = {
    "input": input_bound,
    "compute": compute_bound,
    "unknown": unknown,
    "ranks": ranks,
}


def drawn(report: Any, width: int, ascii: bool = False) -> str:
    """Return a card as it is written to something that is not a terminal."""
    out = io.StringIO()
    terminal.show(card.render(report, width, color=False), out, terminal.Screen(width, False, ascii))
    return out.getvalue()


def _lines(report: Any) -> str:
    out = io.StringIO()
    terminal.show(lines.render(report, report.hot_lines, 100, stack=True), out, terminal.Screen(100, False, False))
    return out.getvalue()


def goldens() -> dict[str, str]:
    """Return every kept drawing: file name -> text."""
    cards = {f"card-{name}-{width}.txt": drawn(make(), width) for name, make in REPORTS.items() for width in (80, 120)}
    cards["card-input-200.txt"] = drawn(input_bound(), 200)
    cards["card-input-80-ascii.txt"] = drawn(input_bound(), 80, ascii=True)
    cards["input.md"] = markdown.render(input_bound())
    cards["lines.txt"] = _lines(input_bound())
    return cards
