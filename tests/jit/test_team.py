"""The barrier, and a team that works again after exceptions and interrupts."""

from __future__ import annotations

import gc
import os
import queue
import random
import signal
import threading
import time
import weakref
from collections.abc import Iterator, Sequence
from types import SimpleNamespace
from typing import Any

import numba
import numpy as np
import pytest

from pythia_cli.errors import ResourceError, UsageError
from pythia_cli.jit import team as team_module
from pythia_cli.jit.barrier import begin, meet
from pythia_cli.jit.pace import Pace
from pythia_cli.jit.team import ABORTED, ARRIVED, LINE, OWN, Team
from pythia_cli.kernels.structures import Ranks
from pythia_cli.system.background import STEP_SECONDS

either_place = pytest.mark.parametrize("here", [False, True], ids=["threads", "here"])
any_place = pytest.mark.parametrize(
    "place", [{}, {"here": True}, {"here": True, "meets": True}], ids=["threads", "here", "meets"]
)
every_size = pytest.mark.parametrize("n_ranks", [1, 2, 3, 5])


@numba.njit(nogil=True)
def wait_for_all(rank: Any, n_ranks: Any, shared: Any) -> Any:
    ranks = Ranks(rank, n_ranks, shared)
    begin(ranks)
    return meet(ranks, False, shared, LINE)


@numba.njit(nogil=True)
def sum_of_all(rank: Any, n_ranks: Any, shared: Any, cells: Any, sums: Any) -> None:
    """In each round: write the rank's cell, wait, sum all cells, wait."""
    ranks = Ranks(rank, n_ranks, shared)
    begin(ranks)
    for turn in range(sums.shape[0]):
        cells[rank] = turn * (rank + 1)
        if not meet(ranks, False, shared, LINE):
            return
        for other in range(n_ranks):
            sums[turn, rank] += cells[other]
        if not meet(ranks, False, shared, LINE):
            return


def count(rank: int, n_ranks: int, shared: Any, calls: list[tuple[int, int]]) -> None:
    calls.append((rank, n_ranks))


class Steady(Pace):
    """All ranks run, even if the machine is busy during the tests."""

    def ran(self, wall: float, lost: Sequence[float]) -> None:
        assert max(lost) <= wall


@pytest.fixture
def teams(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Makes teams whose threads never pause, and closes them."""
    monkeypatch.setattr(team_module, "Pace", Steady)
    made: list[Team] = []

    def make(n_ranks: int) -> Team:
        made.append(Team(n_ranks))
        return made[-1]

    yield make
    for team in made:
        team.close()


@either_place
@every_size
def test_every_rank_runs_once(teams: Any, n_ranks: int, here: bool) -> None:
    calls: list[tuple[int, int]] = []
    teams(n_ranks).run(count, calls, here=here)
    assert sorted(calls) == [(rank, n_ranks) for rank in range(n_ranks)]


@either_place
@every_size
def test_after_a_barrier_each_rank_sees_all_writes(teams: Any, n_ranks: int, here: bool) -> None:
    team, n_turns = teams(n_ranks), 300
    for _ in range(2):
        cells, sums = np.zeros(n_ranks, np.int64), np.zeros((n_turns, n_ranks), np.int64)
        team.run(sum_of_all, cells, sums, here=here)
        one_sum = np.arange(n_turns) * n_ranks * (n_ranks + 1) // 2
        np.testing.assert_array_equal(sums, np.repeat(one_sum[:, None], n_ranks, axis=1))


@any_place
@pytest.mark.parametrize("n_ranks", [2, 3])
@pytest.mark.parametrize("error", [ValueError("boom"), KeyboardInterrupt(), SystemExit(3)])
def test_an_exception_on_one_rank_frees_the_others(
    teams: Any, n_ranks: int, error: BaseException, place: dict[str, bool]
) -> None:
    team = teams(n_ranks)
    for failing in range(n_ranks):
        freed: list[bool] = []
        begun = threading.Barrier(n_ranks)  # after an abort, a rank that has not begun never runs

        def fail_or_wait(
            rank: int,
            n_ranks: int,
            shared: Any,
            failing: int = failing,
            freed: list[bool] = freed,
            begun: threading.Barrier = begun,
        ) -> None:
            begun.wait()
            if rank == failing:
                raise error
            freed.append(not wait_for_all(rank, n_ranks, shared))

        with pytest.raises(type(error)) as raised:
            team.run(fail_or_wait, **place)
        assert raised.value is error
        assert freed == [True] * (n_ranks - 1)

        calls: list[tuple[int, int]] = []
        team.run(count, calls)
        assert sorted(calls) == [(rank, n_ranks) for rank in range(n_ranks)]
        cells, sums = np.zeros(n_ranks, np.int64), np.zeros((20, n_ranks), np.int64)
        team.run(sum_of_all, cells, sums)
        assert sums[-1].tolist() == [19 * n_ranks * (n_ranks + 1) // 2] * n_ranks


@either_place
def test_exceptions_on_all_ranks_raise_one(teams: Any, here: bool) -> None:
    team = teams(3)
    begun = threading.Barrier(3)

    def fail(rank: int, n_ranks: int, shared: Any) -> None:
        begun.wait()
        raise ValueError(rank)

    with pytest.raises(ValueError, match="0"):
        team.run(fail, here=here)
    calls: list[tuple[int, int]] = []
    team.run(count, calls)
    assert len(calls) == 3


def test_a_team_works_after_an_interrupt_while_others_finish(teams: Any) -> None:
    """Ctrl-C may come when one rank has already finished."""
    team = teams(2)
    finished: list[int] = []

    def interrupt_the_caller(rank: int, n_ranks: int, shared: Any) -> None:
        if rank == 1:
            time.sleep(0.1)
            signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
            time.sleep(0.2)
            finished.append(1)

    with pytest.raises(KeyboardInterrupt):
        team.run(interrupt_the_caller)

    def finish_late(rank: int, n_ranks: int, shared: Any) -> None:
        if rank == 1:
            time.sleep(0.1)
            finished.append(2)

    team.run(finish_late)
    assert finished == [1, 2]


def test_a_wait_is_in_steps_and_lasts_until_the_end() -> None:
    """Steps let an interrupt through that came just before a wait; on Windows, any."""
    waited: list[float | None] = []
    job = team_module._Job(1, count, np.zeros(OWN, np.int64), ([],))

    def get(timeout: float | None = None) -> None:
        waited.append(timeout)
        if len(waited) < 3:
            raise queue.Empty
        job.run(0)

    job._ended = SimpleNamespace(get=get, put=lambda value: None)  # type: ignore[assignment]
    job.wait()
    assert waited == [STEP_SECONDS] * 3


def test_close_ends_the_threads() -> None:
    before = set(threading.enumerate())
    team = Team(4)
    threads = set(threading.enumerate()) - before
    assert len(threads) == 4
    assert all(thread.daemon for thread in threads)
    team.close()
    team.close()
    for thread in threads:
        thread.join(timeout=5)
    assert not any(thread.is_alive() for thread in threads)


def test_the_caller_runs_no_rank(teams: Any) -> None:
    """So the caller can be interrupted while compiled code runs."""
    callers: list[int] = []
    teams(2).run(lambda rank, n_ranks, shared: callers.append(threading.get_ident()))
    assert threading.get_ident() not in callers
    assert len(set(callers)) == 2


def test_the_caller_runs_rank_0_if_it_asks_for_that(teams: Any) -> None:
    callers: dict[int, int] = {}
    teams(2).run(
        lambda rank, n_ranks, shared: callers.update({rank: threading.get_ident()}), here=True
    )
    assert callers[0] == threading.get_ident() != callers[1]


@numba.njit(nogil=True)
def wait_for_the_first(rank: Any, n_ranks: Any, shared: Any) -> Any:
    ranks = Ranks(rank, n_ranks, shared)
    begin(ranks)
    return meet(ranks, True, shared, LINE)


def test_all_wait_for_the_first_which_waits_for_nobody(teams: Any) -> None:
    came: list[int] = []
    late = threading.Event()

    def wait(rank: int, n_ranks: int, shared: Any) -> None:
        if rank == 1:
            late.wait(20)
        if rank == 0:
            time.sleep(0.05)
            came.append(0)
        assert wait_for_the_first(rank, n_ranks, shared)
        if rank > 0:
            came.append(rank)
        if rank == 2:
            late.set()

    teams(3).run(wait)
    assert came == [0, 2, 1]


def test_the_caller_does_not_wait_for_ranks_that_have_met(
    teams: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What they do behind the last barrier is theirs: the pace is updated once they are back."""
    team = teams(2)
    runs: list[list[float]] = []
    monkeypatch.setattr(team._pace, "ran", lambda wall, lost: runs.append(lost))
    back = threading.Event()

    def meet_and_stay(rank: int, n_ranks: int, shared: Any) -> None:
        assert wait_for_all(rank, n_ranks, shared)
        if rank == 1:
            assert back.wait(20)

    team.run(meet_and_stay, here=True, meets=True)
    assert runs == []
    back.set()
    calls: list[tuple[int, int]] = []
    team.run(count, calls)
    assert sorted(calls) == [(0, 2), (1, 2)]
    assert len(runs) == 2
    assert max(runs[0]) < 0.5, "what comes behind the barrier is no time without a processor"


def test_an_exception_behind_the_last_barrier_is_raised_by_the_next_run(teams: Any) -> None:
    team = teams(2)
    left = threading.Event()

    def meet_and_fail(rank: int, n_ranks: int, shared: Any) -> None:
        assert wait_for_all(rank, n_ranks, shared)
        if rank == 1:
            left.wait(20)
            raise MemoryError

    team.run(meet_and_fail, here=True, meets=True)
    left.set()
    with pytest.raises(MemoryError):
        team.run(count, [])
    assert_complete(team)


def test_a_coarse_clock_does_not_pause_ranks_that_met(
    teams: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on Windows: a thread's time is counted in ticks of 1/64 s, and no run loses any."""
    tick = 1 / 64
    clock = SimpleNamespace(
        perf_counter=time.perf_counter,
        thread_time=lambda: time.perf_counter() // tick * tick,
    )
    monkeypatch.setattr(team_module, "time", clock)
    team = teams(2)
    team._pace = Pace(2, tick)
    end = time.monotonic() + 2

    def work(rank: int, n_ranks: int, shared: Any) -> None:
        time.sleep(0.003)
        wait_for_all(rank, n_ranks, shared)

    while time.monotonic() < end:
        team.run(work, here=True, meets=True)
        assert team._pace.n_ranks == 2


@any_place
def test_arguments_are_not_kept(teams: Any, place: dict[str, bool]) -> None:
    """Otherwise a team would keep the memory of a model alive."""
    team = teams(2)
    calls: list[tuple[int, int]] = []
    team.run(count, calls)

    class Big:
        pass

    big = Big()
    gone = weakref.ref(big)
    team.run(lambda rank, n_ranks, shared, _: wait_for_all(rank, n_ranks, shared), big, **place)
    team.run(count, calls)
    del big
    gc.collect()
    assert gone() is None


@numba.njit(nogil=True)
def add_twenty(rank: Any, n_ranks: Any, shared: Any, sums: Any) -> None:
    ranks = Ranks(rank, n_ranks, shared)
    begin(ranks)
    for _ in range(20):
        sums[rank] += 1
        if not meet(ranks, False, shared, LINE):
            return


@any_place
@pytest.mark.parametrize("n_ranks", [1, 2, 4])
def test_interrupts_at_any_moment_lose_no_rank(
    teams: Any, n_ranks: int, place: dict[str, bool]
) -> None:
    """The run after an interrupt is complete, and no rank still works on the interrupted one."""

    class Interrupt(BaseException):
        pass

    def interrupt(number: int, frame: Any) -> None:
        raise Interrupt

    def run_until_interrupted(seconds: float) -> None:
        try:
            # Again after a second: one that is lost must not make the test run for ever.
            signal.setitimer(signal.ITIMER_REAL, seconds, 1.0)
            while True:
                team.run(add_twenty, sums, **place)
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)

    team = teams(n_ranks)
    sums = np.zeros(n_ranks, np.int64)
    team.run(add_twenty, sums)
    draw = random.Random(1)
    before = signal.signal(signal.SIGALRM, interrupt)
    gc.disable()  # it calls functions, as of hypothesis, in which an exception is lost
    try:
        for _ in range(300):
            with pytest.raises(Interrupt):
                run_until_interrupted(draw.uniform(1e-5, 3e-4))
            sums[:] = 0
            team.run(add_twenty, sums, **place)
            assert sums.tolist() == [20] * n_ranks
    finally:
        gc.enable()
        signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize("n_ranks", [1, 2, 3])
def test_an_interrupt_of_the_caller_frees_all_waiting_ranks(teams: Any, n_ranks: int) -> None:
    """The ranks are in compiled code, which sees no signals. More interrupts change nothing."""
    team = teams(n_ranks)
    freed: list[int] = []

    def wait_for_one_more(rank: int, n_ranks: int, shared: Any) -> None:
        assert not wait_for_all(rank, n_ranks + 1, shared)
        time.sleep(0.02)  # more interrupts come meanwhile
        freed.append(rank)

    def interrupt(number: int, frame: Any) -> None:
        if len(freed) < n_ranks:  # a late one would end the test
            raise KeyboardInterrupt

    def interrupt_when_all_wait() -> None:
        main = threading.main_thread().ident
        assert main is not None
        while team.shared[ARRIVED] < n_ranks:
            time.sleep(0.001)
        signal.pthread_kill(main, signal.SIGINT)
        while not team.shared[ABORTED] and len(freed) < n_ranks:
            time.sleep(0.001)
        for _ in range(3):
            signal.pthread_kill(main, signal.SIGINT)

    before = signal.signal(signal.SIGINT, interrupt)
    try:
        for _ in range(3):
            freed.clear()
            interrupting = threading.Thread(target=interrupt_when_all_wait)
            interrupting.start()
            with pytest.raises(KeyboardInterrupt):
                team.run(wait_for_one_more)
            interrupting.join()
            assert sorted(freed) == list(range(n_ranks))
            assert team.shared[ARRIVED] == team.shared[ABORTED] == 0
            assert_complete(team)
    finally:
        signal.signal(signal.SIGINT, before)


def assert_complete(team: Team) -> None:
    """All ranks run, and wait for each other."""
    n_ranks = team.n_ranks
    cells, sums = np.zeros(n_ranks, np.int64), np.zeros((20, n_ranks), np.int64)
    team.run(sum_of_all, cells, sums)
    assert sums[-1].tolist() == [19 * n_ranks * (n_ranks + 1) // 2] * n_ranks


def test_a_second_interrupt_before_the_ranks_are_made_to_leave(
    teams: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    team = teams(3)
    freed: list[int] = []
    leave = team._abort

    def wait_for_one_more(rank: int, n_ranks: int, shared: Any) -> None:
        assert not wait_for_all(rank, n_ranks + 1, shared)
        freed.append(rank)

    def interrupted(*args: Any) -> None:
        monkeypatch.undo()
        raise KeyboardInterrupt

    def interrupted_when_all_wait(job: Any) -> None:
        while team.shared[ARRIVED] < 3:
            time.sleep(0.001)
        monkeypatch.undo()
        monkeypatch.setattr(team, "_abort", interrupted)
        raise KeyboardInterrupt

    monkeypatch.setattr(team_module._Job, "wait", interrupted_when_all_wait)
    with pytest.raises(KeyboardInterrupt):
        team.run(wait_for_one_more)
    assert team._abort == leave
    assert sorted(freed) == [0, 1, 2]
    assert_complete(team)


def ended(child: int, within: float) -> int:
    """The exit status of a child. Kills it, and fails, if it hangs."""
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.005)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    raise AssertionError("the child hangs")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
@pytest.mark.parametrize("n_ranks", [1, 3])
def test_a_forked_child_runs_the_team_and_so_does_the_parent(teams: Any, n_ranks: int) -> None:
    team = teams(n_ranks)

    def all_meet() -> bool:
        cells, sums = np.zeros(n_ranks, np.int64), np.zeros((20, n_ranks), np.int64)
        team.run(sum_of_all, cells, sums)
        return bool((sums[-1] == 19 * n_ranks * (n_ranks + 1) // 2).all())

    assert all_meet()
    for _ in range(2):
        child = os.fork()
        if child == 0:
            status = 1
            try:
                status = 0 if all_meet() and all_meet() else 2
            finally:
                os._exit(status)
        assert all_meet()
        assert ended(child, within=20) == 0
    assert all_meet()


def test_paused_ranks_are_not_counted() -> None:
    """The function gets the number of ranks that run, which may be less than n_ranks."""
    team = Team(4)
    try:
        for n_running in (2, 1):
            team._pace.ran(1.0, [1.0])
            calls: list[tuple[int, int]] = []
            team.run(count, calls)
            assert sorted(calls) == [(rank, n_running) for rank in range(n_running)]
        team._pace.ran(1.0, [0.0])
        cells, sums = np.zeros(4, np.int64), np.zeros((20, 4), np.int64)
        team.run(sum_of_all, cells, sums)
        assert sums[-1].tolist() == [19 * 3] * 2 + [0, 0]
        assert team.n_ranks == 4
    finally:
        team.close()


def test_the_pace_is_updated_after_each_run(teams: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    team = teams(2)
    runs: list[tuple[float, list[float]]] = []
    monkeypatch.setattr(team._pace, "ran", lambda wall, lost: runs.append((wall, lost)))

    def sleep(rank: int, n_ranks: int, shared: Any) -> None:
        if rank == 1:
            time.sleep(0.05)

    team.run(sleep)
    ((wall, (awake, asleep)),) = runs
    assert awake < 0.04 < asleep <= wall, "a thread that sleeps has no processor"


@pytest.mark.parametrize("n_allowed", [0, 3])
def test_a_limit_on_threads(monkeypatch: pytest.MonkeyPatch, n_allowed: int) -> None:
    """The threads that did start end again."""
    start = threading.Thread.start
    started: list[threading.Thread] = []

    def start_some(thread: threading.Thread) -> None:
        if len(started) == n_allowed:
            raise RuntimeError("can't start new thread")
        started.append(thread)
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", start_some)
    with pytest.raises(ResourceError, match=f"only {n_allowed} of 200"):
        Team(200)
    for thread in started:
        thread.join(20)
    assert not any(thread.is_alive() for thread in started)


def test_a_closed_team_refuses_to_run() -> None:
    team = Team(2)
    team.close()
    with pytest.raises(UsageError, match="closed"):
        team.run(count, [])
