"""What the hook writes: the event kinds of a spool file and their columns.

A spool file is JSON lines. The first line is an object, the header: `format`, `writer`, `pid`, `ppid`, `host`,
`mono_ns` and `wall_ns` (the same instant), `process_start_ns` (monotonic, from /proc/self/stat), `python`,
`executable`, `program` (the installed package it was started to run), `argv` (secrets masked), `rank`, `local_rank`,
`world_size`, `job` (what the launcher calls it: elastic, slurm, address, round), and `columns`: this mapping. Every further line is an array: the kind, then that kind's columns. Times are
time.monotonic_ns; null is "not measured". A reader goes by the header's columns, so columns may be added at the end.

`activity` (in `batch` and `tail`) is what the thread did since its previous `batch` event.
"""

FORMAT = "gpuwatch.spool/1"

# forward_ns .. other_ns: up to the instant the batch was asked for; they do not overlap.
ACTIVITY = ("forward_ns", "backward_ns", "backward_n", "optimizer_ns", "optimizer_n", "other_ns", "gc_ns", "gc_n")

COLUMNS = {
    # A fact about the process, once known: torch, affinity, cpu_count, cuda_devices [[index, uuid, name]], accelerator [kind, name] (of another one),
    # threads {torch, cv2, omp, mkl}, missing_seam, missing_pipeline, missing_input, hook_error, exit ("atexit"), experiment,
    # cell {file, number, lines} of a notebook, worker_info [file, line, function] that asked first which worker it is in.
    "meta": ("t", "key", "value"),
    # An iterator was made. `attributes`: dataset, dataset_kind, dataset_file, dataset_line, length, length_said (of an iterable that was asked), worker_init, workers, batch_size,
    # prefetch, persistent, pin_memory, in_order, drop_last, start_method, sampler, collate, loader_class, timeout,
    # tensor_dataset, dataset_inner (the class inside torch's wrappers), dataset_made, made_by ([module, file, line] of a
    # library's call of the constructor), dataset_values {name: checksum} of plain values, with workers.
    # `workers`: [[worker, pid], ...]. `file, line, function`: the user's frame that
    # asked for it;
    # `made_...`: the user's call of the loader's constructor, null of a copied or unpickled loader.
    # `index_ns`: what of t0..t1 went by in the loader's sampler, which workers get their first indices from.
    # Of what is no loader of torch's (`pipelines/`): pipeline (the library, or `named`, `marked`), gives [file, line, function]
    # of what hands its batches over, settings {name: value} by the library's own names.
    # Among the attributes: sampler_name, sampler_file, sampler_line: the user's own sampler or batch sampler.
    "iterator": ("iterator", "loader", "t0", "t1", "epoch", "attributes", "workers", "file", "line", "function", "made_file", "made_line", "made_function", "index_ns"),
    # The loader was asked for a batch (t0) and gave it (t1). `end`: 0 a batch, 1 exhausted, 2 an exception.
    # `ready`: batches already received when asked; `available`: 1 the wanted one was there, 0 not, null unknown;
    # `late`: received batches that came before the wanted one did; `awaited`: worker that owed it. `cpu_ns`: this thread's
    # CPU time since the previous event. `delay_ns`: its time runnable without a core, since then. `hook_ns`: our own.
    # `index_ns`: time in the loader's sampler since the iterator's previous `batch` event: all of it between a t0 and a t1.
    # `exchange_ns`: time in calls that wait for other ranks since then, by this thread; it is part of the activity.
    "batch": ("iterator", "index", "t0", "t1", "end", "ready", "available", "late", "awaited", *ACTIVITY, "cpu_ns", "delay_ns", "hook_ns", "index_ns", "exchange_ns"),
    # Steps that were only timed (`step_mode`), from batch `index` on: `times` are [t0, t1, t0, t1, ...] as in `batch`, of
    # which these rows are a shorter form. The `batch` event after them has no activity but `gc`, counted since the last one.
    "steps": ("iterator", "index", "times"),
    # Activity after the last batch event of a thread: at exit, or when an iterator goes away.
    "tail": ("t", "iterator", *ACTIVITY),
    # Events of a device, of step `index`: `wait_ms` the stream was empty before the batch came, `work_ms` handed over -> asked.
    "gpu_wait": ("iterator", "index", "wait_ms", "work_ms"),
    # torch.save, or another named stretch of the trainer. `file, line`: the user's frame.
    "span": ("name", "t0", "t1", "file", "line", "function"),
    # A call that waited 0.1 s or longer for other ranks (barrier, all_reduce, ...).
    "exchange": ("name", "t0", "t1", "file", "line", "function"),
    # What this process is set to and has counted, `during` step | backward | optimizer | exit. `facts`: switches [[name,
    # detail, file, line], ...], threads, threads_set [file, line], switch_interval_s, gc [enabled, *thresholds, frozen],
    # flushes_denormals, deterministic, cudnn_benchmark, matmul_precision, hooks (handles made so far), hooks_set [file, line], compiler; of an
    # optimizer: its class, the device, number and elements of its tensors (`process_state/`).
    "state": ("t", "during", "facts"),
    # Garbage collections that this line of the user's asked for: how many so far, and how long they took.
    "collected": ("t", "file", "line", "function", "count", "ns"),
    # A loader worker started. `threads` {torch, cv2, omp, process}.
    "worker": ("t", "worker", "workers", "parent", "start_method", "threads"),
    # `left`: threads and processes that it has to wait for before it can exit, [[name, file, line, function], ...].
    "worker_end": ("t", "worker", "batches", "left"),
    # The user's frame that asked an iterator for its second batch, where that is not the one that asked for the iterator.
    "asked": ("iterator", "file", "line", "function"),
    # An iterator's workers were stopped (t0 to t1), `exhausted`: at the data's end. `file, line, function`: the
    # user's frame in which that was, or that dropped the iterator; `by`: [module, file, line] of the library's code that did.
    "workers_stop": ("iterator", "t0", "t1", "workers", "exhausted", "file", "line", "function", "by"),
    # A worker's epoch is over, or has come so far (the last event of an epoch counts): its number among those of the process,
    # since when (t0), when its data ended (null: it did not),
    # batches sent, resident bytes at both ends. `digests`: [[batch, crc, varied, crc of integers and text, varied], ...] of
    # some of them; `kept`: [[name, kind, before, after], ...], entries of what the dataset keeps and that has grown.
    # `last`: 1 where the epoch is over, 0 where it goes on.
    "worker_epoch": ("t", "worker", "epoch", "t0", "exhausted", "batches", "rss_begin", "rss_end", "digests", "kept", "last"),
    # The cores that a thread may use [0, 1, 8], of which process, from when on: start (of the process), iterator, worker,
    # batch, end, or set: a call at this line.
    "cpus": ("t", "moment", "cpus", "pid", "file", "line", "function"),
    # A batch was made. `idle_t0`: since when the worker waited for an index; `t0` index got; `t1` fetched (collate in it).
    # `worker` is -1 in the trainer itself. cpu, process_cpu (all threads), delay (run queue), collate, gc: inside t0..t1.
    # `rchar`, `read_bytes`: deltas of /proc/self/io. `operations`: [[op, calls, own_ns, pixels_in, pixels_out, bytes_in], ...];
    # `slowest_ns`: the slowest sample. `batched`: __getitems__ or an iterable made it whole.
    "fetch": ("worker", "index", "idle_t0", "t0", "t1", "cpu_ns", "process_cpu_ns", "delay_ns", "collate_ns", "gc_ns", "samples", "rchar", "read_bytes", "slowest_ns", "batched", "operations"),
    # An operation named in `fetch.operations`; `kind` decode | transform | dataset. `position`: order of first call in a sample.
    # `detail`: e.g. {"params": "Resize(size=[224])", "threads": 4, "random": true, "opened": [module, file, line]}.
    "op": ("op", "kind", "name", "file", "line", "function", "position", "detail"),
    # A batch was serialised and handed over, in the queue's feeder thread. `tensor_bytes`: moved by shared memory.
    # `float_bytes`: of them float32 or float64. `write_ns`: getting the bytes into the pipe (its lock and a full pipe in
    # it). `cpu_ns`: of the feeder thread, for both. `storage_bytes`: of the storages beneath the tensors, which are what is
    # moved: a view is sent with all of its storage.
    "send": ("worker", "index", "t0", "t1", "bytes", "tensors", "tensor_bytes", "float_bytes", "write_ns", "cpu_ns", "storage_bytes"),
    # A line of the timer sampler: `activity` fetch | idle | wait | step | startup | importing; counts of ticks.
    "line": ("t", "worker", "file", "line", "function", "activity", "ticks", "starved", "awaited", "blocked", "callee"),
    # Sequences in one of the first batches of a process: `positions` of each of `rows`, `longest` up to the end of the
    # longest row, `filled` positions of all rows that are no padding.
    "padding": ("t", "worker", "rows", "positions", "longest", "filled"),
    # A large parameter of an optimizer, before one of two steps. `elements`: of all parameters with a gradient; `touched`:
    # share of its rows with a gradient, of those sampled, null of a sparse gradient.
    "table": ("t", "optimizer", "rows", "width", "elements", "touched"),
    # Experiment mode: facts of the loop and of its end; and the result of one window of one arm (`windows.py`): `steps` and
    # `samples` from t0 to t1, `startup_ns` of the arm's newest iterator, `note` why there is no result,
    # `memory` the mean bytes of the arm's workers when asked for.
    "experiment": ("t", "key", "value"),
    "window": ("arm", "round", "kind", "t0", "t1", "steps", "samples", "startup_ns", "note", "memory"),
    # A window of torch.profiler. `state`: open, closed (`file` in the run's folder `traces` is whole), failed (`why` says of
    # what), none (there is none; `why`: who else owns the profiler). `t0` to `t1`: all of it, of which opening took `open_ns`,
    # closing `close_ns`. `marks`: when each step's annotation `ProfilerStep#N` began, and when the last one ended.
    # `why` of a closed one: what ended it (`gpu_trace/window.py`).
    "gpu_trace": ("t", "state", "file", "iterator", "t0", "t1", "open_ns", "close_ns", "marks", "activities", "why"),
    # Events lost since the last one (full disk).
    "dropped": ("t", "events", "reason"),
}
