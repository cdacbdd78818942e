"""What rules share: is the run starved, is a value above a threshold for certain, who spends the fetch.

A share is "above" only when its whole interval is; an interval that holds the threshold is "borderline".
"""

from __future__ import annotations

from gpuwatch.diagnosis.thresholds import State, Threshold, keep_interval
from gpuwatch.model.findings import Confidence, Evidence, MissingForm
from gpuwatch.model.hot_lines import HotLine
from gpuwatch.model.loader_profile import LoaderProfile, OperationProfile
from gpuwatch.model.measures import Interval, Place
from gpuwatch.model.profile import Profile
from gpuwatch.model.reasons import SharedCores
from gpuwatch.model.trend import Trend
from gpuwatch.words.units import count

STARVED_SHARE = Threshold(
    0.10, "share of the loop", "A loop that waits less has nothing to win from its input pipeline.", "input_wait"
)
# A loop on the threshold whose wait falls from twice as much to so little has waited in its beginning only.
WAIT_OVER = Threshold(0.05, "share of the loop", "In the end the loop waits for so little.", "wait_over")
WAIT_FELL = Threshold(2.0, "times the last part's", "In the beginning it waited for that.", "wait_fell")
# These say in which loaders batches are ready when they are requested: what such a loop waits for is a core.
UNMADE_SHARE = Threshold(
    0.05,
    "share of the loop",
    "A loop that waits less for a batch to be made waits for a core, not for input.",
    "unmade_share",
)
BUSY_SHARE = Threshold(
    0.5,
    "share of the time",
    "Workers that are busier keep the trainer from its core: that is input work too.",
    "loader_busy_share",
)
HEAVY_TENSORS = Threshold(
    24.0, "tensors per batch", "A batch of so many tensors is costly to take over.", "heavy_tensors"
)
HEAVY_BYTES = Threshold(4e6, "bytes per batch", "A batch of so many bytes is costly to take over.", "heavy_bytes")
# A loop that waits for a core waits no longer than its thread was runnable without one.
UNEXPLAINED_SHARE = Threshold(
    0.25,
    "share of the loop",
    "A wait this much longer than the thread's time without a core is for input, whatever is queued.",
    "unexplained_wait",
)
# Fewer steps than this carry no conclusion, unless they are long and their waits are far from the threshold.
MIN_STEPS = 8
# Nor do fewer stack samples of a loop, where a training was attached to.
MIN_SAMPLES = 60
FEW_STEPS, FEW_SECONDS, FAR = 4, 2.0, 2.0
# A training thread that runs less of its step than this waits for a device.
ON_THE_CPU = 0.5
# By this, code recognises the evidence that a finding rests on the wait for data.
WAIT_KEY = "input wait"
CORES_KEY = "shared cores"
# Runs of one script differ by more than the interval within a run: five around 10 % had medians of 9.8 to 10.5 %.
BETWEEN_RUNS = 0.08


def above(value: Interval | float, threshold: float) -> State:
    """Say whether a value lies above a threshold; `borderline` when its interval, or another run's, holds the threshold."""
    if not isinstance(value, Interval):
        return "yes" if value > threshold else "no"
    state: State = "borderline" if value.high > threshold * (1 - BETWEEN_RUNS) else "no"
    if value.low > threshold * (1 + BETWEEN_RUNS):
        state = "yes"
    keep_interval(value, threshold, state)
    return state


def restart_seconds(loader: LoaderProfile) -> float:
    """Return the seconds waited for first batches of every epoch but the first."""
    return loader.restart_seconds


def waited_share(loader: LoaderProfile) -> Interval | None:
    """Return the share of the loop waited for data: the one figure of it, in the verdict, the findings and the tables."""
    return loader.waited_share


def starved(profile: Profile) -> State | None:
    """Say whether the primary loader starves the training; None when that is unknown."""
    loader = profile.primary
    if loader is None or not enough_steps(loader):
        return None
    share = waited_share(loader)
    if share is None:
        return None
    state = above(share, STARVED_SHARE)
    restarts = restart_seconds(loader) >= STARVED_SHARE * loader.seconds
    if state == "borderline" and wait_is_over(profile.trend):
        return "no"
    return state if state == "no" or restarts or not waits_for_core(profile, loader) else "no"


def wait_is_over(trend: Trend | None) -> bool:
    """Say whether a loop waited in its beginning only, as one does whose dataset keeps what it has read."""
    return trend is not None and trend.wait_after < WAIT_OVER <= trend.wait_before / WAIT_FELL


def enough_steps(loader: LoaderProfile) -> bool:
    """Say whether a loop's steps carry a conclusion about its waits: many, or a few long ones that leave no doubt."""
    share = waited_share(loader)
    if has_steps(loader) or share is None or loader.samples is not None:
        return has_steps(loader)
    far = share.low >= STARVED_SHARE * FAR or share.high <= STARVED_SHARE / FAR
    return loader.steps >= FEW_STEPS and loader.seconds >= FEW_SECONDS and far


def has_steps(loader: LoaderProfile) -> bool:
    """Say whether there is enough of a loop to say what it does: steps, or stack samples of one that was attached to."""
    return loader.steps >= MIN_STEPS if loader.samples is None else loader.samples >= MIN_SAMPLES


def waits_for_core(profile: Profile, loader: LoaderProfile) -> bool:
    """Say whether what a loop waits for in its loader is a core for itself, or the interpreter: its batches are ready, and its
    thread was runnable without a core, or other threads held the interpreter lock, for about as long."""
    share = waited_share(loader)
    if share is None or not finds_batches_ready(loader):
        return False
    delay = core_delay(profile, loader)
    return not share.median - delay - _locked_share(profile, loader) >= UNEXPLAINED_SHARE


def core_delay(profile: Profile, loader: LoaderProfile) -> float:
    """Return the share of the time in which the training thread of a loader's rank was runnable without a core."""
    delays = [rank.run_queue_delay_share or 0.0 for rank in profile.ranks if rank.rank == loader.rank]
    return max(delays, default=0.0)


def _locked_share(profile: Profile, loader: LoaderProfile) -> float:
    """Return the share of the time in which threads that make no batches held the interpreter lock of the loader's process."""
    others = [other for threads in profile.threads if threads.rank == loader.rank for other in threads.others]
    return min(sum(other.lock for other in others if other.makes == "nothing"), 1.0)


def sampler_ms(loader: LoaderProfile) -> float:
    """Return what the loader's sampler takes of a step (ms); 0 where that was not measured."""
    return loader.sampler.ms_per_batch if loader.sampler is not None else 0.0


def finds_batches_ready(loader: LoaderProfile) -> bool:
    """Say whether hardly any of the loop's time went by before its batch was made, nor in the sampler, and batches are
    light to take over."""
    queue, fetch, share = loader.queue, loader.fetch, loader.wait_share
    if loader.workers == 0 or queue is None or fetch is None or queue.unmade_share is None or share is None:
        return False
    if queue.unmade_share * share.median >= UNMADE_SHARE or (fetch.busy_share or 0.0) >= BUSY_SHARE:
        return False
    if loader.step_ms is not None and sampler_ms(loader) >= UNMADE_SHARE * loader.step_ms.median:
        return False
    heavy = (fetch.tensors_per_batch or 0.0) >= HEAVY_TENSORS or (fetch.bytes_per_batch or 0.0) >= HEAVY_BYTES
    return not heavy


def missing_starvation(profile: Profile) -> tuple[str, MissingForm]:
    """Return what is missing to know whether the run is starved, and the form that this is said in."""
    if profile.primary is None:
        return "no DataLoader was seen in use", "clause"
    if not enough_steps(profile.primary) and profile.primary.samples is not None:
        return f"only {profile.primary.samples} stack samples of the loop ({MIN_SAMPLES} needed)", "clause"
    if not enough_steps(profile.primary):
        return f"only {profile.primary.steps} steps after the warm-up ({MIN_STEPS} needed)", "clause"
    if profile.primary.own_loop:
        return "the training's loop is not over a DataLoader", "clause"
    return "the share of input wait", "need"


DOMINANT = Threshold(
    0.5, "share of the fetch", "An operation with this share is why the cores are used up.", "dominant_share"
)
SAVING = Threshold(
    0.3, "share of the fetch", "Work of this share that is not needed is why the cores are used up.", "saving_share"
)


def wait_evidence(loader: LoaderProfile) -> Evidence:
    """Return the input wait as evidence."""
    share = waited_share(loader)
    clock = f"{loader.wait_clock} clock" if loader.feed is None else "by stack samples"
    note = None if share is None else f"95 % interval {share.low:.0%} to {share.high:.0%}, {clock}"
    return Evidence(
        "input wait",
        None if share is None else round(share.median, 4),
        "share",
        STARVED_SHARE,
        loader.observed,
        note,
        WAIT_KEY,
    )


def cores_evidence(cores: SharedCores, steps: int) -> Evidence:
    """Return as evidence the cores that the workers take from a training on the same cores."""
    note = f"the training uses {cores.training:.1f} of {count(cores.usable, 'core')}"
    return Evidence("used by the workers", round(cores.workers, 2), "cores", n=steps, note=note, key=CORES_KEY)


def certainty(*states: State, default: Confidence = "high") -> Confidence:
    """Return `borderline` when any state is, else the default."""
    return "borderline" if "borderline" in states else default


def operations(loader: LoaderProfile, kind: str) -> list[OperationProfile]:
    """Return a loader's operations of a kind, the costliest first."""
    return sorted((o for o in loader.operations if o.kind == kind), key=lambda o: -o.share)


def share_of(loader: LoaderProfile, kind: str) -> float:
    """Return the share of the fetch that a kind of operation takes."""
    return sum(o.share for o in loader.operations if o.kind == kind)


def share_of_operation(loader: LoaderProfile, operation: OperationProfile) -> float:
    """Return the share of a loader's fetch that an operation of another loader takes, by its kind and name."""
    return sum(o.share for o in loader.operations if (o.kind, o.name) == (operation.kind, operation.name))


def saturation(share: float, enough: float = DOMINANT) -> tuple[str, ...]:
    """Return what an operation with this share of the fetch explains: used-up cores, when it is enough of the work."""
    return ("cpu-saturated",) if share >= enough else ()


def blocked_share(loader: LoaderProfile) -> float | None:
    """Return the share of a fetch in which neither the worker nor its library threads used a core."""
    fetch = loader.fetch
    if fetch is None or fetch.blocked_ms is None or fetch.wall_ms.median <= 0:
        return None
    return max(min(fetch.blocked_ms / fetch.mean_wall_ms, 1.0), 0.0)


def hot_line(profile: Profile, role: str, *activities: str) -> HotLine | None:
    """Return the costliest line of a role in one of the activities (any when none is named)."""
    lines = [h for h in profile.hot_lines if h.process_role == role and (not activities or h.activity in activities)]
    return max(lines, key=lambda h: h.share, default=None)


def place(line: HotLine | None, fallback: Place | None = None) -> Place | None:
    """Return the place of a hot line, else the fallback."""
    return Place(line.file, line.line, line.function) if line else fallback


def inside(profile: Profile, operation: OperationProfile) -> Place | None:
    """Return the hottest line inside an operation that is the user's own code, else where the operation is made."""
    made, name = operation.where, operation.name.rsplit(".", 1)[-1]
    if made is None:
        return None
    lines = [h for h in profile.hot_lines if h.file == made.file and name in h.function.split(".")]
    return place(max(lines, key=lambda h: h.share, default=None), made)


def is_on_the_cpu(profile: Profile) -> bool:
    """Say whether the training computes on the CPU: no rank has a device, and none of its processes is on a GPU."""
    return all((rank.device or "cpu") == "cpu" for rank in profile.ranks) and not any(d.ranks for d in profile.devices)


def loop_seconds(profile: Profile) -> float:
    """Return the mean seconds of the ranks from the first batch on, shut-down left out."""
    outside = ("startup", "shutdown")
    seconds = [sum(p.seconds for p in rank.phases if p.name not in outside) for rank in profile.ranks]
    return sum(seconds) / len(seconds) if seconds else 0.0


def splits_its_data(loader: LoaderProfile) -> bool:
    """Say whether more workers share a loader's data: each has a copy of an iterable dataset, which has to split it.

    What several workers were seen to deliver says so, else whether the dataset's code asks for its worker; where neither is
    known of an iterable dataset, it is taken not to."""
    if loader.dataset_kind != "iterable":
        return True
    seen = loader.workers_seen.splits if loader.workers_seen else None
    return loader.attributes.get("splits") is True if seen is None else seen


def waits_for_a_device(profile: Profile, loader: LoaderProfile) -> bool:
    """Say whether the training's step runs on a device: on a GPU, or with a training thread that mostly waits."""
    return not is_on_the_cpu(profile) or (loader.compute_cpu_share or 0.0) < ON_THE_CPU


def has_several_passes(loader: LoaderProfile) -> bool:
    """Say whether the data was gone over more than once: a cache pays from the second time on."""
    return max(loader.passes, loader.iterators) > 1
