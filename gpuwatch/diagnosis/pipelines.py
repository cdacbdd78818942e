"""Input pipelines that are no DataLoader of torch's: who they are to their user, and how each does more at once."""

from __future__ import annotations

from collections.abc import Mapping

from gpuwatch.diagnosis.evidence import hot_line
from gpuwatch.model.hot_lines import HotLine
from gpuwatch.model.loader_profile import LoaderProfile
from gpuwatch.model.profile import Profile
from gpuwatch.records import dataclass


@dataclass(frozen=True)
class Language:
    """How a library's user names it, and what they change to have more batches made at once."""

    name: str
    more: str


_DATALOADER = "let the workers of a DataLoader make batches (num_workers)"
# By the name in words/pipelines.
LANGUAGES: Mapping[str, Language] = {
    "batchgenerators": Language("the augmenter", "raise its num_processes (nnU-Net: nnUNet_n_proc_DA)"),
    "dali": Language(
        "the DALI pipeline",
        "raise its num_threads or prefetch_queue_depth; Python of yours in it runs one call at a time unless its external_source has parallel=True",
    ),
    "datasets": Language(
        "the 🤗 dataset",
        "map it once beforehand (Dataset.map with num_proc, which is cached), or pass it to a DataLoader with num_workers",
    ),
    "ffcv": Language("the FFCV loader", "raise its num_workers"),
    "grain": Language(
        "the Grain pipeline",
        "make batches in processes: mp_prefetch(grain.MultiprocessingOptions(num_workers=N)), or worker_count of its DataLoader; for reads that wait, num_threads of ReadOptions",
    ),
    "ray.data": Language(
        "Ray Data", "raise prefetch_batches, or give the slowest operator more cores: `print(ds.stats())` after a pass names it"
    ),
    "spdl": Language("the SPDL pipeline", "raise the concurrency of its slowest stage; Python that holds the interpreter lock needs a ProcessPoolExecutor"),
    "tf.data": Language(
        "the tf.data pipeline",
        "map with num_parallel_calls=tf.data.AUTOTUNE and end with .prefetch(tf.data.AUTOTUNE); Python in a py_function runs one call at a time",
    ),
    "torchdata.nodes": Language(
        "the torchdata nodes", "use ParallelMapper with num_workers and method='process' for the slowest node, and a Prefetcher"
    ),
    "torchrl": Language("the replay buffer", "pass prefetch=N to the ReplayBuffer"),
}  # fmt: skip
_OTHER = Language("the input iterator", _DATALOADER)


def language_of(loader: LoaderProfile) -> Language:
    """Return how the library of a loader's pipeline is spoken of; of one that no table names, in general terms."""
    return LANGUAGES.get(loader.pipeline or "", _OTHER)


def making_line(profile: Profile) -> HotLine | None:
    """Return the hottest line that makes batches, in the training process or in those that it started."""
    lines = [hot_line(profile, "trainer", "fetch"), hot_line(profile, "worker", "fetch")]
    return max((line for line in lines if line), key=lambda line: line.samples, default=None)


def is_made_by_threads(profile: Profile, loader: LoaderProfile) -> bool:
    """Say whether most of what makes a pipeline's batches in the training process are other threads than the loop's own, which
    is below the function that it asks."""
    giver = loader.attributes.get("gives")
    lines = [h for h in profile.hot_lines if h.activity == "fetch" and h.process_role == "trainer"]
    asked = sum(
        h.samples for h in lines if giver and any([p.file, p.function] == [giver[0], giver[2]] for p in h.stack)
    )
    return sum(h.samples for h in lines) > 2 * asked
