"""What scripts/bench and scripts/bench_peers share: a training, paired runs of it, the machine, the tables in docs/."""
