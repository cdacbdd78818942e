"""Stable-Baselines3: PPO on CartPole, as its documentation begins."""

from scripts.benchmarks.wild.project import Project, Truth, Variant

PROJECT = Project(
    name="stable_baselines3_ppo",
    requires=("stable-baselines3",),
    command=("python", "{files}/train.py"),
    data=(),
    truth=Truth(
        bounds=("compute",),
        causes=("periodic-pause",),
        also=("slow-startup", "slow-step-code"),
        why="with rollouts that cost nothing the loop is 1.56 times as fast, with an environment that costs nothing 1.18 times",
    ),
    variants=(
        Variant("free_environment", "CartPole's step without its equations", patch="free_environment.py"),
        Variant(
            "free_rollout", "the second and later rollouts cost nothing: the first is kept", patch="free_rollout.py"
        ),
        Variant("one_thread", "torch on one thread", environment=(("OMP_NUM_THREADS", "1"),)),
    ),
    results=r"\|\s+loss\s+\|\s+(\S+)",
    pace="steps",
)
