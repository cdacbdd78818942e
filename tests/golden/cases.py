"""The reports and screens whose drawings are kept as text in this folder; `scripts/goldens` writes them anew."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

from gpuwatch.analyze.costs import measure_costs
from gpuwatch.diagnosis.examples.parts import (
    interval,
    make_device,
    make_fetch,
    make_hot_line,
    make_loader,
    make_machine,
    make_operation,
    make_profile,
    make_rank,
    make_run,
)
from gpuwatch.diagnosis.examples.runs import contended
from gpuwatch.model.hot_lines import Callee, StackQuality
from gpuwatch.model.loader_profile import QueueProfile
from gpuwatch.model.measures import Interval, Phase
from gpuwatch.model.profile import RankProfile, Unentered
from gpuwatch.model.report import Report
from gpuwatch.views import card, lines, markdown, terminal
from tests.builders import make_report

FOLDER = Path(__file__).parent
SOURCE = 'return np.stack([self._filters[i].apply(image.astype(np.float32), mode="reflect") for i in range(9)])'
PACKAGE = "/home/me/.venv/lib/python3.11/site-packages/torchvision/transforms/functional.py"


def _rank(**seconds: float) -> RankProfile:
    """Return a rank whose wall time is these phases."""
    named = {name.replace("_", " ").replace("in step", "in-step"): value for name, value in seconds.items()}
    whole = sum(named.values())
    return make_rank(seconds=whole, phases=tuple(Phase(name, value, value / whole) for name, value in named.items()))


def input_bound() -> Report:
    """Several loaders, causes, hot lines and a GPU in trouble on two busy cores; long paths, markup in the names."""
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
    photo, thumbnail = 12_000_000.0, 50_176.0
    operations = (
        make_operation("PIL.JpegImageFile.load", kind="decode", share=0.6, position=0, pixels_out=photo),
        make_operation("Resize", share=0.22, pixels_in=photo, pixels_out=thumbnail),
        make_operation("ToTensor", share=0.1, position=2, pixels_in=thumbnail, pixels_out=thumbnail),
    )
    each = {
        "iterators": 5,
        "epoch_batches": 200.0,
        "first_batch_s": (1.0,) * 5,
        "startup_s": (0.7,) * 5,
        "worker_starts": 5,
    }
    training = make_loader(operations=operations, **each)
    evaluation = make_loader(
        id="r0.l1",
        role="evaluation",
        dataset="PhotosForValidationWithQuiteALongName",
        workers=0,
        queue=None,
        batches=20,
        seconds=0.6,
        wait_seconds=0.2,
    )
    machine = make_machine(cores=2, affinity_cores=2, usable_cores=2.0, busy_cores=2.0, run_cores=1.9, spare_cores=0.0)
    device = make_device(
        other_pids=(999,), foreign_memory_bytes=9 << 30, memory_peak_bytes=79 << 30, throttle={"hw thermal": 0.6}
    )
    rank = _rank(
        startup=3.0, loader_startup=5.0, input_wait=5.0, forward=3.0, backward=5.0, optimizer=2.0,
        evaluation=0.6, other_in_step=0.5, between_loops=0.3, shutdown=0.4, unexplained=0.2,
    )  # fmt: skip
    command = (
        "python",
        "train.py",
        "--data",
        "/data/image net",
        "--name",
        "[red]bold[/red]",
        "--epochs",
        "5",
        "--lr=0.1",
    )
    return make_report(
        make_profile(
            training,
            seconds=25.0,
            ranks=(rank,),
            loaders=(training, evaluation),
            hot_lines=hot,
            stacks=StackQuality("py-spy", 1234, "high", ""),
            machine=machine,
            devices=(device,),
            costs=measure_costs(training, machine, 0.0),
            run=make_run(command=command, name="baseline"),
        )
    )


def borderline() -> Report:
    """A tenth of the loop is waited: another run may say otherwise."""
    loader = make_loader(
        workers=1,
        step_ms=interval(11.0),
        wait_ms=interval(1.1),
        compute_ms=interval(9.9),
        seconds=10.9,
        wait_seconds=1.09,
        wait_share=Interval(0.1, 0.095, 0.105, 990),
        fetch=make_fetch(wall_ms=interval(11.0), mean_wall_ms=11.0, cpu_ms=10.9, process_cpu_ms=10.9),
        operations=(),
    )
    return make_report(make_profile(loader, costs=measure_costs(loader, make_machine(), 0.0)))


def compute_bound() -> Report:
    """The device is the limit: no advice about the loader."""
    loader = make_loader(
        wait_ms=interval(0.1),
        step_ms=interval(210.0),
        compute_ms=interval(209.9),
        gpu_wait_ms=interval(0.1),
        wait_share=Interval(0.0005, 0.0004, 0.0006, 700),
        wait_clock="cuda",
        seconds=147.0,
        wait_seconds=0.07,
        steps=700,
        fetch=make_fetch(busy_share=0.2),
        queue=QueueProfile(0.998, 3.1, 0.0),
    )
    rank = _rank(startup=3.0, input_wait=0.1, forward=30.0, backward=60.0, optimizer=5.0, unexplained=1.9)
    return make_report(
        make_profile(
            loader,
            ranks=(rank,),
            hot_lines=(make_hot_line(),),
            devices=(make_device(busy=0.99, sm_active=0.86, throttle={"power cap": 0.12}),),
            costs=measure_costs(loader, make_machine(), 0.0),
        )
    )


def unknown() -> Report:
    """Killed after a second; nothing was measured."""
    return make_report(
        make_profile(
            run=make_run(exit_code=None, signal=9),
            seconds=1.2,
            ranks=(),
            loaders=(),
            primary=None,
            costs=None,
            problems=("spool/123-456.jsonl ends in the middle of an event (its process was killed)",),
            unentered=(
                Unentered(99, "python -I other.py", "started with -I, which ignores PYTHONPATH", "Start it without -I"),
            ),
        )
    )


def ranks() -> Report:
    """Eight ranks on two nodes."""
    each = tuple(
        make_rank(rank=i, local_rank=i % 4, world_size=8, host=f"node{i // 4}", device=f"cuda:{i % 4}")
        for i in range(8)
    )
    loaders = tuple(make_loader(id=f"r{i}.l0", rank=i) for i in range(8))
    devices = tuple(make_device(index=i) for i in range(12))
    hot = (make_hot_line(),)
    return make_report(make_profile(loaders[0], ranks=each, loaders=loaders, devices=devices, hot_lines=hot))


def cpu_bound() -> Report:
    """A training on the CPU whose workers use the cores that it needs."""
    return make_report(contended())


REPORTS: dict[str, Callable[[], Report]] = {
    "input": input_bound,
    "borderline": borderline,
    "compute": compute_bound,
    "cpu": cpu_bound,
    "unknown": unknown,
    "ranks": ranks,
}


def drawn(report: Report, width: int, ascii: bool = False) -> str:
    """Return a card as it is written to something that is not a terminal."""
    out = io.StringIO()
    terminal.show(card.render(report, width, color=False), out, terminal.Screen(width, False, ascii))
    return out.getvalue()


def _lines(report: Report) -> str:
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
