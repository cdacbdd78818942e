"""Profiles, and what the rule says of them."""

from __future__ import annotations

from dataclasses import replace

from gpuwatch.diagnosis.examples.cases import clear, fires, unknown
from gpuwatch.diagnosis.examples.parts import make_device, make_hot_line
from gpuwatch.diagnosis.examples.runs import (
    BACKWARD_LINE,
    FED,
    MODEL_LINE,
    MODULE_PY,
    READING,
    SAMPLED,
    SAMPLER_LINE,
    SLEEPING,
    UNMEASURED,
    WORK_LINE,
    no_loader,
    own_loop,
    phases,
    run_of,
    traced_by,
)
from gpuwatch.diagnosis.gpu_trace import NOT_MEASURABLE
from gpuwatch.model.gpu_time import GpuGain
from gpuwatch.model.hot_lines import Callee
from gpuwatch.model.measures import Place
from gpuwatch.model.profile import Profile

PIPE = "/usr/lib/python3.11/multiprocessing/connection.py"
RECV_LINE = replace(
    WORK_LINE,
    share=0.5,
    samples=100,
    callee=Callee("multiprocessing", "recv"),
    source="states = [pipe.recv() for pipe in pipes]",
    blocked_share=None,
    stack=(Place("/home/me/t.py", 5, "play"), Place(PIPE, 430, "Connection._recv_bytes")),
)


def asking(worked: int) -> Profile:
    """Return a loop that asks processes for half of its time, which were sampled at work so often."""
    return own_loop(RECV_LINE, make_hot_line(source="state = game.move(action)", samples=worked))


_POSTS = replace(
    WORK_LINE,
    source="urlopen(request)",
    callee=Callee("http", "getresponse"),
    share=0.6,
    blocked_share=0.95,
    stack=(Place("/home/me/t.py", 34, "send"), Place("/usr/lib/python3.11/socket.py", 706, "SocketIO.readinto")),
)

_STARTS = replace(
    _POSTS,
    source='subprocess.run(["ps", "-o", "rss="])',
    callee=Callee("subprocess", "run"),
    stack=(
        Place("/home/me/project/data.py", 48, "usage"),
        Place("/usr/lib/python3.11/subprocess.py", 550, "run"),
        Place("/usr/lib/python3.11/subprocess.py", 2108, "Popen._communicate"),
        Place("/usr/lib/python3.11/selectors.py", 415, "PollSelector.select"),
    ),
)

CASES = (
    # It waits for a program that it started itself.
    fires(
        run_of(8.0, hot_lines=(_STARTS,), stacks=SAMPLED, ranks=phases(backward=4.0, other_in_step=6.0)),
        "critical",
        "60% of the step is programs that are started, each of which the training waits for, most of it at line 48:"
        ' subprocess.run(["ps", "-o", "rss="])',
        where="/home/me/project/data.py:48",
        speedup=2.429,
    ),
    # Messages: the processes work for a fifth of the wait, and more of them would make more messages.
    fires(
        asking(20),
        "critical",
        "50% of the step is messages to other processes and back, most of it at line 48: states = [pipe.recv() for pipe in"
        " pipes]",
        confidence="medium",
        where="/home/me/project/data.py:48",
        speedup=1.645,
    ),
    # They work all the time: what they make is waited for.
    unknown(asking(95), "no nn.Module frames were sampled, so model time is unknown"),
    # It waits for a reply over the network.
    fires(
        run_of(8.0, hot_lines=(_POSTS,), stacks=SAMPLED, ranks=phases(backward=4.0, other_in_step=6.0)),
        "critical",
        "60% of the step is requests over the network, each of which the training waits for, most of it at line 48: urlopen(request)",
        where="/home/me/project/data.py:48",
        speedup=2.429,
    ),
    fires(
        run_of(ranks=phases(input_wait=1.0, forward=2.0, other_in_step=3.0), hot_lines=(WORK_LINE,), stacks=SAMPLED),
        "critical",
        "40% of the step is Python outside of forward, backward and optimizer, most of it at line 48: histogram(w)",
        where="/home/me/project/data.py:48",
        speedup=1.0,
    ),
    fires(
        run_of(
            ranks=phases(input_wait=1.0, forward=2.0, other_in_step=3.0),
            hot_lines=(
                replace(
                    WORK_LINE, callee=Callee("torch", "state_dict"), stack=(Place(MODULE_PY, 9, "Module.state_dict"),)
                ),
            ),
            stacks=SAMPLED,
        ),
        "critical",
        "40% of the step is Python outside of forward, backward and optimizer, most of it at line 48: histogram(w)",
        where="/home/me/project/data.py:48",
        speedup=1.0,
    ),
    fires(
        own_loop(MODEL_LINE, WORK_LINE),
        "critical",
        "40% of the step is Python outside of forward, backward and optimizer, most of it at line 48: histogram(w)",
        where="/home/me/project/data.py:48",
        speedup=1.645,
    ),
    fires(
        READING,
        "critical",
        "90% of the step is Python outside of forward, backward and optimizer, most of it at line 48: frame = decoder.stdout.read(n)",
        where="/home/me/project/data.py:48",
        speedup=8.5,
    ),
    # A framework's callback, which runs from the user's one line.
    fires(
        run_of(
            ranks=phases(input_wait=1.0, forward=2.0, backward=3.0, other_in_step=4.0),
            hot_lines=(
                replace(
                    WORK_LINE,
                    callee=Callee("lightning", "fit"),
                    source="trainer.fit(model)",
                    share=1.0,
                    model_share=0.55,
                    callback="EarlyStopping.on_train_batch_end",
                ),
            ),
            stacks=SAMPLED,
        ),
        "critical",
        "40% of the step is Python outside of forward, backward and optimizer, most of it at line 48: trainer.fit(model) (in EarlyStopping.on_train_batch_end)",
        where="/home/me/project/data.py:48",
        speedup=1.0,
    ),
    clear(
        run_of(
            ranks=phases(input_wait=1.0, forward=2.0, backward=5.0, other_in_step=0.3),
            hot_lines=(replace(WORK_LINE, callee=Callee("lightning", "fit"), share=0.9, model_share=0.97),),
            stacks=SAMPLED,
        )
    ),
    # More of a framework's line lies outside of the model than was measured there: the samples are wrong, or it is the model.
    clear(
        run_of(
            ranks=phases(input_wait=1.0, forward=2.0, backward=5.0, other_in_step=0.3),
            hot_lines=(replace(WORK_LINE, callee=Callee("fastai", "fit_one_cycle"), share=0.95, model_share=0.2),),
            stacks=SAMPLED,
        )
    ),
    clear(SLEEPING),
    clear(
        run_of(
            ranks=phases(input_wait=1.0, forward=2.0, other_in_step=3.0),
            hot_lines=(
                replace(WORK_LINE, callee=Callee("torch", "Linear"), stack=(Place(MODULE_PY, 9, "Module._call_impl"),)),
            ),
            stacks=SAMPLED,
        )
    ),
    # What a sampler does is slow-sampler's, what happens between the epochs epoch-end's.
    clear(run_of(ranks=phases(input_wait=7.0, other_in_step=3.0), hot_lines=(SAMPLER_LINE,), stacks=SAMPLED)),
    clear(
        run_of(
            ranks=phases(input_wait=1.0, forward=2.0, between_loops=2.5),
            hot_lines=(replace(WORK_LINE, activity="between loops", seconds=2.5),),
            stacks=SAMPLED,
        )
    ),
    clear(run_of(ranks=phases(input_wait=1.0, forward=5.0, other_in_step=0.1), hot_lines=(WORK_LINE,), stacks=SAMPLED)),
    clear(
        run_of(
            ranks=phases(input_wait=1.0, forward=2.0, other_in_step=3.0),
            hot_lines=(
                make_hot_line(
                    process_role="trainer", activity="step", source="time.sleep(x)", sleeps=True, blocked_share=0.95
                ),
            ),
            stacks=SAMPLED,
        )
    ),
    clear(FED),
    clear(
        own_loop(
            MODEL_LINE, replace(MODEL_LINE, line=9, stack=(Place("/v/torch/nn/functional.py", 3, "cross_entropy"),))
        )
    ),
    unknown(no_loader(), "a measured loop over a DataLoader"),
    unknown(run_of(ranks=phases(input_wait=1.0, other_in_step=3.0)), "stack samples of the training process"),
    unknown(
        own_loop(WORK_LINE, BACKWARD_LINE),
        "no nn.Module frames were sampled, so model time is unknown",
    ),
    unknown(
        replace(READING, devices=(make_device(),)),
        "no nn.Module frames were sampled, so model time is unknown",
    ),
    fires(
        traced_by({"host_code": 0.4}, GpuGain("host_code", 1.25, 1.0, 1.667)),
        "warning",
        "the GPU is idle for 40% of its time while the host runs code that launches nothing",
        confidence="medium",
        speedup=1.25,
    ),
    clear(traced_by({"host_code": 0.1})),
    # A pause in one step.
    clear(traced_by({"host_code": 0.6}, in_largest_step={"host_code": 0.95})),
    unknown(UNMEASURED, NOT_MEASURABLE),
)
