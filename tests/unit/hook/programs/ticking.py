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


class Lines(Dataset):
    """The truth: `burn` on one line takes three times as long as `sleep` on another."""

    def __len__(self):
        return 40

    def __getitem__(self, index):
        burn(0.030)
        time.sleep(0.010)
        return torch.tensor(index)


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


def lines():
    return {"batches": load(Lines())}


def trainer():
    return {"batches": load(Lines(), workers=0)}


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
