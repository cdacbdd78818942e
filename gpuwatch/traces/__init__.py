"""Traces of the GPU's own timeline that other tools recorded: Kineto and Chrome JSON of torch.profiler, nsys exports."""
