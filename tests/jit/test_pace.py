"""The number of threads: fewer while the machine is busy, then all again."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pythia_cli.jit.pace import Pace

RUN, TICK = 0.005, 1 / 64  # seconds
STEP = 1 / 4  # longer than the window; exact in binary


def busy(pace: Pace) -> None:
    """Record a run whose slowest thread had no processor for half of the time."""
    pace.ran(STEP, [0.0, STEP / 2])


def quiet_until_change(pace: Pace) -> float:
    """Record quiet runs until n_ranks changes, at most four minutes. Returns the seconds."""
    before, n_steps = pace.n_ranks, 0
    while pace.n_ranks == before and n_steps < 240 / STEP:
        pace.ran(STEP, [0.0])
        n_steps += 1
    return n_steps * STEP


def test_all_run_at_first_and_while_the_machine_is_quiet() -> None:
    pace = Pace(6)
    assert pace.n_ranks == 6
    for lost in (0.0, 0.1, 0.15):
        pace.ran(1.0, [lost])
        assert pace.n_ranks == 6


def test_half_of_them_pause_each_time_the_machine_is_busy() -> None:
    pace = Pace(7)
    found = []
    for _ in range(2):
        busy(pace)
        found.append(pace.n_ranks)
    assert found == [3, 1]


def test_they_resume_by_doubling() -> None:
    pace = Pace(6)
    busy(pace), busy(pace)
    assert pace.n_ranks == 1
    for expected in (2, 4, 6):
        assert quiet_until_change(pace) == 0.25
        assert pace.n_ranks == expected
    assert quiet_until_change(pace) == 240


def test_they_pause_longer_each_time_they_resumed_too_soon() -> None:
    pace = Pace(2)
    busy(pace)
    rests = []
    for _ in range(7):
        rests.append(quiet_until_change(pace))
        assert pace.n_ranks == 2
        busy(pace)
        assert pace.n_ranks == 1
    assert rests == [0.25, 0.5, 1.0, 2.0, 4.0, 4.0, 4.0]


def test_a_quiet_period_resets_the_pause() -> None:
    pace = Pace(2)
    for _ in range(3):
        busy(pace)
        quiet_until_change(pace)
    pace.ran(1.0, [0.0])  # on all threads, for long enough that it was not too soon
    busy(pace)
    assert pace.n_ranks == 1
    assert quiet_until_change(pace) == 0.25


def test_short_runs_are_added_up_to_a_window() -> None:
    pace = Pace(4)
    for _ in range(12):
        pace.ran(1 / 64, [1 / 64])
        assert pace.n_ranks == 4, "a moment of load does not count as busy"
    pace.ran(1 / 64, [1 / 64])
    assert pace.n_ranks == 2


def test_one_rank_never_changes() -> None:
    pace = Pace(1)
    for lost in (1.0, 0.0) * 10:
        pace.ran(1.0, [lost])
        assert pace.n_ranks == 1


def run_with_coarse_clocks(pace: Pace, share: float) -> None:
    """Record 20 s of short runs. Two threads have a processor for `share` of the time.

    As on Windows: a thread's time is counted in 64ths of a second, of which a run is a fraction.
    """
    cpu, counted = [0.0, 0.007], [0.0, 0.0]
    for _ in range(4000):
        lost = []
        for rank in range(2):
            cpu[rank] += share * RUN
            now = cpu[rank] // TICK * TICK
            lost.append(RUN - (now - counted[rank]))
            counted[rank] = now
        pace.ran(RUN, lost)


@pytest.mark.parametrize("share", [1.0, 0.9])
def test_a_coarse_clock_does_not_look_like_load(share: float) -> None:
    pace = Pace(2, tick=TICK)
    changes: list[int] = []
    pace._change = lambda n_ranks, grew: changes.append(n_ranks)  # type: ignore[method-assign]
    run_with_coarse_clocks(pace, share)
    assert changes == []


def test_load_is_seen_with_a_coarse_clock() -> None:
    pace = Pace(2, tick=TICK)
    changes: list[int] = []
    pace._change = lambda n_ranks, grew: changes.append(n_ranks)  # type: ignore[method-assign]
    run_with_coarse_clocks(pace, 0.5)
    assert set(changes) == {1}
    assert len(changes) > 30, "in every window"


@given(
    most=st.integers(1, 64),
    runs=st.lists(st.tuples(st.floats(0, 5), st.floats(0, 1)), max_size=60),
)
def test_n_ranks_is_always_from_one_to_most(most: int, runs: list[tuple[float, float]]) -> None:
    pace = Pace(most)
    for wall, share in runs:
        before = pace.n_ranks
        pace.ran(wall, [share * wall])
        assert 1 <= pace.n_ranks <= most
        assert pace.n_ranks in {before, before // 2, 2 * before, most}
