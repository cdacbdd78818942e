"""PPO on CartPole, as on the first page of Stable-Baselines3's documentation of PPO."""

import sys

from stable_baselines3 import PPO
from stable_baselines3.common.env_util import make_vec_env

vec_env = make_vec_env("CartPole-v1", n_envs=4, seed=0)

model = PPO("MlpPolicy", vec_env, verbose=1, seed=0)
model.learn(total_timesteps=int(sys.argv[1]) if len(sys.argv) > 1 else 25_000)
model.save("ppo_cartpole")
