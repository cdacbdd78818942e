from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from gpuwatch.hook.lines import in_process_sampler
from tests.unit.hook import observed

pytestmark = pytest.mark.timeout(400)
# Cases that share a process; what exec leaves behind comes last.
GROUPS = (("lines", "rough"), ("trainer", "alarm", "waits", "thread", "execute"), ("failing",))


@dataclass(frozen=True)
class Case:
    """What one case told, in which run of the program."""

    seen: observed.Observed
    told: Any


@pytest.fixture(scope="module")
def cases(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ticking")
    found = {}
    for group in GROUPS:
        seen = observed.run("ticking.py", *group, folder=folder / group[0], GPUWATCH_HOOK="timer")
        told = [json.loads(line) for line in seen.output.splitlines()]
        found.update({name: Case(seen, told[at] if at < len(told) else None) for at, name in enumerate(group)})
    return found


def _ticks(log, column="ticks", activity="fetch"):
    source = (observed.PROGRAMS / "ticking.py").read_text().splitlines()
    sums: dict[str, float] = {}
    for event in log.all("line"):
        if event["file"].endswith("ticking.py") and event["activity"] == activity:
            text = source[event["line"] - 1].strip()
            sums[text] = sums.get(text, 0) + event[column]
    return sums


def _burning(ticks):
    return sum(count for text, count in ticks.items() if "thread_time" in text or text in ("pass", "burn(0.030)"))


@pytest.mark.parametrize("case", ["lines", "trainer"])
def test_lines_share_the_ticks_as_they_share_the_time(cases, case):
    seen = cases[case].seen
    (log,) = seen.workers("Lines") if case == "lines" else [seen.trainer]
    ticks, blocked = _ticks(log), _ticks(log, "blocked")
    asleep = "time.sleep(0.010)"
    main = [fetch for fetch in log.all("fetch") if fetch["t0"] < log.all("line")[-1]["t"]]
    whole = sum(fetch["t1"] - fetch["t0"] for fetch in main)
    assert sum(ticks.values()) == pytest.approx(whole / 10e6, rel=0.2)  # a tick stands for 10 ms, late or not
    assert _burning(ticks) > 1.5 * ticks[asleep]  # 3 to 1, more on a busy machine
    # On a busy machine a sleeper is told late of the tick, and may have slept enough by then.
    assert blocked[asleep] / ticks[asleep] > 3 * _burning(blocked) / _burning(ticks)


def test_ticks_know_that_the_trainer_waits_for_this_worker(cases):
    seen = cases["lines"].seen
    (log,) = seen.workers("Lines")
    ticks, starved, awaited = (_ticks(log, column) for column in ("ticks", "starved", "awaited"))
    assert sum(awaited.values()) > 0.8 * sum(ticks.values())
    assert sum(starved.values()) >= sum(awaited.values())
    waited = _ticks(seen.trainer, "ticks", "wait")
    assert max(waited, key=lambda text: waited[text]).startswith("for _batch in DataLoader")


def test_forks_commands_and_errors_in_a_worker_are_untouched(cases):
    assert cases["rough"].seen.status == 0, cases["rough"].seen.errors
    assert cases["rough"].told == {"ended": "ValueError: last"}


def test_the_users_alarm_stays_the_users(cases):
    told = cases["alarm"].told
    assert told["fired"] == 1 and told["after"] >= 0.1
    assert told["timer"] == 0


def test_interrupted_calls_are_resumed(cases):
    told = cases["waits"].told
    assert told["slept"] >= 0.3
    assert told["read"] == "x" and told["lock"] is True


def test_a_loader_in_another_thread_works(cases):
    assert cases["thread"].told == {"batches": 1}


def test_the_timer_does_not_survive_exec(cases):
    assert cases["execute"].seen.status == 0, cases["execute"].seen.errors
    assert cases["execute"].told == {"survived": True}


def test_a_failing_program_ends_as_it_does_bare(cases):
    seen = cases["failing"].seen
    assert seen.status == 1
    assert seen.errors.rstrip().endswith("RuntimeError: the user's own")
    assert all(cases[name].seen.troubles() == [] for name in cases)


def test_a_control_file_turns_it_on(tmp_path, monkeypatch):
    monkeypatch.delenv("GPUWATCH_HOOK", raising=False)
    monkeypatch.setenv("GPUWATCH_RUN", str(tmp_path))
    assert not in_process_sampler._is_wanted()
    control = Path(tmp_path, "control.json")
    control.write_text('{"timer": true}')
    assert in_process_sampler._is_wanted()
    for other in ('{"timer": false}', "{torn", "[]", ""):
        control.write_text(other)
        assert not in_process_sampler._is_wanted()


def test_it_is_off_unless_asked_for(tmp_path):
    seen = observed.run("one_loader.py", "fork", folder=tmp_path)
    assert [log.all("line") for log in seen.logs] == [[]] * len(seen.logs)
    assert not [log for log in seen.logs if log.meta("timer")]
