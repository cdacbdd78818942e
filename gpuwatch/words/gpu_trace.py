"""The words of GPU traces: kinds of events, what a call of the runtime does to the host, and classes of GPU time.

Kineto changed its category names once (`Kernel`, `Runtime`, `Operator` became `kernel`, `cuda_runtime`, `cpu_op`); other
devices' runtimes end in `_runtime` and `_driver` too. HIP's calls carry CUDA's names with another prefix.
"""

from __future__ import annotations

import re
from typing import NamedTuple

# Kinds of events, as small numbers: a trace keeps one for each event.
KERNEL, COPY, FILL, CALL, OPERATOR, ANNOTATION, PYTHON, OVERHEAD = range(8)
DEVICE_KINDS = frozenset((KERNEL, COPY, FILL))

_CATEGORIES = {
    "kernel": KERNEL,
    "concurrent_kernel": KERNEL,
    "gpu_memcpy": COPY,
    "memcpy": COPY,
    "gpu_memset": FILL,
    "memset": FILL,
    "runtime": CALL,
    "driver": CALL,
    "cpu_op": OPERATOR,
    "operator": OPERATOR,
    "user_annotation": ANNOTATION,
    "python_function": PYTHON,
    "python": PYTHON,
    "overhead": OVERHEAD,
}


def kind_of(category: str) -> int | None:
    """Return the kind of a category's events; None for what a trace says beside what ran (flows, memory, spans)."""
    lower = category.lower()
    if lower.endswith(("_runtime", "_driver")):
        return CALL
    return _CATEGORIES.get(lower)


class Folded(NamedTuple):
    """A pattern of lower-case text. Where names are long and patterns have many parts, that takes a quarter of the time of one
    that ignores case."""

    pattern: re.Pattern[str]

    def search(self, text: str) -> re.Match[str] | None:
        """Return where text has the pattern in it, in any case."""
        return self.pattern.search(text.lower())


def _folded(pattern: str) -> Folded:
    return Folded(re.compile(pattern))


class CallKind(NamedTuple):
    """What a call of the runtime does to the thread that makes it."""

    name: str
    pattern: re.Pattern[str]


def _calls(words: str) -> re.Pattern[str]:
    return re.compile(rf"^(?:cuda|hip|cu|xpu|ur|ze|sycl|l0)_?(?:{words})", re.IGNORECASE)


GRAPH_LAUNCH = CallKind("graph launch", _calls("GraphLaunch"))
LAUNCH = CallKind("launch", _calls(r"\w*Launch(?!HostFunc)|EnqueueKernel|CommandListAppendLaunch"))
SYNC = CallKind(
    "sync", _calls(r"(?:Stream|Device|Event|Ctx|Context|Thread|Queue)s?(?:Host)?(?:Synchronize|Finish|Wait)(?:_\w+)?$")
)
ALLOCATE = CallKind(
    "allocator",
    _calls(
        r"(?:Ext)?(?:Malloc|Free|HostAlloc|HostMalloc|HostFree|MemAlloc|MemFree|MemCreate|MemMap|MemUnmap|MemRelease|MemHost|MemSetAccess|MemAddress)"
    ),
)
BEGIN_CAPTURE = CallKind("begin of a capture", _calls("StreamBeginCapture"))
END_CAPTURE = CallKind("end of a capture", _calls("StreamEndCapture"))
COPY_CALL = CallKind("copy", _calls("Memcpy|EnqueueMemBuffer|MemcpyAsync"))
# The first that fits is the one.
CALL_KINDS = (GRAPH_LAUNCH, LAUNCH, SYNC, ALLOCATE, COPY_CALL)

# Inside these the host waits for its next batch: torch's own annotation, that of Lightning's loop, other loaders'
# iterators by their Python functions, and what people call the stage themselves.
LOADER = _folded(
    r"^enumerate\(dataloader\)#"
    r"|dataloader\.py\(\d+\): __next__$"
    r"|dataloader_next$"
    r"|nvidia/dali/plugin/\S*\(\d+\): __next__$"
    r"|ray/data/\S*iterator\S*\(\d+\): \w*next\w*$"
    r"|(?:^|[\W_])(?:data_?load(?:er|ing)?|(?:next|get|load|fetch)_(?:next_)?batch)(?:$|[^\w(.])"
)
IN_PROCESS_LOADER = re.compile(r"_SingleProcessDataLoaderIter")
WORKER_LOADER = re.compile(r"_MultiProcessingDataLoaderIter")
STEP = re.compile(r"^ProfilerStep(?:#|\*)")
OPTIMIZER = re.compile(r"^Optimizer\.step#")

# Kernels that exchange data between devices: NCCL, RCCL and MSCCL, and the all-reduces that inference servers write.
COMMUNICATION = _folded(
    r"nccl|rccl|msccl|oneccl|nvshmem|deep_ep|cross_device_reduce|(?:one|two)_?shot_?all_?reduce|multimem_all|"
    r"all_?reduce_kernel|custom_?all_?reduce"
)
# Copies that leave or reach the device; those within it are its own work.
TO_DEVICE = _folded(r"htod|host\s*(?:->|to)\s*device|pageable -> device|pinned -> device")
FROM_DEVICE = _folded(r"dtoh|device\s*(?:->|to)\s*host|device -> (?:pageable|pinned)")
BETWEEN_DEVICES = _folded(r"ptop|peer")
PINNED = _folded(r"pinned")
PAGEABLE = _folded(r"pageable")


class TimeClass(NamedTuple):
    """A class of GPU time. `title`: what people read; `about`: when time is of this class."""

    key: str
    title: str
    about: str


CLASSES = (
    TimeClass("compute", "compute", "a kernel was running, or a copy within the device"),
    TimeClass("communication", "communication", "only exchanges with other devices were running"),
    TimeClass("copy", "copies", "only copies from or to the host or another device were running"),
    TimeClass("input", "input", "idle while the host was inside its loader"),
    TimeClass("sync", "sync", "idle because the host had waited for the device before it launched more"),
    TimeClass("pageable_copy", "pageable copies", "idle while the host copied from pageable memory"),
    TimeClass("launch", "launching", "idle while the host was launching, too slowly"),
    TimeClass("host_code", "host code", "idle while the host ran code that launched nothing"),
    TimeClass("allocator", "allocator", "idle while device memory was allocated or freed"),
    TimeClass("dependency", "dependency", "idle with work launched: between kernels, or waiting for another stream"),
    TimeClass("unknown", "unknown", "idle as recorded, and the trace does not say why"),
)
CLASS_KEYS = tuple(each.key for each in CLASSES)
BUSY_CLASSES = frozenset(("compute", "communication", "copy"))
