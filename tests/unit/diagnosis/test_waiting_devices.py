"""A GPU that is busy with waiting is told by its power and its SMs, never by its busy share."""

from __future__ import annotations

from dataclasses import replace

from gpuwatch.diagnosis.examples.parts import make_device
from gpuwatch.diagnosis.examples.runs import ranks, run_of
from gpuwatch.diagnosis.waiting_devices import waiting_devices
from gpuwatch.judged_report import report_of
from gpuwatch.model.profile import Profile

SPINS = make_device(index=1, busy=1.0, sm_active=0.03, power_w=196.0, power_limit_w=700.0, ranks=(1,))
LOADS = make_device(index=0, busy=0.35, sm_active=0.3, power_w=350.0, power_limit_w=700.0, ranks=(0,))


def one_loads() -> Profile:
    """Return two ranks of which the first waits for its data, and the other one for it, on a GPU that is always busy."""
    return replace(run_of(ranks=ranks((25.0, 5.0), (25.0, 20.0))), devices=(LOADS, SPINS))


def test_a_gpu_that_spins_in_an_exchange_is_waiting_and_not_short_of_work() -> None:
    report = report_of(one_loads())
    straggler = next(finding for finding in report.findings if finding.id == "straggler-rank")
    assert straggler.rank == 0
    (told,) = (evidence for evidence in straggler.evidence if "GPU" in evidence.metric)
    assert (told.metric, told.value) == ("GPU 1 busy, yet waiting", 1.0)
    assert told.note == "28% of its power limit, 3% of its SMs active"
    assert "low-sm-activity" not in {finding.id for finding in report.findings}


def test_power_tells_where_the_gpu_has_no_sm_activity() -> None:
    plain = replace(SPINS, sm_active=None)
    works = replace(plain, power_w=600.0)
    assert [len(waiting_devices(replace(one_loads(), devices=(one,)), 0)) for one in (plain, works)] == [1, 0]
    assert not waiting_devices(replace(one_loads(), devices=(replace(plain, power_w=None),)), 0)
