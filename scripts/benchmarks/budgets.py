"""Each budget of the design with the measurement that holds it: rows of the table that scripts/bench prints."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scripts.benchmarks import runs, whole
from scripts.benchmarks.machine import ROOT


@dataclass(frozen=True)
class Row:
    """One measured figure beside its budget; `held` None: there is no budget, or it could not be measured."""

    what: str
    budget: str
    measured: str
    held: bool | None
    value: float | None = None


@dataclass(frozen=True)
class Part:
    """One measurement and about how long it takes (seconds), quick and full."""

    name: str
    measure: Callable[[bool], list[Row]]
    seconds: tuple[int, int]


def script(name: str, *arguments: str) -> Any:
    """Return what a single benchmark's --json printed."""
    words = [sys.executable, str(ROOT / "scripts" / name), *arguments, "--json"]
    done = subprocess.run(words, capture_output=True, text=True, cwd=ROOT, timeout=900, check=False)
    if done.returncode:
        raise RuntimeError(f"scripts/{name} ended with {done.returncode}: {done.stderr.strip()[-300:]}")
    return json.loads(done.stdout)


def most(what: str, limit: float, value: float, text: str, budget: str | None = None) -> Row:
    """Return a row that holds when the value is at most the limit."""
    return Row(what, budget or f"≤ {limit:g}", text, value <= limit, value)


def hook(quick: bool) -> list[Row]:
    """Return the hook's cost per step, and the ratio of padded steps."""
    plan = ["--pairs", "10", "--seconds", "0.2"] if quick else ["--pairs", "60"]
    bare, short, long = script("bench_hook", *plan, "--pads", "0", "1", "10")
    low, high = short["us_quartiles"]
    cost = f"{short['us_per_step']:.1f} µs ({low:.1f} … {high:.1f}), ratio {short['throughput_ratio']:.4f}"
    allowed, allowed_bare = (10 + 0.01 * found["bare_us_per_step"] for found in (short, bare))
    held = short["us_per_step"] <= allowed
    spent, budget = bare["cpu_us_per_step"], "≤ 10 µs + 1 %"
    return [
        Row("hook, steps + 1 ms: wall per step", f"{budget} = {allowed:.0f} µs", cost, held, short["us_per_step"]),
        most("hook, CPU per step", allowed_bare, spent, f"{spent:.1f} µs", f"{budget} = {allowed_bare:.0f} µs"),
        _ratio("hook, steps + 10 ms: throughput", long["throughput_ratio"], f"{long['throughput_ratio']:.4f}"),
    ]


def _ratio(what: str, ratio: float, text: str) -> Row:
    return Row(what, "≥ 0.99", text, ratio >= 0.99, ratio)


def throughput(quick: bool) -> list[Row]:
    """Return wrapped / bare of whole trainings: the loop time that the script itself reports, in turns."""
    pairs, seconds = (3, "5") if quick else (8, "20")
    with tempfile.TemporaryDirectory(prefix="gpuwatch-bench-") as temporary:
        folder = Path(temporary)
        photos = runs.make_photos(folder)
        bare = runs.Start([sys.executable])
        wrapped = runs.Start(
            [sys.executable, "-m", "gpuwatch", "run", "--quiet", "--dir", "{out}", "--", sys.executable]
        )
        speeds: list[float] = []

        def train(start: runs.Start) -> float | None:
            done = runs.run(start, photos, folder / "run", ["--seconds", seconds], 180)
            if start is bare and done.steps_per_s:
                speeds.append(done.steps_per_s)
            return done.steps_per_s

        ratios = runs.abba(lambda: train(bare), lambda: train(wrapped), pairs)
    ratio = runs.middle(ratios)
    if ratio is None:
        return [Row("training, wrapped / bare", "≥ 0.99", "no pair of trainings gave a result", None)]
    step = 1e3 / statistics.median(speeds)
    text = f"{ratio:.4f} ({runs.spread(ratios)}, {len(ratios)} pairs of {seconds} s)"
    return [_ratio(f"training of {step:.1f} ms steps, 2 busy workers: wrapped / bare", ratio, text)]


def worker(quick: bool) -> list[Row]:
    """Return what the hook costs a worker; the design names no limit."""
    found = script("bench_worker", "--windows", "8" if quick else "30")
    return [
        Row(f"worker, {name}", "–", f"{cost['added_us']:.1f} µs CPU", None, cost["added_us"])
        for name, cost in found.items()
    ]


def stacks(quick: bool) -> list[Row]:
    """Return what the bursts cost a run of two minutes that is starved all the time."""
    found = script("bench_stacks", "--pairs", "2" if quick else "8")
    text = f"{found['ratio_of_run']:.4f} ({found['bursts_of_run']} bursts, {found['ratio_in_bursts']:.3f} during them)"
    return [_ratio("stack profiling, throughput of a 2 min run", found["ratio_of_run"], text)]


def sampler(quick: bool) -> list[Row]:
    """Return the sampler's CPU, memory and bytes."""
    found = script("bench_sampler", "--seconds", "10" if quick else "60")
    of = f"{found['gpus']} GPUs (test double), {found['processes']} processes"
    return [
        most(f"sampler, CPU: {of}", 0.01, found["cpu_share"], f"{found['cpu_share']:.2%} of a core", "≤ 1 % of a core"),
        most("sampler, memory", 60, found["rss_mb"], f"{found['rss_mb']:.0f} MB", "≤ 60 MB RSS"),
        Row("sampler, event log per day", "below", f"{found['spool_mb_per_day']} MB", None, found["spool_mb_per_day"]),
    ]


def start_up(quick: bool) -> list[Row]:
    """Return what entering a Python costs, when the command runs, and --help."""
    turns = 10 if quick else 40
    wall, cpu = whole.python_added(turns)
    until = whole.until_command(max(5, turns // 3))
    help_s = whole.help_cpu(max(5, turns // 3))
    return [
        most("start-up, each Python without torch", 5, wall, f"{wall:+.1f} ms ({cpu:+.1f} ms CPU)", "≤ 5 ms"),
        most("start-up, until the command runs", 0.3, until, f"{until:.3f} s", "≤ 0.3 s"),
        most("gpuwatch --help, CPU", 100, help_s * 1e3, f"{help_s * 1e3:.0f} ms", "< 100 ms"),
    ]


def long_run(quick: bool) -> list[Row]:
    """Return size and reading time of a day on 8 GPUs with 64 workers, made by scripts/bench_read."""
    hours = 1 if quick else 24
    with tempfile.TemporaryDirectory(prefix="gpuwatch-bench-") as temporary:
        folder = Path(temporary) / "day"
        made = script("bench_read", "--hours", str(hours), "--keep", str(folder))
        wall, cpu, html = whole.report_html(folder)
        ready = whole.ready_seconds(html)
        size = html.stat().st_size / 1e6
    spool = made["spool_mb"] * 24 / hours
    told = f"{wall:.1f} s ({cpu:.1f} s CPU)"
    # The time does not grow evenly with the run, the bytes do: only a whole day is held against the budget.
    report = Row("  report with HTML of 1 h", "day: ≤ 10 s", told, None, wall) if quick else None
    rows = [
        most(
            "a day on 8 GPUs, 1 s steps: event log",
            500,
            spool,
            f"{spool:.0f} MB{', from 1 h' if quick else ''}",
            "≤ 500 MB",
        ),
        report or most("  report with HTML, whole command", 10, wall, told, "≤ 10 s"),
        most("  HTML", 2.5, size, f"{size:.2f} MB", "≤ 2.5 MB"),
    ]
    if ready is None:
        return [*rows, Row("  HTML, interactive", "≤ 1.5 s", "no Chromium here", None)]
    return [*rows, most("  HTML, interactive", 1.5, ready, f"{ready:.2f} s", "≤ 1.5 s")]


def dashboard(quick: bool) -> list[Row]:
    """Return the CPU of `gpuwatch top` on a running training, at a terminal of 120 × 40."""
    share = whole.dashboard_share(8 if quick else 15)
    return [most("live dashboard, CPU", 0.05, share, f"{share:.1%} of a core", "≤ 5 % of a core")]


PARTS = (
    Part("hook", hook, (15, 60)),
    Part("throughput", throughput, (75, 420)),
    Part("worker", worker, (10, 20)),
    Part("stacks", stacks, (50, 130)),
    Part("sampler", sampler, (20, 70)),
    Part("start-up", start_up, (15, 40)),
    Part("long run", long_run, (15, 120)),
    Part("dashboard", dashboard, (25, 30)),
)
