"""Functions of torch in which a rank waits for the others, by the module that defines them.

One list for the hook, which times these calls, and for words/patch_points. It goes with the hook, to Python 3.8.
"""

DISTRIBUTED, DISTRIBUTED_PARALLEL = "torch.distributed.distributed_c10d", "torch.nn.parallel.distributed"
EXCHANGES = {
    DISTRIBUTED: (
        "barrier",
        "monitored_barrier",
        "all_reduce",
        "reduce",
        "broadcast",
        "all_gather",
        "all_gather_object",
        "gather_object",
        "broadcast_object_list",
        "scatter_object_list",
        "init_process_group",
    ),
    # DistributedDataParallel begins with it: there the ranks meet.
    DISTRIBUTED_PARALLEL: ("_verify_param_shape_across_processes",),
}
