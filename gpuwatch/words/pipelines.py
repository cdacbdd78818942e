"""Input pipelines beside torch's DataLoader, and wrappers round it: where each hands its batches over.

One list for the hook, which measures these places, and for words/patch_points. It goes with the hook, to Python 3.8.
"""


class Pipeline:
    """A function of a library's pipeline through which batches come: `on` is the module that defines it, `place` its name there.

    `__next__` hands over a batch itself; what `__iter__` and `iter` return does; of any other name each call is one batch,
    or what a generator function yields. `subclasses`: those of the class define it as well.
    """

    __slots__ = ("library", "on", "place", "subclasses")

    def __init__(self, library: str, on: str, place: str, subclasses: bool = False) -> None:
        self.library = library
        self.on = on
        self.place = place
        self.subclasses = subclasses


PIPELINES = (
    # Wrappers round torch's loaders, which nobody but they calls.
    Pipeline("accelerate", "accelerate.data_loader", "DataLoaderShard.__iter__"),
    Pipeline("accelerate", "accelerate.data_loader", "DataLoaderDispatcher.__iter__"),
    Pipeline("fastai", "fastai.data.load", "DataLoader.__iter__"),
    Pipeline("lightning", "lightning.fabric.wrappers", "_FabricDataLoader.__iter__"),
    Pipeline("lightning", "lightning_fabric.wrappers", "_FabricDataLoader.__iter__"),
    Pipeline("litdata", "litdata.streaming.dataloader", "StreamingDataLoader.__iter__"),
    Pipeline("monai", "monai.data.thread_buffer", "ThreadDataLoader.__iter__"),
    Pipeline("streaming", "streaming.base.dataloader", "StreamingDataLoader.__iter__"),
    Pipeline("timm", "timm.data.loader", "PrefetchLoader.__iter__"),
    Pipeline("torch_geometric", "torch_geometric.loader.prefetch", "PrefetchLoader.__iter__"),
    Pipeline("webdataset", "webdataset.pipeline", "DataPipeline.__iter__"),
    # Pipelines of their own.
    Pipeline(
        "batchgenerators", "batchgenerators.dataloading.multi_threaded_augmenter", "MultiThreadedAugmenter.__next__"
    ),
    Pipeline(
        "batchgenerators",
        "batchgenerators.dataloading.nondet_multi_threaded_augmenter",
        "NonDetMultiThreadedAugmenter.__next__",
    ),
    Pipeline("dali", "nvidia.dali.plugin.pytorch", "DALIGenericIterator.__next__"),
    Pipeline("dali", "nvidia.dali.plugin.pytorch", "DALIRaggedIterator.__next__"),
    Pipeline("dali", "nvidia.dali.plugin.jax.iterator", "DALIGenericIterator.__next__"),
    Pipeline("datasets", "datasets.iterable_dataset", "IterableDataset.__iter__"),
    Pipeline("datasets", "datasets.iterable_dataset", "IterableDataset.iter"),
    Pipeline("datasets", "datasets.arrow_dataset", "Dataset.__iter__"),
    Pipeline("datasets", "datasets.arrow_dataset", "Dataset.iter"),
    Pipeline("ffcv", "ffcv.loader.epoch_iterator", "EpochIterator.__next__"),
    Pipeline("grain", "grain._src.python.data_loader", "DataLoaderIterator.__next__"),
    Pipeline("grain", "grain", "IterDataset.__iter__", subclasses=True),
    Pipeline("grain", "grain._src.python.dataset.dataset", "MapDataset.__iter__"),
    Pipeline("ray.data", "ray.data.iterator", "_IterableFromIterator.__iter__"),
    Pipeline("spdl", "spdl.pipeline._pipeline", "PipelineIterator.__next__"),
    Pipeline("tf.data", "tensorflow.python.data.ops.iterator_ops", "OwnedIterator.__next__"),
    Pipeline("torchdata.nodes", "torchdata.nodes.loader", "LoaderIterator.__next__"),
    Pipeline("torchrl", "torchrl.data", "ReplayBuffer.sample", subclasses=True),
)
LIBRARIES = frozenset(pipeline.library for pipeline in PIPELINES)


def pipelines_of(module: str) -> "tuple[Pipeline, ...]":
    """Return the pipelines whose batches come through a module."""
    return tuple(pipeline for pipeline in PIPELINES if pipeline.on == module)
