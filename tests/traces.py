"""Traces for tests: hand-made ones, written as torch.profiler writes them, and where real ones lie."""

from __future__ import annotations

import gzip
import json
import os
from pathlib import Path
from typing import Any

import pytest

# The real traces lie beside the repository, or where GPUWATCH_TEST_TRACES says.
_BESIDE = Path("shared") / "traces"
OLD_NAMES = {
    "kernel": "Kernel",
    "gpu_memcpy": "Memcpy",
    "gpu_memset": "Memset",
    "cuda_runtime": "Runtime",
    "cpu_op": "Operator",
    "user_annotation": "Operator",
}


def real_traces() -> Path | None:
    """Return the folder of the real traces; None where it is absent."""
    named = os.environ.get("GPUWATCH_TEST_TRACES")
    root = Path(__file__).resolve().parents[1]
    places = [Path(named)] if named else [parent / _BESIDE for parent in root.parents[:2]]
    return next((place for place in places if (place / "expected.json").exists()), None)


def expected() -> dict[str, Any]:
    """Return what each real trace must say; nothing where they are absent."""
    folder = real_traces()
    return json.loads((folder / "expected.json").read_text()) if folder else {}


def real_trace(name: str) -> Path:
    """Return the file of a real trace; skip the test where it is absent."""
    folder = real_traces()
    if folder is None:
        pytest.skip("the real traces are absent: ../shared/traces, or GPUWATCH_TEST_TRACES")
    return folder / f"{name}.json.gz"


class FakeTrace:
    """A trace of one process; times in microseconds."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []
        self._correlation = 100

    def span(self, category: str, name: str, at: float, length: float, tid: int = 1, **arguments: Any) -> FakeTrace:
        """Add what a host thread did."""
        return self._add(category, name, at, length, 1000, tid, arguments)

    def call(self, name: str, at: float, length: float, tid: int = 1) -> FakeTrace:
        """Add a call of the runtime that runs nothing on the device."""
        self._correlation += 1
        return self.span("cuda_runtime", name, at, length, tid, correlation=self._correlation)

    def launch(
        self,
        called: float,
        at: float,
        length: float,
        name: str = "gemm",
        *,
        by: str = "cudaLaunchKernel",
        call_us: float = 5.0,
        tid: int = 1,
        stream: int = 7,
        device: int = 0,
        category: str = "kernel",
        size: int | None = None,
    ) -> FakeTrace:
        """Add a call and the activity that it launches; without `by` the activity alone."""
        self._correlation += 1
        if by:
            self.span("cuda_runtime", by, called, call_us, tid, correlation=self._correlation)
        arguments = {"device": device, "stream": stream, "correlation": self._correlation}
        if size is not None:
            arguments["bytes"] = size
        return self._add(category, name, at, length, device, stream, arguments)

    def copy(self, called: float, at: float, length: float, kind: str, call_us: float, **more: Any) -> FakeTrace:
        """Add a copy, such as `HtoD (Pageable -> Device)`."""
        more.setdefault("by", "cudaMemcpyAsync")
        return self.launch(called, at, length, f"Memcpy {kind}", call_us=call_us, category="gpu_memcpy", **more)

    def _add(
        self, category: str, name: str, at: float, length: float, pid: Any, tid: Any, arguments: dict[str, Any]
    ) -> FakeTrace:
        event = {"ph": "X", "cat": category, "name": name, "pid": pid, "tid": tid, "ts": at, "dur": length}
        self.events.append({**event, "args": arguments})
        return self

    def document(self) -> dict[str, Any]:
        """Return the object form."""
        head = {"schemaVersion": 1, "deviceProperties": [{"id": 0, "name": "Test GPU"}]}
        return {**head, "traceEvents": self.events, "traceName": "trace.json"}

    def old(self) -> FakeTrace:
        """Return the same trace with the categories, whole microseconds and threads as text that old recorders wrote."""
        made = FakeTrace()
        for event in self.events:
            named = OLD_NAMES.get(event["cat"], event["cat"])
            made.events.append(
                {**event, "cat": named, "ts": int(event["ts"]), "dur": int(event["dur"]), "tid": str(event["tid"])}
            )
        return made

    def text(self, form: str = "object") -> str:
        """Return the file's text: `object`, `list` or `pretty`."""
        if form == "list":
            return json.dumps(self.events)
        return json.dumps(self.document(), indent=2 if form == "pretty" else None)

    def write(self, path: Path, form: str = "object") -> Path:
        """Write the trace, packed if the name ends in .gz."""
        data = self.text(form).encode()
        path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
        return path


def training(steps: int = 5, loader_us: float = 0.0, loader: str = "_SingleProcessDataLoaderIter") -> FakeTrace:
    """Return a training: each step requests a batch, launches ten kernels of 1 ms in 0.5 ms, and waits for the last."""
    made, at = FakeTrace(), 0.0
    for number in range(steps):
        began = at
        if loader_us:
            made.span("user_annotation", f"enumerate(DataLoader)#{loader}.__next__", at, loader_us)
            at += loader_us
        free = at + 20.0
        for kernel in range(10):
            called = at + 50.0 * kernel
            start = max(called + 10.0, free)
            made.span("cpu_op", "aten::mm", called - 2.0 if kernel else called, 20.0)
            made.launch(called, start, 1000.0)
            free = start + 1000.0
        made.call("cudaStreamSynchronize", at + 600.0, free - at - 600.0 + 5.0)
        at = free + 50.0
        made.span("user_annotation", f"ProfilerStep#{number}", began, at - began - 1.0)
    return made
