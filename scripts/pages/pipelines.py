"""docs/pipelines.md, with the places of the libraries that are measured."""

from __future__ import annotations

from collections import defaultdict

from gpuwatch.words.pipelines import PIPELINES

HEAD = """\
# Input pipelines beside torch's DataLoader

`gpuwatch run` measures the input wait of these, too: how long the training loop waits in each step for its next batch, by a
clock at the place where the batch is handed over. Nothing has to be named or changed.

"""
TAIL = """
A library is patched when the training imports it, and only then. An iterator of a library inside a DataLoader's dataset is part
of that loader's fetch, not a loop of its own.

## A wrapper round a DataLoader

An iterator round a DataLoader (the wrappers above, or a class of your own with `__next__`) counts as input until it has handed its
batch to the loop. The card says which part of each step the wrapper's own code takes in the training process, and at which
line: the wait for the loader inside is not that. More workers do not shorten it.

## Name your own

A queue, a replay memory, a generator or a server's request loop that no table knows:

```console
$ gpuwatch run --input mypackage.data:Feeder.__next__ -- python train.py
$ gpuwatch run --input mypackage.data:batches -- python train.py
```

`module:Class.__next__`, `module:Class.method` (each call is one batch) or `module:function` (each call, or what a generator
function yields). It works for what a module defines. In the script itself, name the iterator:

```python
import gpuwatch

for batch in gpuwatch.input(batches()):
    train(batch)
```

A loop without a torch optimizer (JAX, TensorFlow, inference) says where a step ends:

```python
for request in gpuwatch.input(requests):
    answer(request)
    gpuwatch.step()
```

Both do nothing without `gpuwatch run`.

## A loop that names nothing

Where there is neither a DataLoader nor any of these, stack samples tell: which share of the step's samples lies outside the model,
its backward pass and its optimizer in code whose result the model is called with, and at which line. The verdict is then never
surer than `medium`, and the interval is that of the samples: [how it works](how-it-works.md), [limits](limits.md).

## Measured

`scripts/compat` runs a small training over each of these libraries that its Python has, bare and under gpuwatch, and compares the
wait that gpuwatch reports with the training's own clock. `scripts/compat --make 3.11:2.8` makes an environment for it.
"""


def page() -> str:
    """Return the page."""
    places: dict[str, list[str]] = defaultdict(list)
    for pipeline in PIPELINES:
        each = f"`{pipeline.on}.{pipeline.place}`" + (" and its subclasses" if pipeline.subclasses else "")
        places[pipeline.library].append(each)
    rows = "".join(f"| {library} | {', '.join(each)} |\n" for library, each in sorted(places.items()))
    return f"{HEAD}| library | batches come through |\n| --- | --- |\n{rows}{TAIL}"
