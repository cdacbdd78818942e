"""Profiles, and what the rule says of them."""

from __future__ import annotations

from dataclasses import replace

from gpuwatch.diagnosis.examples.cases import clear, fires, unknown
from gpuwatch.diagnosis.examples.parts import make_sampler
from gpuwatch.diagnosis.examples.runs import (
    EAGER_LINE,
    HIDDEN,
    SAMPLED,
    SAMPLER_LINE,
    STARVED,
    epochs,
    no_loader,
    phases,
    run_of,
    sampler_run,
)

CASES = (
    fires(
        sampler_run(),
        "critical",
        "Groups takes 20 ms for each batch (66% of the loop), in the training process while the workers wait for indices, most of it at line 48: histogram(w)",
        where="/home/me/project/data.py:48",
        speedup=2.961,
    ),
    # Without samples the class is the place; without workers the time is part of the same wait.
    fires(
        sampler_run(hot_lines=()),
        "critical",
        "Groups takes 20 ms for each batch (66% of the loop), in the training process while the workers wait for indices",
        where="/home/me/project/data.py:30",
        speedup=2.961,
    ),
    fires(
        sampler_run(workers=0, hot_lines=()),
        "critical",
        "Groups takes 20 ms for each batch (66% of the loop), in the training process",
        where="/home/me/project/data.py:30",
        speedup=2.786,
    ),
    # torch's own sampler has no line of the user's.
    fires(
        sampler_run(hot_lines=(), sampler=make_sampler(name="WeightedRandomSampler", where=None)),
        "critical",
        "WeightedRandomSampler takes 20 ms for each batch (66% of the loop), in the training process while the workers wait for indices",
        where="/home/me/project/train.py:40",
        speedup=2.961,
    ),
    # Each epoch begins with it.
    fires(
        epochs(5, 2.0, 200, sampler=make_sampler(seconds=0.1, ms_per_batch=0.1, start_seconds=(1.9,) * 5, share=0.6)),
        "critical",
        "each epoch begins with 1.9 s of Groups (60% of the loop), in the training process while the workers wait for indices",
        where="/home/me/project/data.py:30",
        speedup=1.616,
    ),
    # It draws them all where the iterator is made: no request is measured.
    fires(
        replace(
            epochs(
                5, 2.0, 200, sampler=make_sampler(seconds=0.1, ms_per_batch=0.1, start_seconds=(0.0,) * 5, share=0.01)
            ),
            hot_lines=(replace(EAGER_LINE, seconds=7.6),),
            stacks=SAMPLED,
        ),
        "critical",
        "each epoch begins with 1.9 s of Groups (32% of the loop), in the training process while the workers wait for indices, most of it at line 48: histogram(w)",
        where="/home/me/project/data.py:48",
        speedup=1.616,
    ),
    # A recording without the measurement: samples alone.
    fires(
        run_of(ranks=phases(input_wait=7.0, forward=3.0), hot_lines=(SAMPLER_LINE,), stacks=SAMPLED),
        "critical",
        "the loader's sampler takes 70% of the loop, in the training process while the workers wait for indices, most of it at line 48: histogram(w)",
        confidence="medium",
        where="/home/me/project/data.py:48",
        speedup=3.333,
    ),
    clear(sampler_run(sampler=make_sampler(seconds=0.05, ms_per_batch=0.05, share=0.01))),
    clear(
        replace(HIDDEN, primary=replace(HIDDEN.primary, sampler=make_sampler(share=0.02)) if HIDDEN.primary else None)
    ),
    unknown(STARVED, "the time in the loader's sampler"),
    unknown(no_loader(), "a measured loop over a DataLoader"),
)
