"""Does to a process with an armed timer sampler what real programs do; each case prints what it found as a line of JSON."""

import json
import os
import signal
import subprocess
import sys
import threading
import time

import torch
from torch.utils.data import DataLoader, Dataset


def burn(seconds):
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass


def clocks():
    """Return the time, and that part of it in which this thread was not blocked: on a core or waiting for one (ns)."""
    with open("/proc/thread-self/schedstat") as file:
        ran, delay, _ = file.read().split()
    return time.monotonic_ns(), int(ran) + int(delay)


class Lines(Dataset):
    """Each item burns 30 ms on one line, sleeps 10 ms on another, and is what its own clock saw of both."""

    def __len__(self):
        return 40

    def __getitem__(self, index):
        begun = clocks()
        burn(0.030)
        burnt = clocks()
        time.sleep(0.010)
        slept = clocks()
        return torch.tensor([*begun, *burnt, *slept])


class Short(Lines):
    def __len__(self):
        return 4


class Rough(Lines):
    """Forks, executes and fails inside a worker."""

    def __getitem__(self, index):
        if index % 4 == 0:
            subprocess.run(["true"], check=True)
        if index % 4 == 1:
            child = os.fork()
            if child == 0:
                time.sleep(0.05)  # longer than a tick: an inherited timer would kill it
                os._exit(7)
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
        if index % 4 == 2:
            try:
                time.sleep(0.02)
                raise KeyError(index)
            except KeyError:
                pass
        if index == 39:
            raise ValueError("last")
        return torch.tensor(index)


def load(dataset, workers=1):
    count = 0
    for _batch in DataLoader(
        dataset, batch_size=4, num_workers=workers, multiprocessing_context="fork" if workers else None
    ):
        count += 1
    return count


def seen(workers):
    """Return the seconds of both lines, and of them those in which the thread was blocked; and of the loop, those waited."""
    told = dict.fromkeys(("burning", "asleep", "burning blocked", "asleep blocked", "loop", "waited"), 0)
    started = asked = time.monotonic_ns()
    for batch in DataLoader(
        Lines(), batch_size=4, num_workers=workers, multiprocessing_context="fork" if workers else None
    ):
        told["waited"] += time.monotonic_ns() - asked
        for begun, begun_busy, burnt, burnt_busy, slept, slept_busy in batch.tolist():
            told["burning"] += burnt - begun
            told["asleep"] += slept - burnt
            told["burning blocked"] += burnt - begun - (burnt_busy - begun_busy)
            told["asleep blocked"] += slept - burnt - (slept_busy - burnt_busy)
        asked = time.monotonic_ns()
    told["loop"] = asked - started
    return {name: ns / 1e9 for name, ns in told.items()}


def lines():
    return seen(1)


def trainer():
    return seen(0)


def rough():
    try:
        load(Rough())
    except ValueError as trouble:
        return {"ended": str(trouble).splitlines()[-1]}


def alarm():
    """The user's SIGALRM: a timeout of their own, before and while we sample."""
    fired = []
    signal.signal(signal.SIGALRM, lambda *_: fired.append(time.monotonic()))
    signal.setitimer(signal.ITIMER_REAL, 0.1)
    t0 = time.monotonic()
    load(Short(), workers=0)
    return {"fired": len(fired), "after": fired[0] - t0, "timer": signal.getitimer(signal.ITIMER_REAL)[0]}


def waits():
    """Blocking calls of the interpreter are resumed with the time that is left."""
    load(Short(), workers=0)
    t0 = time.monotonic()
    time.sleep(0.3)
    slept = time.monotonic() - t0
    reader, writer = os.pipe()
    threading.Timer(0.2, lambda: os.write(writer, b"x")).start()
    return {"slept": slept, "read": os.read(reader, 1).decode(), "lock": threading.Lock().acquire(timeout=0.1)}


def execute():
    sys.stdout.flush()
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("GPUWATCH", "PYTHONPATH"))}
    os.execve("/bin/sh", ["sh", "-c", "sleep 0.2; echo '{\"survived\": true}'"], environment)


def thread():
    """A loader used away from the main thread: no sampling there, and no harm."""
    counted = []
    one = threading.Thread(target=lambda: counted.append(load(Short(), workers=0)))
    one.start()
    one.join()
    return {"batches": counted[0]}


def failing():
    load(Short(), workers=0)
    raise RuntimeError("the user's own")


if __name__ == "__main__":
    for case in sys.argv[1:]:
        print(json.dumps(globals()[case]()), flush=True)
