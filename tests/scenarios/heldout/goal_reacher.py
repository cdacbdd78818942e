"""An arm that learns to reach goals in hindsight: DDPG, own loops, and a buffer of episodes that is seldom full.

The report behind it: https://github.com/TianhongDai/hindsight-experience-replay/issues/1: all that the buffer holds is
copied for each sample, so that every epoch takes longer than the one before.
"""

import argparse
import copy
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from torch import nn

STATE, GOAL, ACTION, STEPS = 24, 3, 4, 50


class ReachEnv:
    """Some arms at once. The first three numbers of a state are where the hand is."""

    def __init__(self, arms, seed):
        self.rng = np.random.default_rng(seed)
        self.arms = arms
        self.mixing = self.rng.normal(0, 0.1, (ACTION, STATE - GOAL))

    def reset(self):
        self.state = self.rng.normal(0, 0.1, (self.arms, STATE))
        self.goal = self.rng.uniform(-1, 1, (self.arms, GOAL))
        return self.state.copy(), self.goal.copy()

    def step(self, action):
        self.state[:, :GOAL] += 0.1 * action[:, :GOAL]
        self.state[:, GOAL:] = 0.9 * self.state[:, GOAL:] + action @ self.mixing
        return self.state.copy()


def reward(reached, goal, near=0.1):
    return -(np.linalg.norm(reached - goal, axis=-1) > near).astype(np.float32)


class HindsightBuffer:
    """Whole episodes; some goals of a sample are replaced by what was reached later in the same episode."""

    def __init__(self, episodes, future=0.8, views=False):
        self.data = {
            "state": np.empty((episodes, STEPS + 1, STATE)),
            "goal": np.empty((episodes, STEPS, GOAL)),
            "action": np.empty((episodes, STEPS, ACTION)),
        }
        self.episodes, self.future, self.views = episodes, future, views
        self.size = 0

    def store(self, **episodes):
        many = len(episodes["state"])
        if self.size + many <= self.episodes:
            at = np.arange(self.size, self.size + many)
        else:
            at = np.random.randint(0, self.episodes, many)
        for name, values in episodes.items():
            self.data[name][at] = values
        self.size = min(self.size + many, self.episodes)

    def held(self):
        """Return what is in the buffer by now."""
        if self.views:
            held = {name: values[: self.size] for name, values in self.data.items()}
        else:
            held = {name: values[: self.size].copy() for name, values in self.data.items()}  # <- cause
        held["next_state"] = held["state"][:, 1:]
        held["reached"] = held["next_state"][..., :GOAL]
        return held

    def sample(self, many):
        held = self.held()  # <- cause
        episode = np.random.randint(0, self.size, many)
        step = np.random.randint(0, STEPS, many)
        batch = {name: values[episode, step].copy() for name, values in held.items()}
        later = (np.random.random(many) * (STEPS - step)).astype(int) + step
        hindsight = np.random.random(many) < self.future
        batch["goal"][hindsight] = held["reached"][episode[hindsight], later[hindsight]]
        batch["reward"] = reward(batch["reached"], batch["goal"])
        return {name: torch.from_numpy(values).float() for name, values in batch.items()}


def layers(inputs, outputs, width=128):
    return nn.Sequential(
        nn.Linear(inputs, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, outputs)
    )


class Agent:
    def __init__(self, discount=0.98):
        self.actor = nn.Sequential(layers(STATE + GOAL, ACTION), nn.Tanh())
        self.critic = layers(STATE + GOAL + ACTION, 1)
        self.slow_actor, self.slow_critic = copy.deepcopy(self.actor), copy.deepcopy(self.critic)
        self.actor_optimizer = torch.optim.Adam(self.actor.parameters(), lr=1e-3)
        self.critic_optimizer = torch.optim.Adam(self.critic.parameters(), lr=1e-3)
        self.discount = discount

    @torch.no_grad()
    def act(self, state, goal, noise=0.2):
        action = self.actor(torch.from_numpy(np.concatenate([state, goal], 1)).float()).numpy()
        return np.clip(action + noise * np.random.standard_normal(action.shape), -1, 1)

    def update(self, batch):
        here = torch.cat([batch["state"], batch["goal"]], 1)
        there = torch.cat([batch["next_state"], batch["goal"]], 1)
        with torch.no_grad():
            value = self.slow_critic(torch.cat([there, self.slow_actor(there)], 1)).squeeze(1)
            target = (batch["reward"] + self.discount * value).clamp(-1 / (1 - self.discount), 0)
        critic_loss = (self.critic(torch.cat([here, batch["action"]], 1)).squeeze(1) - target).square().mean()
        self.critic_optimizer.zero_grad()
        critic_loss.backward()
        self.critic_optimizer.step()
        action = self.actor(here)
        actor_loss = -self.critic(torch.cat([here, action], 1)).mean() + action.square().mean()
        self.actor_optimizer.zero_grad()
        actor_loss.backward()
        self.actor_optimizer.step()
        return critic_loss.detach()

    @torch.no_grad()
    def follow(self, share=0.05):
        for slow, fast in ((self.slow_actor, self.actor), (self.slow_critic, self.critic)):
            for old, new in zip(slow.parameters(), fast.parameters(), strict=True):
                old.lerp_(new, share)


def roll_out(env, agent):
    state, goal = env.reset()
    states, actions = [state], []
    for _ in range(STEPS):
        actions.append(agent.act(states[-1], goal))
        states.append(env.step(actions[-1]))
    goals = np.repeat(goal[:, None], STEPS, 1)
    success = 1 + reward(states[-1][:, :GOAL], goal).mean()
    return success, {"state": np.stack(states, 1), "goal": goals, "action": np.stack(actions, 1)}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, default=Path(tempfile.gettempdir()) / "goal_reacher")
    parser.add_argument("--prepare", action="store_true", help="nothing to prepare")
    parser.add_argument("--fix", action="store_true", help="sample from the buffer itself")
    args = parser.parse_args()
    if args.prepare:
        return
    torch.set_num_threads(1)
    torch.manual_seed(269)
    np.random.seed(269)
    env, agent, buffer = ReachEnv(48, 271), Agent(), HindsightBuffer(6000, views=args.fix)
    updates, began = 0, time.perf_counter()
    for epoch in range(11):
        successes = []
        for _ in range(10):
            success, episodes = roll_out(env, agent)
            successes.append(success)
            buffer.store(**episodes)
            for _ in range(20):
                loss = agent.update(buffer.sample(256))
                updates += 1
            agent.follow()
        print(f"epoch {epoch}: success {np.mean(successes):.2f}, critic {loss.item():.4f}", flush=True)
    print(f"trained {updates} updates in {time.perf_counter() - began:.2f} s", flush=True)


if __name__ == "__main__":
    main()
