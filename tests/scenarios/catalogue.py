"""The scenarios: small real trainings with a known cause, the line to blame, and the known fix as a switch.

`cause` must be the first finding. `also` may be named beside it without being wrong; every other finding that
advises about the input is. A negative control has no cause in its input: there, any such advice is wrong.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent

# Findings that tell a person to change how data is loaded. On a negative control each of them is wrong.
INPUT_ADVICE = frozenset(
    {
        "no-worker-processes",
        "too-few-workers",
        "cpu-saturated",
        "thread-oversubscription",
        "too-many-workers",
        "worker-restart",
        "slow-sample",
        "coarse-batches",
        "storage-wait",
        "expensive-decode",
        "oversized-decode",
        "expensive-transform",
        "transform-order",
        "slow-dataset-code",
        "per-item-access",
        "expensive-collate",
        "batch-transport",
        "unpinned-transfer",
        "slow-sampler",
        "skipped-batches",
        "narrow-affinity",
        "fewer-shards-than-workers",
        "repeated-data",
        "lost-cache",
        "uneven-epochs",
    }
)

WORKERS = ("too-few-workers", "cpu-saturated")


@dataclass(frozen=True, slots=True)
class Scenario:
    """One training script `<id>.py` and what is true of it.

    `case` is the row of the collection of real bugs it was made after; `bound` the verdicts that are right;
    `line` says that the source marks the line to blame with `# <- cause`; `fix` that `--fix` is a real gain;
    `gain_over` whether that gain is measured over the training loop or the whole run; `wrong` findings that
    would be wrong here although they are not about the input; `flags` the options of `python`; `same` other ids that
    name the very same thing, where a library's call is both reading and decoding.
    """

    id: str
    case: str
    cause: str | None
    also: tuple[str, ...] = ()
    bound: tuple[str, ...] = ("input",)
    line: bool = True
    fix: bool = True
    gain_over: str = "loop"
    negative: bool = False
    wrong: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()
    same: tuple[str, ...] = ()

    @property
    def path(self) -> Path:
        """Return the script."""
        return FOLDER / f"{self.id}.py"

    def cause_lines(self) -> set[int]:
        """Return the numbers of the lines that the source marks as the cause."""
        lines = self.path.read_text(encoding="utf-8").splitlines()
        return {number for number, line in enumerate(lines, 1) if line.rstrip().endswith("# <- cause")}


def _negative(name: str, case: str, **more: object) -> Scenario:
    """Return a scenario whose input is in order."""
    fields: dict[str, object] = {"bound": ("compute",), "line": False, "fix": False, "negative": True} | more
    return Scenario(name, case, fields.pop("cause", None), **fields)  # type: ignore[arg-type]


_TWO_RANKS = ("-m", "torch.distributed.run", "--nproc-per-node=2")

SCENARIOS = (
    # overlap and the number of workers
    Scenario(
        "loads_in_the_loop",
        "A1",
        "no-worker-processes",
        ("expensive-decode", "expensive-transform"),
        needs=("PIL", "torchvision"),
    ),
    Scenario(
        "frames_without_workers", "A1", "no-worker-processes", ("slow-dataset-code", "expensive-decode"), needs=("cv2",)
    ),
    Scenario("lightning_default_loader", "A1", "no-worker-processes", ("slow-dataset-code",), needs=("lightning",)),
    Scenario("trainer_without_workers", "A1", "no-worker-processes", ("slow-dataset-code",), needs=("transformers",)),
    Scenario(
        "one_worker", "A2", "too-few-workers", ("expensive-decode", "expensive-transform"), needs=("torchvision",)
    ),
    Scenario(
        "cores_used_up",
        "A4",
        "cpu-saturated",
        ("expensive-transform",),
        line=False,
        fix=False,
        wrong=("too-few-workers",),
        needs=("torchvision",),
    ),
    Scenario(
        "idle_workers",
        "A5",
        "too-many-workers",
        ("worker-restart", "per-item-access"),
        bound=("startup", "input"),
        wrong=("too-few-workers",),
    ),
    Scenario("coarse_epochs", "A3", "coarse-batches", ("storage-wait", "slow-dataset-code")),
    Scenario(
        "workers_made_anew",
        "B1",
        "worker-restart",
        ("slow-dataset-code", "too-many-workers"),
        bound=("startup", "input"),
    ),
    Scenario("workers_spawned_each_epoch", "B2", "worker-restart", ("too-many-workers",), bound=("startup", "input")),
    # threads
    Scenario("blas_threads", "C4", "thread-oversubscription", ("slow-dataset-code", "cpu-saturated"), line=False),
    Scenario(
        "torch_threads_in_workers", "C5", "thread-oversubscription", ("slow-dataset-code", "cpu-saturated"), line=False
    ),
    Scenario(
        "cv2_threads",
        "C1",
        "thread-oversubscription",
        ("slow-dataset-code", "cpu-saturated"),
        line=False,
        needs=("cv2",),
    ),
    # decoding
    Scenario(
        "oversized_photos", "D2", "oversized-decode", ("expensive-decode", *WORKERS), needs=("PIL", "torchvision")
    ),
    Scenario("oversized_video_stills", "D3", "oversized-decode", ("expensive-decode", *WORKERS), needs=("cv2",)),
    Scenario(
        "webdataset_photos",
        "D2",
        "oversized-decode",
        ("expensive-decode", "slow-dataset-code", *WORKERS),
        needs=("webdataset", "PIL", "torchvision"),
    ),
    Scenario("png_slides", "D5", "expensive-decode", WORKERS, needs=("PIL",)),
    Scenario(
        "small_photos",
        "D3n",
        "expensive-decode",
        ("slow-dataset-code", *WORKERS),
        line=False,
        fix=False,
        wrong=("oversized-decode",),
        same=("cpu-saturated",),
        needs=("PIL", "torchvision"),
    ),
    # transforms
    Scenario(
        "augment_then_crop",
        "E1",
        "transform-order",
        ("oversized-decode", "expensive-transform", "expensive-decode", *WORKERS),
        needs=("torchvision", "PIL"),
    ),
    Scenario("blur_then_resize_v2", "E2", "transform-order", ("expensive-transform", *WORKERS), needs=("torchvision",)),
    Scenario(
        "noise_then_crop_albumentations",
        "E3",
        "transform-order",
        ("expensive-transform", *WORKERS),
        needs=("albumentations", "cv2"),
    ),
    Scenario("normalise_then_crop", "E4", "transform-order", ("expensive-transform", *WORKERS)),
    Scenario("elastic_augmentation", "E", "expensive-transform", WORKERS, needs=("torchvision",)),
    Scenario("own_salt_noise", "E", "expensive-transform", ("slow-dataset-code", *WORKERS), needs=("torchvision",)),
    # Python per sample, tables and formats
    Scenario("digits_from_dataframe", "F1", "slow-dataset-code", WORKERS, needs=("pandas",)),
    Scenario("metadata_rows", "F2", "slow-dataset-code", WORKERS, needs=("pandas",)),
    Scenario("lagged_series", "F5", "slow-dataset-code", WORKERS),
    Scenario("pairing_matrix", "F6", "slow-dataset-code", WORKERS),
    Scenario("mel_per_item", "F7", "slow-dataset-code", WORKERS, needs=("scipy",)),
    Scenario("whole_recording", "F9", "slow-dataset-code", ("storage-wait", *WORKERS), needs=("scipy",)),
    Scenario(
        "hdf5_chunks",
        "G8",
        "expensive-decode",
        ("storage-wait", *WORKERS),
        needs=("h5py",),
        same=("slow-dataset-code",),
    ),
    Scenario("zip_reopened", "G10", "slow-dataset-code", ("storage-wait", *WORKERS)),
    Scenario("accelerate_reopens", "G10", "slow-dataset-code", ("storage-wait", *WORKERS), needs=("accelerate",)),
    Scenario("tokenise_while_training", "G13", "slow-dataset-code", WORKERS),
    Scenario(
        "tensor_dataset_rows",
        "G1",
        "per-item-access",
        ("expensive-collate",),
        wrong=("no-worker-processes", "too-few-workers"),
    ),
    Scenario(
        "array_rows_two_workers",
        "G3",
        "per-item-access",
        ("expensive-collate", "cpu-saturated", "batch-transport"),
        wrong=("too-few-workers",),
    ),
    # collate, transport, order
    Scenario("tokenizer_in_collate", "G12", "expensive-collate", WORKERS, needs=("tokenizers",)),
    Scenario("padding_in_collate", "G12", "expensive-collate", WORKERS),
    Scenario(
        "many_small_tensors",
        "I1",
        "batch-transport",
        ("expensive-collate", "slow-dataset-code", "per-item-access", *WORKERS),
        line=False,
    ),
    Scenario("numpy_batches", "I3", "batch-transport", ("expensive-collate", "too-few-workers"), line=False),
    Scenario(
        "float_frames",
        "I5",
        "batch-transport",
        ("expensive-collate", "too-few-workers", "slow-dataset-code"),
        line=False,
    ),
    Scenario("late_samples", "I6", "slow-sample", ("storage-wait", "slow-dataset-code", "too-few-workers"), line=False),
    Scenario("long_documents", "I6", "slow-sample", ("slow-dataset-code", *WORKERS), line=False),
    Scenario("growing_workers", "I8", "worker-memory-growth", (), ("compute",), fix=False, negative=True, line=False),
    # storage
    Scenario("remote_objects", "H1", "storage-wait", ("too-few-workers", "slow-dataset-code")),
    Scenario("slow_disk_frames", "H2", "storage-wait", ("too-few-workers", "slow-dataset-code")),
    # beside the input
    Scenario("heavy_init", "B5", "slow-startup", (), ("startup",), gain_over="run", needs=("PIL",)),
    Scenario("index_built_at_start", "B5", "slow-startup", (), ("startup",), gain_over="run"),
    Scenario("histograms_each_step", "K5", "slow-step-code", (), ("host", "compute")),
    Scenario("python_metric", "K5", "slow-step-code", (), ("host", "compute")),
    # other threads of the training, and work in vain
    Scenario("plans_beside_training", "2-6", "gil-contention", (), ("host",)),
    Scenario("maps_with_threads", "2-23", "gil-contention", ("slow-dataset-code",)),
    Scenario("updates_every_row", "1-dense", "dense-update", (), ("compute",)),
    Scenario("pads_to_the_maximum", "1-padding", "padding-waste", (), ("compute",)),
    Scenario("reader_made_per_item", "2-setup", "per-call-setup", ("slow-dataset-code", *WORKERS)),
    Scenario("reader_of_each_item", "2-setup", "slow-dataset-code", WORKERS, fix=False, wrong=("per-call-setup",)),
    # the host's own code, wherever in the step it is
    Scenario("watches_gradients", "2-25", "periodic-pause", ("slow-step-code",), ("host",)),
    Scenario("posts_each_metric", "2-26", "slow-step-code", (), ("host",)),
    Scenario("draws_replay_indices", "2-28", "slow-dataset-code", same=("slow-step-code",)),
    Scenario("draws_a_table_each_step", "2-33", "slow-step-code", ("step-sync",), ("host", "compute")),
    Scenario("crops_around_voxels", "2-43", "slow-dataset-code", WORKERS),
    Scenario("prepares_in_the_event_loop", "2-47", "slow-dataset-code"),
    # loops without a DataLoader: their own generator, one that costs little, a loop that is a generator, and no optimizer
    Scenario("stems_as_it_trains", "own loop", "slow-dataset-code"),
    _negative("stems_ahead_of_training", "own loop, n"),
    _negative("losses_one_by_one", "own loop, driven by a for"),
    Scenario("answers_from_an_event_loop", "2-47, inference", "slow-dataset-code"),
    Scenario("noise_in_forward", "2-forward", "slow-step-code", (), ("host",)),
    Scenario("matches_in_the_loss", "2-loss", "slow-step-code", ("step-sync",), ("host", "compute")),
    Scenario("waits_for_each_loss", "J5", "step-sync", ("slow-step-code",), ("host", "compute")),
    Scenario("checkpoint_every_ten", "K1", "periodic-pause", (), ("host", "compute")),
    Scenario("sample_sheet_every_25", "K5", "periodic-pause", (), ("host", "compute"), needs=("PIL",)),
    Scenario("validates_each_epoch", "K3", "evaluation-share", (), ("host", "compute"), line=False),
    Scenario(
        "garbage_in_the_loop",
        "K7",
        "gc-pause",
        ("periodic-pause", "slow-step-code"),
        ("host", "compute"),
        line=False,
        same=("explicit-gc",),
    ),
    # what the process is set to, and what changes while it runs
    Scenario("layers_with_checks", "2:12", "debug-switch", (), ("host",)),
    Scenario("counts_its_calls", "2:24", "recompilation", (), ("host",)),
    Scenario("tidy_after_each_step", "2:38", "explicit-gc", (), ("host",), wrong=("gc-pause",)),
    Scenario("watched_gradients", "2:2", "slowing-down", (), ("host",)),
    Scenario("running_averages", "2:32", "slowing-down", ("slow-step-code",), ("host",), wrong=("step-sync",)),
    Scenario("chunks_beyond_the_cache", "2:46", "slowing-down", ("no-worker-processes", "storage-wait"), ("input",)),
    Scenario("decaying_trace", "2:30", "slowing-down", (), ("compute", "host")),
    Scenario(
        "adam_on_one_thread",
        "2:threads",
        "single-threaded-host",
        ("slow-step-code", "dense-update"),
        ("compute",),
        line=False,
    ),
    Scenario(
        "ranks_one_slow",
        "L9",
        "straggler-rank",
        ("storage-wait", "slow-dataset-code", "too-few-workers"),
        ("communication", "input"),
        line=False,
        flags=_TWO_RANKS,
    ),
    Scenario(
        "ranks_reduce_every_micro_batch",
        "L6",
        "communication-bound",
        (),
        ("communication",),
        line=False,
        flags=_TWO_RANKS,
    ),
    Scenario(
        "ranks_texts_as_they_come",
        "2:9",
        "rotating-straggler",
        ("per-item-access",),
        ("compute",),
        line=False,
        flags=_TWO_RANKS,
    ),
    Scenario(
        "ranks_meet_after_the_index",
        "2:49",
        "rank-zero-work",
        (),
        ("startup",),
        gain_over="run",
        flags=_TWO_RANKS,
    ),
    # "Let every rank make it" is what costs this one.
    Scenario(
        "ranks_each_make_the_index",
        "2:49n",
        "slow-startup",
        (),
        ("startup",),
        gain_over="run",
        wrong=("rank-zero-work", "straggler-rank"),
        flags=_TWO_RANKS,
    ),
    # whose advice has a sign: each with its twin
    Scenario("pooled_maps", "20", "too-few-workers", same=("slow-dataset-code",)),
    Scenario("pooled_maps_in_turn", "20n", "no-worker-processes", line=False, same=("slow-dataset-code",)),
    Scenario(
        "small_games", "29", "slow-dataset-code", ("slow-step-code",), ("host", "input"), same=("slow-step-code",)
    ),
    Scenario("long_games", "29n", "slow-step-code", (), ("host", "compute"), line=False),
    Scenario(
        "score_of_all_parts",
        "35",
        "epoch-end",
        ("evaluation-share", "slow-step-code"),
        ("host", "compute"),
        flags=_TWO_RANKS,
    ),
    Scenario("spectra_jittered", "50", "slow-dataset-code", WORKERS, same=("expensive-transform",)),
    Scenario(
        "records_read_once",
        "46",
        "no-worker-processes",
        line=False,
        same=("storage-wait", "slow-dataset-code", "slowing-down"),
    ),
    Scenario("held_out_rows", "86 % of the evaluation", "no-worker-processes", same=("slow-dataset-code",)),
    Scenario(
        "questions_held_back",
        "a stream in the evaluation",
        "no-worker-processes",
        ("slow-dataset-code",),
        ("input", "compute"),
        same=("slow-dataset-code",),
    ),
    Scenario("nested_boxes", "received, not made", "batch-transport", ("slow-dataset-code", "per-item-access")),
    Scenario("one_stream", "unsplit stream", "slow-dataset-code", (), wrong=("too-few-workers", "no-worker-processes")),
    # the sampler, and what comes before, between and after the epochs
    Scenario("sentences_by_length", "S28", "slow-sampler"),
    Scenario("client_rounds", "S4", "worker-restart", ("slow-dataset-code", "too-many-workers"), ("startup", "input")),
    Scenario("traced_workers", "S18", "epoch-end", ("worker-restart",), ("startup", "input")),
    Scenario("goes_on_at_batch", "resume", "skipped-batches", (), ("startup", "input")),
    Scenario("ranks_after_validation", "K3", "epoch-end", ("evaluation-share",), ("host", "compute")),
    # the same things where they cost nothing, or are meant
    _negative("device_with_checks", "2:12n", cause="debug-switch", wrong=("slow-step-code",)),
    _negative("compiled_in_the_first_steps", "2:24n", bound=("compute", "host"), wrong=("recompilation",)),
    _negative("tidy_after_each_epoch", "2:38n", wrong=("explicit-gc", "gc-pause")),
    _negative("longer_sequences_later", "2:2n", wrong=("slowing-down",)),
    _negative("small_layers_on_one_thread", "2:threads", wrong=("single-threaded-host",)),
    # what each worker is given, may run on and keeps
    Scenario("measurement_logs", "16", "fewer-shards-than-workers", ("slow-dataset-code",)),
    Scenario("visitor_records", "replayed stream", "repeated-data", bound=("compute",)),
    Scenario("spectra_set_up", "workers on one core", "narrow-affinity"),
    Scenario(
        "tiles_by_epoch",
        "cache ends with its worker",
        "lost-cache",
        ("worker-restart", "cpu-saturated", "slow-dataset-code"),
        bound=("input", "startup"),
    ),
    Scenario("playlist_stream", "reader outlives its epoch", "uneven-epochs", bound=("compute",), fix=False),
    # nothing to win in the input
    _negative("hidden_input", "control", needs=("PIL", "torchvision")),
    _negative("busy_network", "control"),
    _negative("balanced_pipeline", "control"),
    # a wait for a service between loader and step: no input, and from outside the same as a wait for a device
    _negative("pause_before_step", "trap", bound=("compute", "host")),
    _negative("one_checkpoint", "control", wrong=("periodic-pause",)),
    _negative("brief_validation", "control", wrong=("evaluation-share",)),
    _negative("threads_without_harm", "C3", needs=("cv2",)),
    _negative("long_epochs_forked", "B2n"),
    _negative("lightning_device_bound", "control", needs=("lightning",)),
    _negative("large_photos_hidden", "D3n", needs=("PIL", "torchvision")),
    _negative("stream_in_time", "control"),
    _negative("few_sentences_by_length", "S28n"),
    _negative("scales_from_first_batches", "resume n"),
    _negative("split_records", "replayed stream, control"),
    _negative("spectra_apart", "workers on one core, control"),
    _negative("tiles_looked_up", "cache ends with its worker, control"),
    _negative("sentences_by_budget", "reader outlives its epoch, control"),
    # looks like a thread that holds the interpreter, rows updated in vain, padding, host code in the model; and is none
    _negative("sleeps_beside_training", "2-6n", wrong=("gil-contention",)),
    _negative("reads_with_threads", "2-23n", wrong=("gil-contention",)),
    _negative("updates_a_small_vocabulary", "1-dense-n", wrong=("dense-update",)),
    _negative("packs_padded_texts", "1-padding-n", wrong=("padding-waste",)),
    _negative("unrolls_in_forward", "2-forward-n", wrong=("slow-step-code",)),
)


def by_name(names: tuple[str, ...]) -> tuple[Scenario, ...]:
    """Return the named scenarios, or all of them; an unknown name is a ValueError that lists the known ones."""
    known = {scenario.id: scenario for scenario in SCENARIOS}
    if unknown := [name for name in names if name not in known]:
        raise ValueError(f"no scenario {', '.join(unknown)}; known: {', '.join(known)}")
    return tuple(known[name] for name in names) or SCENARIOS
