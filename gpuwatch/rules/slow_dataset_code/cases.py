"""Profiles, and what the rule says of them."""

from __future__ import annotations

from dataclasses import replace

from gpuwatch.diagnosis.examples.cases import clear, fires, unknown
from gpuwatch.diagnosis.examples.parts import make_device, make_hot_line, make_machine
from gpuwatch.diagnosis.examples.runs import (
    DATASET,
    ENGINE,
    FED,
    FED_BY_PROCESS,
    FEED_LINE,
    HANDED_LINE,
    HIDDEN,
    JITTER,
    LOCKED,
    MODEL_LINE,
    SAMPLED,
    TAKE_TURNS,
    WORK_LINE,
    fed,
    no_loader,
    own_loop,
    run_of,
    with_operations,
)
from gpuwatch.model.measures import Place

RAY = Place("/env/lib/python3.11/site-packages/ray/data/iterator.py", 200, "__iter__")
# Its workers' lines are those of the user's functions alone: they say nothing of its readers.
RAY_LINE = replace(HANDED_LINE, stack=(HANDED_LINE.stack[0], RAY, HANDED_LINE.stack[1]))
BY_RAY = own_loop(MODEL_LINE, RAY_LINE, make_hot_line(source="scale(row)", samples=90))
# A library's dataset is shown where the user makes it.
SERIES = Place("/env/lib/python3.11/site-packages/pytorch_forecasting/data/timeseries.py", 2262, "__getitem__")
MADE_HERE = make_hot_line(line=18, source="training = TimeSeriesDataSet(", makes="TimeSeriesDataSet", below=SERIES)

CASES = (
    fires(
        BY_RAY,
        "critical",
        "40% of each step is spent waiting for Ray Data, which makes the batches in Ray's workers",
        confidence="medium",
        where="/home/me/project/data.py:48",
    ),
    fires(
        with_operations(DATASET),
        "critical",
        "the dataset's own code takes 80% of making a batch",
        where="/home/me/project/data.py:12",
        speedup=1.494,
    ),
    fires(
        with_operations(DATASET, hot_lines=(make_hot_line(),), stacks=SAMPLED),
        "critical",
        'the dataset\'s own code takes 80% of making a batch at line 48: image = Image.open(path).convert("RGB")',
        where="/home/me/project/data.py:48",
        speedup=1.494,
    ),
    fires(
        with_operations(DATASET, hot_lines=(MADE_HERE,), stacks=SAMPLED),
        "critical",
        "the code of pytorch_forecasting's TimeSeriesDataSet takes 80% of making a batch, made at line 18: training ="
        " TimeSeriesDataSet(",
        where="/home/me/project/data.py:18",
        speedup=1.494,
    ),
    fires(
        FED,
        "critical",
        "40% of each step is spent waiting for a thread that makes the batches (or for the interpreter lock it holds), most of it at line 48: tokenise(text)",
        confidence="medium",
        where="/home/me/project/data.py:48",
        speedup=1.645,
    ),
    fires(
        LOCKED,
        "critical",
        "60% of each step is spent waiting for a thread that makes the batches (or for the interpreter lock it holds), most of it at line 48: tokenise(text)",
        confidence="medium",
        where="/home/me/project/data.py:48",
        speedup=2.429,
    ),
    fires(
        FED_BY_PROCESS,
        "critical",
        "40% of each step is spent waiting for a process that makes the batches, most of it at line 48: tokenise(text)",
        confidence="medium",
        where="/home/me/project/data.py:48",
        speedup=1.645,
    ),
    # The loop's own thread makes them; on a machine without an idle core; by waiting for a reply.
    fires(
        fed(0.4, FEED_LINE),
        "critical",
        "40% of each step the training process gets the next batch by itself, most of it at line 48: words = [stem(word) for word in text.split()]",
        where="/home/me/project/data.py:48",
        speedup=1.635,
    ),
    fires(
        fed(0.2, FEED_LINE, machine=make_machine(spare_cores=0.1)),
        "warning",
        "20% of each step the training process gets the next batch by itself, most of it at line 48: words = [stem(word) for word in text.split()]",
        where="/home/me/project/data.py:48",
        speedup=1.241,
    ),
    fires(
        fed(0.12, replace(FEED_LINE, source="page = fetch(url)", blocked_share=0.9)),
        "warning",
        "12% of each step the training process gets the next batch by itself, most of it at line 48: page = fetch(url)",
        confidence="borderline",
        where="/home/me/project/data.py:48",
        speedup=1.132,
    ),
    fires(
        TAKE_TURNS,
        "critical",
        "workers spend 70% of batch time blocked on a lock held by another worker, at line 48: with self.lock:",
        confidence="medium",
        where="/home/me/project/data.py:48",
        speedup=1.493,
    ),
    clear(HIDDEN),
    clear(ENGINE),
    clear(with_operations(JITTER)),
    clear(own_loop(MODEL_LINE, WORK_LINE)),
    # A generator that costs little.
    clear(fed(0.03, replace(FEED_LINE, share=0.03), reach=0.02)),
    clear(replace(LOCKED, devices=(make_device(),))),
    clear(
        own_loop(
            replace(MODEL_LINE, samples=200, source="time.sleep(0.1)", sleeps=True),
            *LOCKED.hot_lines[1:],
            loader={"compute_cpu_share": 0.4},
        )
    ),
    unknown(run_of(loader={"operations": ()}), "times of the operations in a fetch"),
    unknown(no_loader(), "no DataLoader was seen in use"),
    unknown(own_loop(MODEL_LINE, HANDED_LINE), "stack samples of the thread or process that the loop waits for"),
)
