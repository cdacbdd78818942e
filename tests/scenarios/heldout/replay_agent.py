"""A DQN agent on a small grid world: no DataLoader; batches are drawn from a replay buffer of Python tuples."""

import argparse
import random
import time
from collections import deque, namedtuple

import numpy as np
import torch
from torch import nn

Transition = namedtuple("Transition", ("state", "action", "reward", "next_state", "done"))


class GridWorld:
    """Walk to the goal; what is seen are the last four pictures of the grid."""

    def __init__(self, side=20):
        self.side = side
        self.rng = np.random.default_rng(53)

    def reset(self):
        self.at = self.rng.integers(0, self.side, 2)
        self.goal = self.rng.integers(0, self.side, 2)
        self.frames = deque([self.draw()] * 4, maxlen=4)
        return np.stack(self.frames)

    def draw(self):
        frame = np.zeros((self.side, self.side), dtype=np.float32)
        frame[tuple(self.at)] = 1
        frame[tuple(self.goal)] = -1
        return frame

    def step(self, action):
        self.at = np.clip(self.at + [(0, 1), (1, 0), (0, -1), (-1, 0)][action], 0, self.side - 1)
        self.frames.append(self.draw())
        done = bool((self.at == self.goal).all())
        return np.stack(self.frames), 1.0 if done else -0.01, done


class ReplayMemory:
    def __init__(self, capacity):
        self.memory = deque(maxlen=capacity)

    def push(self, *args):
        self.memory.append(Transition(*args))

    def sample(self, batch_size):
        return Transition(*zip(*random.sample(self.memory, batch_size)))

    def __len__(self):
        return len(self.memory)


class Agent:
    def __init__(self, stack_first):
        self.stack_first = stack_first
        self.policy_net, self.target_net = self.network(), self.network()
        self.target_net.load_state_dict(self.policy_net.state_dict())
        self.optimizer = torch.optim.AdamW(self.policy_net.parameters(), lr=1e-4, amsgrad=True)
        self.memory = ReplayMemory(10000)

    @staticmethod
    def network():
        return nn.Sequential(nn.Conv2d(4, 8, 4, stride=2), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 81, 4))

    def act(self, state, epsilon):
        if random.random() < epsilon:
            return random.randrange(4)
        with torch.no_grad():
            return self.policy_net(torch.from_numpy(state)[None]).argmax(1).item()

    def to_tensor(self, states):
        if self.stack_first:
            return torch.from_numpy(np.stack(states))
        return torch.tensor(states)  # <- cause

    def learn(self, batch_size=48, gamma=0.99):
        batch = self.memory.sample(batch_size)
        states = self.to_tensor(batch.state)  # <- cause
        next_states = self.to_tensor(batch.next_state)  # <- cause
        actions, rewards, done = (torch.tensor(field) for field in (batch.action, batch.reward, batch.done))
        chosen = self.policy_net(states).gather(1, actions[:, None]).squeeze(1)
        with torch.no_grad():
            best = self.target_net(next_states).max(1).values
        loss = nn.functional.smooth_l1_loss(chosen, rewards + gamma * best * ~done)
        self.optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_value_(self.policy_net.parameters(), 100)
        self.optimizer.step()
        time.sleep(0.008)  # two larger networks, on a device


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", help="not needed: the agent plays for its data")
    parser.add_argument("--fix", action="store_true", help="stack the states before they become a tensor")
    args = parser.parse_args()
    torch.set_num_threads(1)
    random.seed(59)
    env, agent = GridWorld(), Agent(stack_first=args.fix)
    state, learned, began = env.reset(), 0, time.perf_counter()
    for move in range(620):
        action = agent.act(state, epsilon=max(0.05, 1 - move / 400))
        next_state, reward, done = env.step(action)
        agent.memory.push(state, action, reward, next_state, done)
        state = env.reset() if done else next_state
        if len(agent.memory) >= 400:
            agent.learn()
            learned += 1
        if move % 50 == 0:
            agent.target_net.load_state_dict(agent.policy_net.state_dict())
            print(f"move {move}, {len(agent.memory)} transitions", flush=True)
    print(f"trained {learned} steps in {time.perf_counter() - began:.2f} s", flush=True)


if __name__ == "__main__":
    main()
