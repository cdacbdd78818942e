"""Where a loop without a DataLoader gets its next batch: by the source around its model, and by the samples that leave it."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from gpuwatch.analyze.lines.feeding import OwnLoop, find_feed
from gpuwatch.analyze.lines.frames import Frame
from gpuwatch.analyze.lines.samples import Sample
from gpuwatch.model.hot_lines import INPUT
from gpuwatch.model.loader_profile import Feed

SITE = "/v/lib/python3.11/site-packages"
PYTHON = "/usr/lib/python3.11"
BACKWARD = (
    Frame("Tensor.backward", f"{SITE}/torch/_tensor.py", 623),
    Frame("_engine_run_backward", f"{SITE}/torch/autograd/graph.py", 1113),
)
MODULE = (
    Frame("Module._wrapped_call_impl", f"{SITE}/torch/nn/modules/module.py", 1787),
    Frame("Module._call_impl", f"{SITE}/torch/nn/modules/module.py", 1798),
)
SGD = (Frame("SGD.step", f"{SITE}/torch/optim/sgd.py", 114),)
SLEEPS = "time.sleep(0.1)"
ON_CPU = OwnLoop()


class Script:
    """A source file, and stacks at its lines: each named by a mark in a comment at the line's end."""

    def __init__(self, path: Path, text: str) -> None:
        path.write_text(textwrap.dedent(text))
        self.file = str(path)
        lines = path.read_text().splitlines()
        self._at = {line.rpartition("# ")[2].strip(): number for number, line in enumerate(lines, 1) if "# " in line}
        self._samples: list[Sample] = []

    def at(self, *places: tuple[str, str], then: tuple[Frame, ...] = (), weight: int = 100, begin: int = 0) -> Script:
        """Add samples at places, each a function and the mark of a line, with frames below them."""
        stack = (*(Frame(function, self.file, self._at[mark]) for function, mark in places), *then)
        tenths = tuple((begin + at, 5) for at in range(weight // 5))
        last = stack[-1]
        self._samples.append(
            Sample(
                7,
                "trainer",
                "step",
                last.file,
                last.line,
                last.function,
                None,
                None,
                stack,
                float(weight),
                weight / 50,
                0.0,
                None,
                tenths=tenths,
            )
        )
        return self

    def loop(self, *places: tuple[str, str]) -> Script:
        """Add the samples of a model that is called and trained at these places."""
        self.at(*places, then=MODULE)
        self.at(*places, then=BACKWARD)
        return self.at(*places, then=SGD)

    def feed(self, about: OwnLoop = ON_CPU) -> tuple[list[bool], Feed]:
        """Return of each sample whether it gets the next batch, and the share."""
        activities, feed = find_feed(self._samples, about)
        return [activity == INPUT for activity in activities], feed

    def gets(self) -> list[bool]:
        """Return of the samples beside the model's whether each gets the next batch."""
        return self.feed()[0][3:]


@pytest.fixture
def script(tmp_path: Path) -> Callable[[str], Script]:
    return lambda text: Script(tmp_path / "train.py", text)


FOR = """
    def words(texts):
        for text in texts:
            yield encode(text)  # encodes

    def train():
        for step, x in enumerate(words(TEXTS)):  # header
            model(x).backward()  # model
            log(step)  # logs
"""


def test_what_is_called_from_the_header_around_the_model_is_input(script: Callable[[str], Script]) -> None:
    one = script(FOR).loop(("train", "model"))
    one.at(("train", "header"), ("words", "encodes")).at(("train", "header")).at(("train", "logs"))
    one.at(("train", "header"), then=(Frame("tqdm.__iter__", f"{SITE}/tqdm/std.py", 1181),))
    assert one.gets() == [True, True, False, True]


def test_its_share_has_the_interval_of_its_samples(script: Callable[[str], Script]) -> None:
    one = script(FOR).loop(("train", "model")).at(("train", "header"), ("words", "encodes"))
    share = one.feed()[1].share
    assert share is not None and (share.median, share.n) == (0.25, 400)
    assert 0.15 < share.low <= 0.22 and 0.28 <= share.high < 0.35
    nothing = script(FOR).loop(("train", "model")).at(("train", "logs")).feed()[1].share
    assert nothing is not None and nothing.median == 0.0 and nothing.high == pytest.approx(0.0095, abs=0.001)


def test_a_thread_that_runs_counts_for_its_cpu_time(script: Callable[[str], Script]) -> None:
    text = FOR.replace("log(step)", SLEEPS)
    one = script(text).loop(("train", "model")).at(("train", "header"), weight=100).at(("train", "logs"), weight=600)
    for ran, share in ((None, 0.1), (0.3, 0.1), (0.6, 0.15)):
        found = one.feed(OwnLoop(ran=ran))[1].share
        assert found is not None and found.median == pytest.approx(share)


def test_a_loop_that_drives_a_generator_of_losses_gets_no_batch(script: Callable[[str], Script]) -> None:
    one = script(
        """
        def train(batches):
            for x in batches:  # header
                yield step(x)  # model

        def main():
            for loss in train(BATCHES):  # outer
                log(loss)  # logs
        """
    )
    one.loop(("main", "outer"), ("train", "model"))
    one.at(("main", "outer"), ("train", "header")).at(("main", "logs")).at(("main", "outer"))
    assert one.gets() == [True, False, False]


STATEMENTS = {
    "an iterator": ("while True:", "x = next(batches)", True),
    "an iterator in a test": ("while (x := next(batches, None)) is not None:", "pass", None),
    "a queue": ("while True:", "x = self.queue.get()", True),
    "a memory that the model fills": ("for i in range(9):", "x = memory.sample(32)", True),
    "made of a number": ("for i in tqdm(range(9)):", "x = read(i)", True),
    "made of a path": ("for path in sorted(folder.glob('*')):", "x = read(path)", True),
    "made of the batch": ("for batch in batches:", "x = augment(batch)", False),
    "made of what the model returned": ("for i in range(9):", "x = play(y)", False),
    "not given to the model": ("for i in range(9):", "z = read(i)", False),
    "operations on tensors": ("for i in range(9):", "x = torch.randn(9, 9)", False),
    "a look-up": ("for batch in batches:", "x = batch.get('image')", False),
}


@pytest.mark.parametrize(("head", "body", "gets"), STATEMENTS.values(), ids=list(STATEMENTS))
def test_a_statement_before_the_model_that_gets_its_batch_is_input(
    script: Callable[[str], Script], head: str, body: str, gets: bool | None
) -> None:
    one = script(
        f"""
        import torch

        def train():
            {head}  # header
                {body}  # body
                y = model(x)  # model
        """
    )
    one.loop(("train", "model")).at(("train", "header")).at(("train", "body"))
    assert one.gets()[0] is (not head.startswith("while True"))
    assert gets is None or one.gets()[1] is gets


def test_a_function_that_the_loop_calls_may_get_the_batch(script: Callable[[str], Script]) -> None:
    one = script(
        """
        def build():
            return Memory()  # builds

        class Agent:
            def learn(self):
                batch = self.memory.sample(32)  # samples
                self.model(batch).backward()  # model
                self.save()  # saves

        def main():
            agent = build()  # begins
            for i in range(100):
                agent.learn()  # calls
        """
    )
    one.loop(("main", "calls"), ("Agent.learn", "model"))
    one.at(("main", "calls"), ("Agent.learn", "samples")).at(("main", "calls"), ("Agent.learn", "saves"))
    one.at(("main", "begins"), ("build", "builds"))
    assert one.gets() == [True, False, False]


def test_an_argument_of_the_models_call_may_be_the_batch(script: Callable[[str], Script]) -> None:
    one = script(
        """
        def words():
            yield encode()  # encodes

        def score(y):
            return y  # scores

        def train(it):
            while True:
                loss = step(next(it)) + score(1)  # model
        """
    )
    one.loop(("train", "model")).at(("train", "model"), ("words", "encodes")).at(
        ("train", "model"), ("score", "scores")
    )
    assert one.gets() == [True, False]


EVENTS = """
    async def prepare(queue):
        while True:
            await queue.put(resize())  # resizes

    async def serve(queue):
        while True:
            x = await queue.get()
            model(x).backward()  # model

    def main():
        asyncio.run(run())  # runs
"""
EVENT_LOOP = (
    Frame("Runner.run", f"{PYTHON}/asyncio/runners.py", 118),
    Frame("Handle._run", f"{PYTHON}/asyncio/events.py", 80),
)


@pytest.mark.parametrize("awaits", [True, False])
def test_another_task_makes_the_batch_that_is_awaited(script: Callable[[str], Script], awaits: bool) -> None:
    one = script(EVENTS if awaits else EVENTS.replace("await queue.get()", "BATCH"))
    serve = Frame("serve", one.file, one._at["model"])
    for then in (MODULE, BACKWARD, SGD):
        one.at(("main", "runs"), then=(*EVENT_LOOP, serve, *then))
    one.at(("main", "runs"), then=(*EVENT_LOOP, Frame("prepare", one.file, one._at["resizes"])))
    one.at(("main", "runs"), then=(EVENT_LOOP[0], Frame("Selector.select", f"{PYTHON}/selectors.py", 468)))
    assert one.gets() == [awaits, False]


def test_what_waits_for_others_is_handed_over(script: Callable[[str], Script]) -> None:
    waits = (Frame("Queue.get", f"{PYTHON}/queue.py", 171), Frame("Condition.wait", f"{PYTHON}/threading.py", 327))
    one = script(FOR).loop(("train", "model")).at(("train", "header"), then=waits)
    assert one.gets() == [False]
    decodes = (
        Frame("run", f"{PYTHON}/subprocess.py", 550),
        Frame("PollSelector.select", f"{PYTHON}/selectors.py", 415),
    )
    one = script(FOR).loop(("train", "model")).at(("train", "header"), then=decodes)
    assert one.gets() == [True], "a program that it started for the batch"


def test_a_copy_to_the_gpu_may_wait_for_its_work(script: Callable[[str], Script]) -> None:
    one = script(FOR.replace("encode(text)", "text.to(device)"))
    one.loop(("train", "model")).at(("train", "header"), ("words", "encodes"))
    assert one.feed(OwnLoop(on_gpu=False))[0][3] and not one.feed(OwnLoop(on_gpu=True))[0][3]


def test_a_model_that_is_called_for_the_batch_is_part_of_getting_it(script: Callable[[str], Script]) -> None:
    one = script(FOR).loop(("train", "model"))
    one.at(("train", "header"), ("words", "encodes"), then=MODULE)
    assert one.gets() == [True]


def test_an_inference_loop_is_found_by_its_modules(script: Callable[[str], Script]) -> None:
    one = script(FOR.replace(".backward()", "")).at(("train", "model"), then=MODULE)
    one.at(("train", "header"), ("words", "encodes")).at(("train", "logs"))
    assert one.feed()[0] == [False, True, False]


def test_without_a_source_or_a_model_it_is_not_known(script: Callable[[str], Script]) -> None:
    one = script(FOR).loop(("train", "model")).at(("train", "header"))
    gone = [
        s._replace(stack=tuple(f._replace(file="/gone.py") for f in s.stack[:1]) + s.stack[1:]) for s in one._samples
    ]
    assert find_feed(gone, OwnLoop())[1] == Feed(None, "no source")
    assert find_feed(one._samples[3:], OwnLoop())[1] == Feed(None, "no model")
    straight = script("def train():\n    model(read())  # model\n").loop(("train", "model"))
    assert straight.feed()[1] == Feed(None, "no source")
