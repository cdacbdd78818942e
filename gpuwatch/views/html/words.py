"""What the report's words mean, for somebody who reads one for the first time."""

from __future__ import annotations

PHASE_HELP = {
    "launcher": "before the training processes began and after they ended: the launcher's own time",
    "startup": "imports, building the model, everything before the first loader",
    "loader startup": "starting worker processes until their first batch",
    "input wait": "the training waited for its next batch",
    "forward": "the model computes its output and loss",
    "backward": "gradients are computed",
    "optimizer": "weights are updated",
    "other in-step": "other code between two batches: metrics, logging, copies; without a DataLoader the batch, too, and without stack samples the forward",
    "evaluation": "loops over data without training",
    "rollout": "the model acts in an environment to collect what it is trained on next",
    "between loops": "code between epochs or loops: saving, logging",
    "tracing": "opening and closing windows of torch.profiler, for --gpu-trace",
    "shutdown": "after the last loop until the process ended",
    "unexplained": "time that no measurement accounts for",
}

BOUND_HELP = {
    "input": "The training waits for data. A faster input pipeline makes the run faster.",
    "compute": "What the training computes is the limit.",
    "cpu": "Input and training need the same cores. Less work in either makes the run faster.",
    "host": "Python code in the training step is the limit, not the data and not the device.",
    "transfer": "Copies to the device are the limit.",
    "communication": "The ranks wait for each other.",
    "startup": "Most of the time went by before the training was under way.",
    "unknown": "There were too few steps, or too little was measured, for a verdict.",
}
