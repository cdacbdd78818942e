"""Ranks find the same moments to sample their steps in, whatever their clocks say and their own sampling costs."""

from __future__ import annotations

from gpuwatch.hook.trainer.common_moments import next_moment

MS = 1_000_000
WALL = 1_795_000_000_000 * MS


def moments(pause_ms: int, seconds: int, mono_ns: int = 0, wall_ns: int = WALL) -> list[int]:
    """Return the moments of a rank by the wall clock."""
    found, at = [], mono_ns
    while at < mono_ns + seconds * 1000 * MS:
        at = next_moment(at, pause_ms * MS, wall_ns + at - mono_ns)
        found.append(wall_ns + at - mono_ns)
    return found


def test_ranks_of_one_pace_sample_at_once_whenever_their_clocks_began() -> None:
    assert moments(100, 60)[1:] == [at for at in moments(100, 60, mono_ns=77_777 * MS) if at > moments(100, 60)[0]]


def test_a_rank_that_samples_seldom_does_it_when_the_others_do() -> None:
    often, seldom = set(moments(100, 60)), set(moments(800, 60))
    assert 20 < len(seldom) < len(often) / 2
    assert len(seldom & often) >= 0.75 * len(seldom)


def test_moments_follow_no_rhythm() -> None:
    gaps = {after - before for before, after in zip(moments(100, 60), moments(100, 60)[1:], strict=False)}
    assert len(gaps) > 150
    assert all(70 * MS <= gap <= 500 * MS for gap in gaps)
