"""Let gpuwatch's stack sampler look at this process where Yama restricts ptrace to ancestors (ptrace_scope = 1).

The permission names gpuwatch's supervisor, and by that its descendants, nobody else. Source: the kernel's Yama
document on PR_SET_PTRACER.
"""

import json
import os

_SCOPE = "/proc/sys/kernel/yama/ptrace_scope"
_PR_SET_PTRACER = 0x59616D61


def on_import(name, module):
    """Give the permission, and again in every forked child, since it is not inherited."""
    if _scope() != "1":
        return
    supervisor = _supervisor()
    if supervisor:
        allow(supervisor)
        os.register_at_fork(after_in_child=lambda: allow(supervisor))


def _scope():
    try:
        with open(_SCOPE) as file:
            return file.read().strip()
    except OSError:
        return None


def _supervisor():
    try:
        with open(os.path.join(os.environ["GPUWATCH_RUN"], "run.json")) as file:
            return int(json.load(file)["supervisor_pid"])
    except (KeyError, OSError, TypeError, ValueError):
        return None


def allow(pid):
    """Let `pid` and its descendants attach; quietly nothing where the kernel knows no such thing."""
    try:
        import ctypes

        ctypes.CDLL(None).prctl(_PR_SET_PTRACER, ctypes.c_ulong(pid), 0, 0, 0)
    except Exception:
        pass  # stack samples are a luxury: the training goes on
