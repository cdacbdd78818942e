"""Reports at the edges of what the page must bear: a day of 8 GPUs and 64 workers, three steps, hostile names."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from gpuwatch.diagnosis.examples.parts import (
    SECOND,
    make_device,
    make_hot_line,
    make_loader,
    make_operation,
    make_profile,
    make_rank,
    make_run,
)
from gpuwatch.model.experiment import Ceiling, Experiment, Trial
from gpuwatch.model.findings import Evidence, NotEvaluated
from gpuwatch.model.hot_lines import Callee, StackQuality
from gpuwatch.model.measures import Interval, Place
from gpuwatch.model.profile import LongSteps, Unentered
from gpuwatch.model.recording import Gap
from gpuwatch.model.report import Report
from gpuwatch.model.timeline import Lane, Timeline
from gpuwatch.words.lanes import (
    CPU_BUSY,
    CPU_PRESSURE,
    EPOCHS,
    EVALUATION,
    GPU_BUSY,
    GPU_MEMORY,
    INPUT_WAIT,
    MEMORY_USED,
    POWER,
    SM_ACTIVE,
    STEP,
    WORKER,
    LaneKind,
)
from tests.builders import make_finding, make_report

DAY = 86_400.0
HOSTILE = "<script>alert(1)</script>\"'&</style></script><!-- \u202e\x1b[31m ${x} $body"


def day_long(steps_per_rank: int = 125_000, seconds: float = DAY) -> Report:
    """Return a day of 8 ranks, 8 GPUs and 64 workers; 10⁶ steps, a slow GPU, a starved stretch, pauses."""
    random = np.random.default_rng(7)
    lanes: list[Lane] = []
    for index in range(8):
        lanes += _gpu(random, index, seconds) + _rank(random, index, seconds, steps_per_rank)
    lanes += _machine(random, seconds)
    lanes += [Lane(EPOCHS, spans=tuple((seconds * e / 10, seconds * e / 10, f"epoch {e}") for e in range(10)), rank=0)]
    lanes += [
        Lane(
            EVALUATION,
            spans=tuple((seconds * (e + 0.95) / 10, seconds * (e + 0.99) / 10, "evaluation") for e in range(10)),
            rank=0,
        )
    ]
    ranks = tuple(
        make_rank(
            rank=n,
            local_rank=n,
            world_size=8,
            device=f"cuda:{n}",
            seconds=seconds,
            steps=steps_per_rank,
            wait_share=Interval(0.3 + 0.02 * n, 0.28 + 0.02 * n, 0.32 + 0.02 * n, 900),
        )
        for n in range(8)
    )
    pauses = LongSteps(
        40,
        900.0,
        0.01,
        250.0,
        3000.0,
        True,
        Place("/home/me/project/train.py", 88, "save"),
        "checkpoint",
        tuple(
            (int((1000 + seconds * n / 40) * SECOND), int((1000 + seconds * n / 40 + 60) * SECOND)) for n in range(40)
        ),
    )
    loaders = tuple(make_loader(id=f"r{n}.l0", rank=n, workers=8, operations=_operations()) for n in range(8))
    profile = make_profile(
        loaders[0],
        run=make_run(
            command=("torchrun", "--nproc-per-node=8", "train.py", "--data", "/data/imagenet"),
            ended_ns=int((1000 + seconds) * SECOND),
        ),
        seconds=seconds,
        ranks=(replace(ranks[0], long_steps=pauses), *ranks[1:]),
        loaders=loaders,
        devices=tuple(
            make_device(index=n, busy=0.41 + 0.03 * n, throttle={"power cap": 0.12} if n == 3 else {}) for n in range(8)
        ),
        hot_lines=_hot_lines(),
        stacks=StackQuality("py-spy", 18_400, "high", ""),
    )
    return make_report(
        profile,
        timeline=Timeline(seconds, tuple(lanes)),
        findings=_findings(),
        trials=_trials(),
        experiments=_experiments(),
    )


def _gpu(random: np.random.Generator, index: int, seconds: float) -> list[Lane]:
    t = np.arange(0, seconds, 1.0)
    busy = np.clip(
        np.where(random.random(len(t)) < 0.4, random.normal(95, 3, len(t)), random.normal(35 + 3 * index, 12, len(t))),
        0,
        100,
    )
    times = tuple(t.tolist())
    rows = [
        (GPU_BUSY, busy),
        (SM_ACTIVE, busy * 0.5),
        (GPU_MEMORY, 30 + np.sin(t / 900)),
        (POWER, 200 + 4 * busy),
    ]
    return [Lane(of, times, tuple(values.tolist()), device=index) for of, values in rows]


def _rank(random: np.random.Generator, index: int, seconds: float, steps: int) -> list[Lane]:
    t = np.linspace(60, seconds, steps)
    wait = np.maximum(0, random.normal(40 + 6 * index, 25, steps)) * np.where(
        (t > seconds * 0.3) & (t < seconds * 0.5), 2.5, 0.6
    )
    step = 120 + wait + random.gamma(2, 4, steps)
    step[:: max(1, steps // 40)] += 9_000
    times = tuple(t.tolist())
    lanes = [Lane(of, times, tuple(values.tolist()), rank=index) for of, values in ((INPUT_WAIT, wait), (STEP, step))]
    return lanes + [
        Lane(WORKER, spans=_worker(random, seconds, 0.95 - 0.07 * w), rank=index, worker=w) for w in range(8)
    ]


def _worker(
    random: np.random.Generator, seconds: float, busy: float, fetches: int = 3000
) -> tuple[tuple[float, float, str], ...]:
    starts = np.linspace(60, seconds, fetches, endpoint=False)
    period = (seconds - 60) / fetches
    ends = starts + period * np.clip(random.normal(busy, 0.1, fetches), 0.02, 1)
    spans = [(a, b, "fetching") for a, b in zip(starts.tolist(), ends.tolist(), strict=True)]
    return tuple(
        sorted(spans + [(b, a + period, "waiting") for a, b in zip(starts.tolist(), ends.tolist(), strict=True)])
    )


def _machine(random: np.random.Generator, seconds: float) -> list[Lane]:
    t = np.arange(0, seconds, 1.0)
    times = tuple(t.tolist())
    rows = [
        (CPU_BUSY, np.clip(random.normal(82, 6, len(t)), 0, 100)),
        (CPU_PRESSURE, np.clip(random.normal(8, 5, len(t)), 0, 100)),
        (MEMORY_USED, 200 + t / 900),
    ]
    return [Lane(of, times, tuple(values.tolist())) for of, values in rows]


def _operations() -> tuple[object, ...]:
    return (
        make_operation("decode", kind="decode", share=0.41, ms_per_sample=6.1),
        make_operation("RandomResizedCrop", share=0.22),
        make_operation("ColorJitter", share=0.2),
        make_operation("collate", kind="collate", share=0.06),
    )


def _hot_lines() -> tuple[object, ...]:
    return (
        make_hot_line(
            stack=(
                Place("data.py", 48, "__getitem__"),
                Place("PIL/Image.py", 995, "convert"),
                Place("PIL/ImageFile.py", 300, "load"),
            )
        ),
        make_hot_line(
            line=61,
            share=0.22,
            source="image = self.transform(image)",
            callee=Callee("torchvision", "RandomResizedCrop"),
            speedup_if_free=1.2,
        ),
        make_hot_line(
            file="/home/me/project/train.py",
            line=88,
            function="main",
            process_role="trainer",
            share=0.11,
            source="loss_history.append(loss.item())",
            callee=None,
            speedup_if_free=1.04,
        ),
    )


def _findings() -> tuple[object, ...]:
    return (
        make_finding(
            "expensive-decode",
            summary="Decoding JPEGs takes 41 % of the loader's work",
            where=Place("/home/me/project/data.py", 48, "__getitem__"),
            advice='Decode at the size that you use: call image.draft("RGB", (256, 256)) before convert.',
            edit='image = Image.open(path)\n+ image.draft("RGB", (256, 256))\n  image = image.convert("RGB")',
            evidence=(
                Evidence("share of the fetch", 0.41, "share", 0.3, 2000),
                Evidence("decoded", 3_000_000, "pixels"),
                Evidence("used", 50_176, "pixels"),
            ),
        ),
        make_finding(
            "cpu-saturated",
            severity="warning",
            confidence="medium",
            summary="The workers use 15.2 of 16 cores: more workers cannot help",
            evidence=(Evidence("cores in use", 15.2, "cores", 14.4), Evidence("CPU pressure", 0.08, "share")),
            advice="Make each batch cheaper before adding workers.",
            edit=None,
            verify=None,
            speedup=None,
        ),
        make_finding(
            "periodic-pause",
            severity="warning",
            summary="Every 3,000 steps one step takes 9 s longer",
            where=Place("/home/me/project/train.py", 88, "save"),
            evidence=(Evidence("long steps", 40, "steps"), Evidence("time lost", 900.0, "s")),
            advice="Write checkpoints less often, or from a copy in another thread.",
            edit=None,
            verify=None,
        ),
    )


def _experiments() -> tuple[Experiment, ...]:
    def of(rate: float) -> Interval:
        return Interval(rate, 0.97 * rate, 1.03 * rate, 4)

    ceilings = tuple(
        Ceiling(cores, of(min(6.4, 0.9 * cores)), of(6.4), of(cores), "loader" if cores < 6 else "device")
        for cores in (1, 2, 4, 8)
    )
    return (Experiment("20261120-101500-try", ("python", "train.py"), 1, 170.0, (), ceilings, balance_cores=6.4),)


def _trials() -> tuple[Trial, ...]:
    def of(median: float) -> Interval:
        return Interval(median, median * 0.97, median * 1.03, 12)

    return (
        Trial(
            "scaled-decode",
            "decode at the used size",
            "expensive-decode",
            of(170.0),
            of(124.0),
            "ms",
            Interval(1.37, 1.3, 1.44, 12),
            "helps",
            "differ: mean 0.4, max 6 of 255",
            'image.draft("RGB", (256, 256))',
            1.42,
        ),
        Trial(
            "more-workers",
            "12 workers instead of 8",
            "cpu-saturated",
            of(170.0),
            of(171.0),
            "ms",
            Interval(0.99, 0.96, 1.03, 12),
            "no difference",
            "the same",
            None,
            1.0,
        ),
    )


def three_steps() -> Report:
    """Return a run that was killed after three steps, without a GPU."""
    t = (3.1, 3.3, 3.5)
    lanes = (
        Lane(INPUT_WAIT, t, (100.0, 60.0, 62.0), rank=0),
        Lane(STEP, t, (180.0, 160.0, 161.0), rank=0),
    )
    profile = make_profile(
        make_loader(steps=3, batches=3),
        run=make_run(exit_code=None, signal=9, state="lost"),
        seconds=3.6,
        problems=("spool/100-1.jsonl: torn at its end",),
        gaps=(Gap(1000 * SECOND, 1001 * SECOND, "sampler", "killed"),),
    )
    return make_report(profile, timeline=Timeline(3.6, lanes))


def nothing() -> Report:
    """Return a run in which no training was seen at all."""
    unentered = (Unentered(4, "python -I train.py", "started with -I", "Start it without -I."),)
    profile = make_profile(
        ranks=(), loaders=(), primary=None, costs=None, unentered=unentered, seen_pythons=0, torch_seen=False
    )
    return make_report(profile, timeline=None)


def hostile() -> Report:
    """Return a report in which every name tries to be markup."""
    place = Place(f"/home/me/{HOSTILE}.py", 3, HOSTILE)
    finding = make_finding(
        summary=HOSTILE,
        advice=HOSTILE,
        edit=HOSTILE,
        verify=HOSTILE,
        where=place,
        evidence=(Evidence(HOSTILE, HOSTILE, HOSTILE, None, None, HOSTILE),),
    )
    t = (1.0, 2.0, 3.0)
    lanes = (
        Lane(LaneKind("hostile", HOSTILE, unit=HOSTILE), t, (1.0, None, float("nan")), note=HOSTILE),
        Lane(LaneKind("hostile_spans", HOSTILE, "spans"), spans=((0.0, 2.0, HOSTILE),)),
        Lane(EPOCHS, spans=((1.0, 1.0, HOSTILE),), rank=0),
    )
    profile = make_profile(
        make_loader(dataset=HOSTILE, operations=(make_operation(HOSTILE, where=place),)),
        run=make_run(command=("python", HOSTILE), cwd=HOSTILE, host=HOSTILE, name=HOSTILE),
        devices=(make_device(name=HOSTILE, throttle={HOSTILE: 0.5}),),
        problems=(HOSTILE,),
        unentered=(Unentered(4, HOSTILE, HOSTILE, HOSTILE),),
        hot_lines=(
            make_hot_line(
                file=HOSTILE,
                function=HOSTILE,
                source=HOSTILE,
                callee=Callee(HOSTILE, HOSTILE),
                stack=(Place(HOSTILE, 1, HOSTILE),),
            ),
        ),
    )
    return make_report(
        profile,
        findings=(finding,),
        not_evaluated=(NotEvaluated(HOSTILE, HOSTILE),),
        timeline=Timeline(4.0, lanes),
    )
