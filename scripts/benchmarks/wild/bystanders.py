"""How much of the machine others used while a command ran: a run that was disturbed is told apart from one that was not."""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import time

# From this many cores on, others change what is measured.
DISTURBING = 0.25
_SET_CHILD_SUBREAPER = 36
_TICKS = os.sysconf("SC_CLK_TCK")


class Bystanders:
    """From its making on: the cores that were busy with something else than this process's children."""

    def __init__(self) -> None:
        # What a command leaves behind becomes ours, so that its time is known too.
        ctypes.CDLL(None).prctl(_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        self.began, self.busy, self.ours = time.monotonic(), _busy_s(), _ours_s()

    def cores(self) -> float:
        """Return the mean number of cores that others used."""
        seconds = time.monotonic() - self.began
        return max(0.0, (_busy_s() - self.busy - (_ours_s() - self.ours)) / seconds)


def end_group(group: int) -> None:
    """Kill what is left of a process group, and reap what of it is a child of ours."""
    try:
        os.killpg(group, signal.SIGKILL)
    except ProcessLookupError:
        pass
    while True:
        try:
            os.waitpid(-group, 0)
        except ChildProcessError:
            return


def _busy_s() -> float:
    with open("/proc/stat", encoding="ascii") as file:
        user, nice, system, _idle, _iowait, irq, softirq, steal = map(int, file.readline().split()[1:9])
    return (user + nice + system + irq + softirq + steal) / _TICKS


def _ours_s() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)
