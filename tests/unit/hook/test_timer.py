from __future__ import annotations

import json
import math
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


ASLEEP = "time.sleep(0.010)"


def _about(share, draws):
    """Return a share as seen in so many draws, with four standard deviations on either side."""
    return pytest.approx(share, abs=4 * math.sqrt(share * (1 - share) / draws))


@pytest.fixture(params=["lines", "trainer"])
def timed(cases, request):
    """What one process' own clock saw of two lines, and its log: in a worker, and in the trainer."""
    case = cases[request.param]
    (log,) = case.seen.workers("Lines") if request.param == "lines" else [case.seen.trainer]
    return case.told, log


def test_a_tick_stands_for_ten_milliseconds_late_or_not(timed):
    _, log = timed
    fetches, end = log.all("fetch"), log.all("line")[-1]["t"]
    wanted = sum(max(min(fetch["t1"], end) - fetch["t0"], 0) for fetch in fetches) / 10e6
    # 5 to 15 ms apart: a variance of 1/12 a tick; and where a fetch ends a late one may count for what comes next.
    assert sum(_ticks(log).values()) == pytest.approx(wanted, abs=4 * math.sqrt(wanted / 12) + len(fetches))


def test_lines_share_the_ticks_as_they_share_the_time(timed):
    told, log = timed
    ticks = _ticks(log)
    assert _burning(ticks) + ticks[ASLEEP] > 0.9 * sum(ticks.values())
    share = told["asleep"] / (told["asleep"] + told["burning"])
    assert ticks[ASLEEP] / sum(ticks.values()) == _about(share, sum(ticks.values()))


def test_a_sleeping_line_is_told_as_blocked_and_one_that_waits_for_a_core_is_not(timed):
    told, log = timed
    ticks, blocked = _ticks(log), _ticks(log, "blocked")
    # On a busy machine a sleeper that has slept enough waits for a core as well: its own clock saw how long. One whose
    # sleep ends within a millisecond of the tick is not told.
    share = told["asleep blocked"] / told["asleep"]
    assert blocked[ASLEEP] / ticks[ASLEEP] > share - 4 * math.sqrt(share * (1 - share) / ticks[ASLEEP]) - 0.1
    assert _burning(blocked) / _burning(ticks) < told["burning blocked"] / told["burning"] + 0.1


def test_ticks_know_that_the_trainer_waits_for_this_worker(cases):
    told, seen = cases["lines"].told, cases["lines"].seen
    (log,) = seen.workers("Lines")
    ticks, starved, awaited = (sum(_ticks(log, column).values()) for column in ("ticks", "starved", "awaited"))
    share = told["waited"] / told["loop"]
    assert awaited / ticks > share - 4 * math.sqrt(share * (1 - share) / ticks) - 0.05
    assert starved >= awaited
    waited = _ticks(seen.trainer, "ticks", "wait")
    assert max(waited, key=lambda text: waited[text]).startswith("for batch in DataLoader")


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
