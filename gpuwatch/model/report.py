"""Everything that a view may show."""

from __future__ import annotations

from dataclasses import field

from gpuwatch.model.experiment import Experiment, PredictionScore, Trial
from gpuwatch.model.findings import Finding, NotEvaluated, Verdict
from gpuwatch.model.gpu_time import GpuTime
from gpuwatch.model.hot_lines import HotLine, StackQuality
from gpuwatch.model.job import Job
from gpuwatch.model.loader_profile import LoaderProfile
from gpuwatch.model.machine_profile import DeviceProfile, MachineProfile
from gpuwatch.model.measures import INTERNAL, Phase
from gpuwatch.model.profile import Costs, Overhead, RankProfile, Unentered
from gpuwatch.model.reasons import TracedTime
from gpuwatch.model.recording import Gap, RunInfo
from gpuwatch.model.timeline import Timeline
from gpuwatch.model.traced_windows import TracedWindows
from gpuwatch.records import dataclass


@dataclass(frozen=True, slots=True)
class Training:
    """One of several trainings of a run. `number`: in the order of their starts, from 1; `start_s` since the run's start;
    `pid` of its lowest rank; `findings`: their ids; `shown`: whether the rest of the report is about this one."""

    number: int
    pid: int
    command: str
    start_s: float
    seconds: float
    ranks: int
    steps: int
    verdict: Verdict
    phases: tuple[Phase, ...]
    findings: tuple[str, ...]
    shown: bool = False


@dataclass(frozen=True, slots=True)
class Report:
    """Everything a view may show. `to_dict` in `views.json` renders it as the public contract.

    Of a run with several trainings it is about one, the longest; `trainings` lists them all, and is empty otherwise.
    `clear_of_step`: the rules among `clear` that look for what bounds a step other than its input."""

    run: RunInfo
    seconds: float
    hosts: tuple[str, ...]
    ranks: tuple[RankProfile, ...]
    verdict: Verdict
    phases: tuple[Phase, ...]
    loaders: tuple[LoaderProfile, ...]
    primary: str | None
    hot_lines: tuple[HotLine, ...]
    stacks: StackQuality
    findings: tuple[Finding, ...]
    suppressed: tuple[Finding, ...]
    not_evaluated: tuple[NotEvaluated, ...]
    clear: tuple[str, ...]
    devices: tuple[DeviceProfile, ...]
    machine: MachineProfile
    costs: Costs | None
    overhead: Overhead
    gaps: tuple[Gap, ...]
    problems: tuple[str, ...]
    unentered: tuple[Unentered, ...]
    timeline: Timeline | None = None
    trials: tuple[Trial, ...] = ()
    experiments: tuple[Experiment, ...] = ()
    prediction_score: PredictionScore | None = None
    trainings: tuple[Training, ...] = ()
    clear_of_step: tuple[str, ...] = field(default=(), metadata=INTERNAL)
    gpu_time: tuple[GpuTime, ...] = ()
    traced: TracedWindows | None = None
    # Of a training on several nodes, which they are; None of one that a single node recorded.
    job: Job | None = None

    @property
    def judged_gpu(self) -> GpuTime | None:
        """The traced device that the verdict is about."""
        reason = self.verdict.reason
        if not isinstance(reason, TracedTime):
            return None
        key = (reason.rank, reason.device)
        return next((time for time in self.gpu_time if (time.rank, time.device) == key), None)

    @property
    def primary_loader(self) -> LoaderProfile | None:
        """The loader that the verdict is about."""
        return next((loader for loader in self.loaders if loader.id == self.primary), None)
