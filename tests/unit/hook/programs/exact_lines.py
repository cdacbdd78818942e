"""A training whose functions are measured line by line: exact_lines.py WORKERS METHOD [kill]."""

import functools
import os
import signal
import sys
import time

import torch
from torch.utils.data import DataLoader, Dataset


def logged(function):
    @functools.wraps(function)
    def inner(*args, **kwargs):
        return function(*args, **kwargs)

    return inner


def bare(function):
    def inner(*args, **kwargs):
        return function(*args, **kwargs)

    return inner


class Kept:
    def __init__(self, function):
        self.function = function

    def __call__(self, value):
        return self.function(value)


@logged
@bare
def doubled(value):
    twice = value * 2
    return twice  # noqa: RET504


@Kept
def halved(value):
    half = value / 2
    return half  # noqa: RET504


@functools.lru_cache(None)
def cached(value):
    same = value
    return same  # noqa: RET504


class Outer:
    class Items(Dataset):
        def __init__(self, kill):
            self.kill = kill

        def __len__(self):
            return 60

        @property
        def offset(self):
            zero = 0.0
            return zero  # noqa: RET504

        @staticmethod
        def slow():
            time.sleep(0.002)

        def __getitem__(self, index):
            def nested(value):
                one = value + 1
                return one - 1

            if self.kill and index == 50:
                time.sleep(0.5)
                os.kill(os.getpid(), signal.SIGKILL)
            self.slow()
            return torch.tensor([halved(doubled(nested(cached(float(index))))) + self.offset])


def main():
    workers, method, kill = int(sys.argv[1]), sys.argv[2], len(sys.argv) > 3
    context = method if workers else None
    loader = DataLoader(Outer.Items(kill), batch_size=3, num_workers=workers, multiprocessing_context=context)
    total = 0.0
    try:
        for batch in loader:
            total += float(batch.sum())
    except RuntimeError as error:
        print("ended:", type(error).__name__)
    print("total", total)
    print("code", Outer.Items.__getitem__.__code__.co_code.hex()[-8:], sys.gettrace())


if __name__ == "__main__":
    main()
