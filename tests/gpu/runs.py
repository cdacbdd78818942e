"""The same training bare and wrapped, bound by the device and by its loader, interleaved; and what wrapping costs a step."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.gpu.outcome import Outcome, judge, skipped

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = Path(__file__).with_name("training.py")
# What is measured by two clocks on both sides of one call; a share of the step.
CLOCKS_DIFFER = 0.02
PROFILER_DIFFERS = 0.05
# A training that hangs may cost no more than this; what comes after the trainings gets the time that it needs.
_PATIENCE_S = 120.0
_RESERVED_S = {"cuda": 120.0, "cpu": 60.0}
# The profiler writes thousands of events a step, which have to be read again.
_PROFILED_S = 3.0
_BOUNDS = ("device", "loader")
_CUDA_EVENTS, _TORCH_EVENTS = "CUDA events", "torch.Event"


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is run: seconds per training, bare and wrapped ones per bound, on which device, until when (monotonic)."""

    device: str
    seconds: float
    rounds: int
    folder: Path
    tell: Callable[[str], None]
    until: float = float("inf")

    def left_s(self) -> float:
        """Return the time that is left for the trainings: what follows them has its own."""
        return self.until - time.monotonic() - _RESERVED_S[self.device]


@dataclass(frozen=True, slots=True)
class Trained:
    """One training: its own truth, and the run folder if it was wrapped."""

    truth: dict[str, Any]
    run: Path | None = None

    @property
    def step_ms(self) -> float:
        """Its mean step."""
        return 1e3 * float(self.truth["seconds"]) / len(self.truth["step_ms"])

    @property
    def wait_share(self) -> float:
        """Share of its time spent awaiting batches."""
        return sum(self.truth["wait_ms"]) / 1e3 / float(self.truth["seconds"])


def check_trainings(plan: Plan) -> list[Outcome]:
    """Train bare and wrapped in turn, each bound; judge verdict, input wait and throughput.

    What fails or no longer fits into the time is an outcome, and the rest goes on."""
    pairs: dict[str, list[tuple[Trained, Trained]]] = {bound: [] for bound in _BOUNDS}
    ended: dict[str, Outcome] = {}
    for number in range(plan.rounds):
        for bound in _BOUNDS:
            if bound in ended:
                continue
            begun = time.monotonic()
            try:
                pairs[bound].append(_pair(plan, bound, number))
            except Exception as error:
                what = f"{type(error).__name__}: {error}"
                ended[bound] = judge(f"{bound}-bound training", f"round {number + 1}", False, what, "an end")
            took = time.monotonic() - begun
            if bound not in ended and number + 1 < plan.rounds and plan.left_s() < len(_BOUNDS) * took:
                why = f"{number + 1} of {plan.rounds} were run: no time is left for more"
                ended[bound] = skipped(f"{bound}-bound training", "more rounds", why)
    found: list[Outcome] = []
    for bound in _BOUNDS:
        if pairs[bound]:
            found += judge_trainings(bound, *(list(arm) for arm in zip(*pairs[bound], strict=True)))
        found += [ended[bound]] if bound in ended else []
    return found


def _pair(plan: Plan, bound: str, number: int) -> tuple[Trained, Trained]:
    """Return a bare and a wrapped training, in turns the one or the other first."""
    trained = {}
    for arm in ("bare", "wrapped") if number % 2 == 0 else ("wrapped", "bare"):
        plan.tell(f"{bound}-bound training, {arm}, {number + 1} of {plan.rounds}")
        trained[arm] = train(plan, bound, arm == "wrapped")
    return trained["bare"], trained["wrapped"]


def train(
    plan: Plan, bound: str, wrap: bool, profile: bool = False, gpu_trace: bool = False, torch_events: bool = False
) -> Trained:
    """Run the training once; raise RuntimeError with its last line when it fails."""
    number = len(list(plan.folder.glob("result-*.json")))
    result = plan.folder / f"result-{number:02}.json"
    command = [
        sys.executable, str(PROGRAM), "--bound", bound, "--device", plan.device,
        "--seconds", f"{min(plan.seconds, _PROFILED_S) if profile else plan.seconds:g}",
        "--data", str(plan.folder), "--result", str(result), *(["--profile"] if profile else []),
    ]  # fmt: skip
    log = plan.folder / f"log-{number:02}.txt"
    run = _wrapped(command, plan, log, gpu_trace, torch_events) if wrap else _bare(command, log)
    if not result.exists():
        last = (log.read_text(errors="replace").strip().splitlines() or ["it wrote nothing"])[-1]
        raise RuntimeError(f"the {bound}-bound training failed: {last}")
    return Trained(json.loads(result.read_text()), run)


def _bare(command: list[str], log: Path, environment: dict[str, str] | None = None) -> None:
    with log.open("w") as file:
        subprocess.run(command, stdout=file, stderr=file, env=environment, timeout=_PATIENCE_S, check=False)


def _wrapped(command: list[str], plan: Plan, log: Path, gpu_trace: bool, torch_events: bool) -> Path:
    """Record the command as `gpuwatch run` does; where a dependency of that is missing, put only the hook in."""
    try:
        from gpuwatch.record import Options, record
        from gpuwatch.supervise import Stdio
    except ImportError:
        return _hooked(command, plan.folder, log)
    if shutil.which("timeout"):
        # The recording waits for its command as long as that runs: a hanging one would take the whole check with it.
        command = ["timeout", "--foreground", f"{_PATIENCE_S:g}", *command]
    with log.open("w") as file:
        stdio = Stdio(stdout=file.fileno(), stderr=file.fileno())
        asked = {"GPUWATCH_GPU_TRACE": "auto", "KINETO_LOG_LEVEL": "99"} if gpu_trace else {}
        asked |= {"GPUWATCH_TORCH_EVENTS": "on"} if torch_events else {}
        options = Options(
            plan.folder / "runs", rate=5.0, stacks=False, stdio=stdio, tell=plan.tell, environment=asked,
            gpu_trace=asked.get("GPUWATCH_GPU_TRACE"),
        )  # fmt: skip
        path = record(command, options).path
    if path is None:
        raise RuntimeError("the run was not recorded")
    return path


def _hooked(command: list[str], folder: Path, log: Path) -> Path:
    from gpuwatch.hook.entry import inject

    run = folder / "hooked" / log.stem
    inject.install_boot(str(run))
    _bare(command, log, inject.child_environment(dict(os.environ), str(run)))
    return run


def judge_trainings(bound: str, bare: list[Trained], wrapped: list[Trained]) -> list[Outcome]:
    """Return what the wrapped runs say against what the trainings themselves say."""
    part = f"{bound}-bound training"
    ratios = [one.step_ms / two.step_ms for one, two in zip(bare, wrapped, strict=True)]
    ratio = statistics.median(ratios)
    steps = [round(one.step_ms, 3) for one in bare], [round(one.step_ms, 3) for one in wrapped]
    return [
        judge(part, "throughput wrapped / bare", ratio >= 0.99, f"{ratio:.4f}", "at least 0.99",
              ratios=ratios, bare_step_ms=steps[0], wrapped_step_ms=steps[1]),
        _judge_wait(part, wrapped),
        _judge_verdict(part, bound, wrapped),
    ]  # fmt: skip


def _judge_wait(part: str, wrapped: list[Trained]) -> Outcome:
    """Compare the waits that the hook wrote with the training's own, step by step."""
    missed = []
    for one in wrapped:
        told = {row["index"]: (row["t1"] - row["t0"]) / 1e6 for row in events(one.run, "batch") if row["end"] == 0}
        mine = zip(range(one.truth["first"], 1 << 30), one.truth["wait_ms"], strict=False)
        missed += [(wait - told[index]) / one.step_ms for index, wait in mine if index in told]
    if not missed:
        return judge(part, "input wait by the host's clock", False, "no step was told", "every step")
    worst = statistics.quantiles([abs(share) for share in missed], n=20)[-1] if len(missed) > 1 else abs(missed[0])
    share = statistics.median(one.wait_share for one in wrapped)
    seen = f"{share:.1%} of the time; off by {worst:.2%} of the step at most (95th percentile of {len(missed)} steps)"
    return judge(part, "input wait by the host's clock", worst <= CLOCKS_DIFFER, seen, f"within {CLOCKS_DIFFER:.0%}",
                 wait_share=share, off_share_p95=worst, steps=len(missed))  # fmt: skip


def _judge_verdict(part: str, bound: str, wrapped: list[Trained]) -> Outcome:
    try:
        import gpuwatch

        reports = [gpuwatch.to_dict(gpuwatch.load(str(one.run))) for one in wrapped]
    except ImportError as error:
        return skipped(part, "verdict", f"needs the package {error.name}")
    except gpuwatch.GpuwatchError as error:
        return judge(part, "verdict", False, str(error), "a report")
    verdicts = [report["verdict"] for report in reports]
    seen = ", ".join(str(verdict["bound"]) for verdict in verdicts)
    wanted = {"device": "compute", "loader": "input"}[bound]
    findings = sorted({finding["id"] for report in reports for finding in report["findings"]})
    return judge(part, "verdict", all(verdict["bound"] == wanted for verdict in verdicts), seen, wanted,
                 verdicts=verdicts, findings=findings, overhead=reports[-1]["overhead"])  # fmt: skip


def check_gpu_wait(plan: Plan) -> list[Outcome]:
    """Compare the wait by torch.cuda's and by torch's events with the GPU's idle time by torch.profiler, in the same steps of
    one run."""
    found = []
    for bound, by in itertools.product(_BOUNDS, (_CUDA_EVENTS, _TORCH_EVENTS)):
        plan.tell(f"{bound}-bound training under torch.profiler, {by}")
        try:
            trained = train(plan, bound, wrap=True, profile=True, torch_events=by == _TORCH_EVENTS)
            found.append(judge_gpu_wait(bound, trained, by))
        except Exception as error:
            what = f"{type(error).__name__}: {error}"
            found.append(judge("GPU wait", f"{bound}-bound: {by} against the profiler", False, what, "an end"))
    return found


def judge_gpu_wait(bound: str, trained: Trained, by: str = _CUDA_EVENTS) -> Outcome:
    """Judge one profiled run; the trace's n-th wait is that of the n-th step after the warm-up."""
    name, first = f"{bound}-bound: {by} against the profiler", int(trained.truth["first"])
    told = {row["index"]: row["wait_ms"] for row in events(trained.run, "gpu_wait") if row["wait_ms"] is not None}
    idle = {first + number: wait for number, wait in enumerate(trained.truth["idle_ms"])}
    both = sorted(told.keys() & idle.keys())
    if not both:
        return judge(
            "GPU wait", name, False, f"{len(told)} waits told, {len(idle)} in the trace, none in common", "all"
        )
    step_ms = trained.step_ms
    events_ms, truth_ms = (statistics.fmean(waits[index] for index in both) for waits in (told, idle))
    off = abs(events_ms - truth_ms) / step_ms
    each = statistics.median(abs(told[index] - idle[index]) for index in both)
    seen = f"{events_ms:.3f} ms against {truth_ms:.3f} ms of a {step_ms:.1f} ms step; off by {off:.2%} of it ({len(both)} steps)"
    return judge("GPU wait", name, off <= PROFILER_DIFFERS, seen, f"within {PROFILER_DIFFERS:.0%} of the step",
                 events_ms=events_ms, profiler_ms=truth_ms, step_ms=step_ms, median_off_ms=each, steps=len(both))  # fmt: skip


def check_step_cost(plan: Plan, pairs: int) -> list[Outcome]:
    """Measure the hook's cost per step in one process, windows with and without it in turn."""
    plan.tell("step cost at steps of 1 and 10 ms")
    command = [sys.executable, str(ROOT / "scripts" / "bench_hook"), "--json", "--device", plan.device,
               "--pads", "1", "10", "--pairs", str(pairs)]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=_PATIENCE_S, check=False)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no word"])[-1]
        return [judge("step cost", "bench_hook", False, f"it failed: {last}", "a result")]
    return [_judge_cost(result) for result in json.loads(done.stdout.splitlines()[-1])]


def _judge_cost(result: dict[str, Any]) -> Outcome:
    added, cost, (low, high) = result["added_ms"], result["us_per_step"], result["us_quartiles"]
    seen = f"{cost:.1f} us (quartiles {low:.1f} .. {high:.1f}), throughput ratio {result['throughput_ratio']:.4f}"
    good = cost <= 10 + 10 * added and result["throughput_ratio"] >= 0.99
    expected = "at most 10 us and 1 % of the step"
    return judge("step cost", f"step + {added:g} ms", good, seen, expected, **result)


def events(run: Path | None, kind: str) -> list[dict[str, Any]]:
    """Return all events of a kind that a run's processes wrote."""
    found: list[dict[str, Any]] = []
    for path in sorted((run / "spool").glob("*.jsonl")) if run else []:
        header, *lines = path.read_text().split("\n")[:-1]
        columns = json.loads(header)["columns"].get(kind, [])
        rows = (json.loads(line) for line in lines if line.startswith(f'["{kind}",'))
        found += [dict(zip(columns, row[1:], strict=False)) for row in rows]
    return found
