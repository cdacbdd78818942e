"""What the sampler writes (`spool/sampler.jsonl`, same format as the hook's: header line, then arrays).

Times are time.monotonic_ns of when the reading was complete; counters are cumulative as the kernel gives them.
`late_ns`: how long after its due time a tick began.
"""

COLUMNS = {
    # A fact of the sampler: `sources` {name: why it has no data, or null}, `rate_hz`.
    "meta": ("t", "key", "value"),
    # One tick of the sampler: what it cost itself.
    "tick": ("t", "late_ns", "cpu_ns", "rss_bytes"),
    # Whole machine. `busy`: per-core busy share 0..1 since the last sample.
    "cpu": ("t", "interval_ns", "busy", "iowait_cores", "load1"),
    "memory": ("t", "total_bytes", "available_bytes", "swap_used_bytes", "shm_total_bytes", "shm_used_bytes"),
    # Every process of the run's tree (and gpuwatch's own, role "gpuwatch").
    "process": ("t", "pid", "ppid", "role", "name", "cpu_ns", "delay_ns", "rss_bytes", "threads", "rchar", "read_bytes", "write_bytes", "major_faults", "state", "pss_bytes"),
    # PSI totals in microseconds.
    "pressure": ("t", "cpu_some_us", "io_some_us", "io_full_us", "memory_some_us", "memory_full_us"),
    "cgroup": ("t", "version", "quota_cores", "usage_ns", "periods", "throttled_periods", "throttled_ns", "memory_limit_bytes", "memory_bytes"),
    # Static facts of a GPU, again after it came back. `unsupported`: names of what it refuses for good, `why_unsupported` {name: reason}.
    "device": ("t", "device", "uuid", "name", "bus_id", "memory_total_bytes", "power_limit_mw", "sm_mhz_max", "mig", "driver", "gpm", "unsupported", "why_unsupported"),
    # busy, memory_busy in percent; sm_active .. dram_active in percent (GPM); energy cumulative; reasons: bit mask.
    "gpu": ("t", "device", "busy", "memory_busy", "memory_used_bytes", "power_mw", "energy_mj", "temperature_c", "sm_mhz", "memory_mhz", "reasons",
            "sm_active", "occupancy", "tensor_active", "dram_active", "pcie_tx_bytes", "pcie_rx_bytes", "nvlink_tx_bytes", "nvlink_rx_bytes", "error"),
    # Driver-buffered utilization samples drained since the last tick, percent, evenly placed up to `t`.
    "gpu_busy": ("t", "device", "interval_ns", "busy"),
    "gpu_process": ("t", "device", "pid", "memory_bytes", "sm_percent"),
    "xid": ("t", "device", "xid"),
    # A Python of the tree without the hook.
    "unentered": ("t", "pid", "command", "reason", "remedy"),
    # A source could not be read from t0 to t1.
    "gap": ("t0", "t1", "source", "reason"),
    # `stacks` writer only (spool/stacks.jsonl): one burst of py-spy, and its samples folded to distinct stacks.
    # `frames`: [[function, file, line], ...] leaf last. `weight` samples. `main_in_wait`: samples during which the trainer
    # (`trainer` pid) was inside the loader's next. `tid` is py-spy's thread name. `began`: when the first sample was due.
    # `runs`, of the trainer's main thread only: [[index of a sample, how many in a row], ...] among all its samples.
    "burst": ("t0", "t1", "hz", "why", "ok", "note", "processes", "cpu_ns", "began"),
    "stack": ("t0", "t1", "pid", "tid", "frames", "weight", "main_in_wait", "idle", "runs"),
    # A Python thread of the trainer during a burst; `thread` is its name in `stack.tid`. `delay_ns`: runnable without a core.
    # `held`: share of a second before the burst in which it held the interpreter lock, null where that was not looked at.
    "thread": ("t0", "t1", "pid", "thread", "cpu_ns", "delay_ns", "held"),
    # A loader worker of a training that was attached to, as its own frames tell; `index`: the batch it was told to make last.
    "loading": ("t", "pid", "worker", "workers", "persistent", "dataset", "dataset_kind", "batch_size", "index"),
    # `attached` writer only (spool/attached.jsonl): a process that trains, as /proc tells; why one cannot be looked into.
    # `devices`: numbers of the GPUs that it has open. `cpus`: the cores that it, and each process below it, may use.
    "training": ("t", "pid", "ppid", "rank", "local_rank", "world_size", "start_ns", "command", "cwd", "python", "torch", "devices", "cpu_count"),
    "cpus": ("t", "rank_pid", "pid", "cpus"),
    "refused": ("t", "pid", "reason", "remedy"),
    # Rows lost since the last one (full disk).
    "dropped": ("t", "rows", "reason"),
}
