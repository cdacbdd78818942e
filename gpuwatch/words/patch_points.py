"""Where the hook takes hold of torch and what goes with it: one list for the hook, which places them in this order, and for
`gpuwatch doctor`, which says whether they are there.

It stays in gpuwatch: `hook/entry/inject` writes what is placed on import into the copy of the hook in each run folder.
"""

from .exchanges import DISTRIBUTED, DISTRIBUTED_PARALLEL, EXCHANGES
from .pipelines import PIPELINES, pipelines_of


class PatchPoint:
    """What one hook module does once `on` has been imported; where `on` is None, another module of the hook calls it.

    Places are written `module:name`: those that it `replaces`, those that it `adds_to` (lists and mappings), and what it
    `calls` besides. `around`: the hook modules whose replacement of the same place has to be inside of this one, because
    this one sees their time as the training does. `only`: in which mode or process; None: in every trainer.
    """

    __slots__ = ("adds_to", "around", "by", "calls", "on", "only", "optional", "replaces", "why")

    def __init__(
        self,
        on: "str | None",
        by: str,
        why: str,
        replaces: "tuple[str, ...]" = (),
        adds_to: "tuple[str, ...]" = (),
        calls: "tuple[str, ...]" = (),
        around: "tuple[str, ...]" = (),
        only: "str | None" = None,
        optional: bool = False,
    ) -> None:
        self.on = on
        self.by = by
        self.why = why
        self.replaces = replaces
        self.adds_to = adds_to
        self.calls = calls
        self.around = around
        self.only = only
        self.optional = optional

    @property
    def places(self) -> "tuple[str, ...]":
        """What has to be there for it."""
        return self.replaces + self.adds_to + self.calls


# Values of `only`.
EXPERIMENT, EXACT, WORKER, CUDA = "GPUWATCH_EXPERIMENT", "exact in GPUWATCH_HOOK", "a worker process", "a GPU"
GPU_TRACE, INPUT = "GPUWATCH_GPU_TRACE", "GPUWATCH_INPUT"

_LOADER = "torch.utils.data.dataloader"
_STATEFUL = "torchdata.stateful_dataloader.stateful_dataloader"
_FETCHERS = (
    "torch.utils.data._utils.fetch:_MapDatasetFetcher.fetch",
    "torch.utils.data._utils.fetch:_IterableDatasetFetcher.fetch",
)
_NEXT = _LOADER + ":_BaseDataLoaderIter.__next__"

PATCH_POINTS = (
    PatchPoint(
        "torch.serialization",
        "trainer.spans",
        "a checkpoint is a span of its own",
        replaces=("torch.serialization:save", "torch:save"),
    ),
    PatchPoint(
        "torch.autograd",
        "trainer.backward",
        "backward is a phase; `Tensor.backward` calls it",
        replaces=("torch.autograd:backward",),
    ),
    PatchPoint(
        "torch.optim.optimizer",
        "trainer.phases",
        "the optimizer's step is a phase",
        adds_to=(
            "torch.optim.optimizer:_global_optimizer_pre_hooks",
            "torch.optim.optimizer:_global_optimizer_post_hooks",
        ),
        calls=(
            "torch.optim.optimizer:register_optimizer_step_pre_hook",
            "torch.optim.optimizer:register_optimizer_step_post_hook",
        ),
    ),
    PatchPoint(
        DISTRIBUTED,
        "trainer.exchanges",
        "in these a rank waits for the others",
        replaces=tuple(
            f"{module}:{name}" for module in (DISTRIBUTED, "torch.distributed") for name in EXCHANGES[DISTRIBUTED]
        ),
        optional=True,
    ),
    PatchPoint(
        DISTRIBUTED_PARALLEL,
        "trainer.exchanges",
        "in its constructor the ranks meet",
        replaces=tuple(f"{DISTRIBUTED_PARALLEL}:{name}" for name in EXCHANGES[DISTRIBUTED_PARALLEL]),
        optional=True,
    ),
    PatchPoint(
        "fastai.optimizer",
        "trainer.phases",
        "fastai's own optimizers are none of torch's",
        replaces=("fastai.optimizer:Optimizer.step",),
        optional=True,
    ),
    PatchPoint(
        "keras.src.backend.torch.optimizers.torch_optimizer",
        "trainer.phases",
        "nor are those of Keras; where it runs on torch, they all derive from this class",
        replaces=("keras.src.backend.torch.optimizers.torch_optimizer:TorchOptimizer.apply",),
        optional=True,
    ),
    PatchPoint(
        _LOADER,
        "source_code.construction_sites",
        "the line that made a loader is the one to edit",
        replaces=(_LOADER + ":DataLoader.__init__",),
    ),
    PatchPoint(
        _LOADER,
        "trainer.loader",
        "every loader hands its batches over here, those of other libraries too",
        replaces=(
            _NEXT,
            _LOADER + ":_BaseDataLoaderIter._next_index",
            _LOADER + ":_SingleProcessDataLoaderIter.__init__",
            _LOADER + ":_MultiProcessingDataLoaderIter.__init__",
            _LOADER + ":_MultiProcessingDataLoaderIter._reset",
            _LOADER + ":_MultiProcessingDataLoaderIter._shutdown_workers",
        ),
        adds_to=("gc:callbacks",),
    ),
    PatchPoint(
        _LOADER,
        "worker_process.worker",
        "a worker gets its indices and hands over its batches in this loop",
        replaces=("torch.utils.data._utils.worker:_worker_loop",),
    ),
    PatchPoint(_LOADER, "worker_process.fetch", "a batch is made in these", replaces=_FETCHERS),
    PatchPoint(
        _LOADER,
        "worker_process.worker_info_calls",
        "a dataset that never asks which worker it is in cannot take a part of its own",
        replaces=(
            "torch.utils.data._utils.worker:get_worker_info",
            _LOADER + ":get_worker_info",
            "torch.utils.data:get_worker_info",
        ),
    ),
    PatchPoint(
        _LOADER,
        "worker_process.mask_calls",
        "a line that takes cores from a process is the one to edit",
        replaces=("os:sched_setaffinity",),
    ),
    PatchPoint(
        "psutil",
        "worker_process.mask_calls",
        "psutil does it by itself",
        replaces=("psutil:Process.cpu_affinity",),
        optional=True,
    ),
    PatchPoint(
        _LOADER,
        "pipelines.around_loaders",
        "an iterator round a loader is what the loop asks: its `__next__` is replaced once it has been seen to ask",
    ),
    PatchPoint(_LOADER, "lines.in_process_sampler", "counts lines from the start, where that is switched on"),
    PatchPoint(
        _LOADER,
        "experiment.experiment_mode",
        "gives the training the batches of the setting that is tried",
        replaces=(_NEXT, _LOADER + ":_BaseDataLoaderIter.__init__"),
        around=("trainer.loader",),
        only=EXPERIMENT,
    ),
    PatchPoint(_LOADER, "entry.ptrace", "lets gpuwatch's sampler attach py-spy to this process"),
    PatchPoint(
        _LOADER,
        "lines.exact",
        "times the lines of a fetch and of a step",
        replaces=(*_FETCHERS, _NEXT),
        around=("worker_process.fetch", "trainer.loader", "experiment.experiment_mode"),
        only=EXACT,
    ),
    PatchPoint(
        _LOADER,
        "gpu_trace.gpu_trace_mode",
        "a window of torch.profiler opens and closes where a step ends",
        replaces=(_NEXT,),
        around=("trainer.loader",),
        only=GPU_TRACE,
    ),
    PatchPoint(
        "torch.optim.optimizer",
        "pipelines.named",
        "an iterator of the script's own that was named is there by its first step",
        only=INPUT,
    ),
    PatchPoint(
        "torch.optim.optimizer",
        "gpu_trace.gpu_trace_mode",
        "in a loop without a loader a step ends with the optimizer's: it follows `trainer.phases`",
        only=GPU_TRACE,
    ),
    PatchPoint(
        "torch.autograd.profiler",
        "gpu_trace.gpu_trace_mode",
        "a window gives way when the script starts a profiler of its own",
        replaces=("torch.autograd.profiler:_prepare_profiler", "torch.autograd.profiler:_enable_profiler"),
        only=GPU_TRACE,
    ),
    PatchPoint(
        "torch.profiler.profiler",
        "gpu_trace.gpu_trace_mode",
        "where the script has a profiler of its own, there are no windows",
        replaces=("torch.profiler.profiler:_KinetoProfile.__init__",),
        only=GPU_TRACE,
    ),
    PatchPoint(
        _STATEFUL,
        "source_code.construction_sites",
        "torchdata's loader has a constructor of its own",
        replaces=(_STATEFUL + ":StatefulDataLoader.__init__",),
        optional=True,
    ),
    PatchPoint(
        _STATEFUL,
        "trainer.loader",
        "and iterators of its own",
        replaces=(
            _STATEFUL + ":_StatefulSingleProcessDataLoaderIter.__init__",
            _STATEFUL + ":_StatefulMultiProcessingDataLoaderIter.__init__",
            _STATEFUL + ":_StatefulMultiProcessingDataLoaderIter._reset",
            _STATEFUL + ":_StatefulMultiProcessingDataLoaderIter._shutdown_workers",
        ),
        optional=True,
    ),
    PatchPoint(
        _STATEFUL,
        "worker_process.worker",
        "and a worker loop of its own",
        replaces=("torchdata.stateful_dataloader.worker:_worker_loop", _STATEFUL + ":_worker_loop"),
        optional=True,
    ),
    PatchPoint(
        _STATEFUL,
        "worker_process.worker_info_calls",
        "and has taken the name of the function that says which worker it is in",
        replaces=(_STATEFUL + ":get_worker_info",),
        optional=True,
    ),
    PatchPoint(
        "torch._dynamo.trace_rules",
        "entry.compiling",
        "torch.compile leaves the hook's own frames alone",
        adds_to=("torch._dynamo.trace_rules:SKIP_DIRS",),
        calls=("torch._dynamo.trace_rules:_recompile_re",),
        optional=True,
    ),
    PatchPoint(
        "safetensors.torch",
        "trainer.spans",
        "a checkpoint is a span of its own",
        replaces=("safetensors.torch:save_file",),
        optional=True,
    ),
    *(
        PatchPoint(
            module,
            "pipelines.libraries",
            "its batches come through here",
            replaces=tuple(f"{module}:{pipeline.place}" for pipeline in pipelines_of(module)),
            optional=True,
        )
        for module in dict.fromkeys(pipeline.on for pipeline in PIPELINES)
    ),
    PatchPoint(None, "entry.boot", "waits for the modules above", adds_to=("sys:meta_path",)),
    PatchPoint(
        None,
        "worker_process.serialise",
        "a worker's batches are pickled by it",
        replaces=("multiprocessing.queues:_ForkingPickler",),
        only=WORKER,
    ),
    PatchPoint(
        None,
        "worker_process.left_behind",
        "a thread that still runs keeps a worker from exiting; the line that started it is the one to edit",
        replaces=("threading:Thread.start",),
        only=WORKER,
    ),
    # Readers, decoders and transforms are replaced as well while a batch is made; operations/decoders.py and
    # operations/transforms.py have the tables of those.
    PatchPoint(
        None,
        "operations.transforms",
        "scripting a model must see the functions as they were",
        replaces=("torch.jit:script",),
        only=WORKER,
    ),
    PatchPoint(
        None,
        "trainer.accelerator",
        "two events per step tell how long the GPU waited",
        calls=("torch.cuda:Event", "torch.cuda:is_current_stream_capturing", "torch.cuda:is_initialized"),
        only=CUDA,
    ),
)


def placed_on_import() -> "dict[str, tuple[str, ...]]":
    """Return the hook modules to call, in this order, once a module has been imported."""
    placed: "dict[str, tuple[str, ...]]" = {}
    for point in PATCH_POINTS:
        if point.on is not None:
            placed[point.on] = (*placed.get(point.on, ()), point.by)
    return placed


def replaced_on_import() -> "dict[str, tuple[str, ...]]":
    """Return the places that are replaced or added to once a module has been imported."""
    places: "dict[str, tuple[str, ...]]" = {}
    for point in PATCH_POINTS:
        if point.on is not None:
            places[point.on] = tuple(dict.fromkeys((*places.get(point.on, ()), *point.replaces, *point.adds_to)))
    return places
