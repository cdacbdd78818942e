"""Eight games are played in turns of one move each, in processes of their own; the fix plays them in a plain loop."""

import multiprocessing
import time

import torch
from _common import options, report
from torch import nn

GAMES, MOVES = 8, 16


class Game:
    def __init__(self, milliseconds):
        self.milliseconds, self.state = milliseconds, torch.zeros(6).tolist()

    def move(self, action):
        end = time.thread_time() + self.milliseconds / 1000
        while time.thread_time() < end:
            pass
        self.state[action % 6] += 1.0
        return self.state


def serve(pipe, milliseconds):
    torch.set_num_threads(1)
    game = Game(milliseconds)
    while (action := pipe.recv()) is not None:
        pipe.send(game.move(action))


class Apart:
    """Games in processes: all get their move, then all are asked for their state."""

    def __init__(self, milliseconds):
        self.pipes, self.games = [], []
        for _ in range(GAMES):
            mine, theirs = multiprocessing.Pipe()
            self.games.append(multiprocessing.Process(target=serve, args=(theirs, milliseconds), daemon=True))
            self.games[-1].start()
            self.pipes.append(mine)

    def play(self, actions):
        for pipe, action in zip(self.pipes, actions, strict=True):
            pipe.send(action)  # <- cause
        return [pipe.recv() for pipe in self.pipes]  # <- cause

    def close(self):
        for pipe, game in zip(self.pipes, self.games, strict=True):
            pipe.send(None)
            game.join()


class Together:
    """Games in this process, one after the other."""

    def __init__(self, milliseconds):
        self.games = [Game(milliseconds) for _ in range(GAMES)]

    def play(self, actions):
        return [game.move(action) for game, action in zip(self.games, actions, strict=True)]

    def close(self):
        pass


def train(games, updates):
    policy = nn.Sequential(nn.Linear(6, 512), nn.Tanh(), nn.Linear(512, 512), nn.Tanh(), nn.Linear(512, 6))
    optimizer = torch.optim.SGD(policy.parameters(), lr=1e-3)
    states = games.play([0] * GAMES)
    started, steps = time.perf_counter(), 0
    for _ in range(updates):
        seen = []
        for _ in range(MOVES):
            scores = policy(torch.tensor(states))
            time.sleep(0.0005)
            seen.append(scores.logsumexp(1).mean())
            states = games.play(scores.argmax(1).tolist())
        optimizer.zero_grad()
        torch.stack(seen).mean().backward()
        optimizer.step()
        steps += 1
    report(steps, started)
    games.close()


def main():
    args = options(__doc__)
    train(Together(0.02) if args.fix else Apart(0.02), updates=250)


if __name__ == "__main__":
    main()
