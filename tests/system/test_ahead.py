"""Work in threads ahead of the caller: results in order, errors in their place, an early end."""

from __future__ import annotations

import threading

import pytest

from pythia_cli.errors import ResourceError
from pythia_cli.system import ahead as module
from pythia_cli.system.ahead import Ahead


def test_results_come_in_order() -> None:
    second_is_done = threading.Event()

    def work(n: int) -> int:
        if n == 0:
            assert second_is_done.wait(60)
        else:
            second_is_done.set()
        return n * n

    with Ahead(work, range(20), 2, "squares") as found:
        assert list(found) == [n * n for n in range(20)]
    with Ahead(work, [], 2, "nothing") as none:
        assert list(none) == []


def test_no_more_threads_than_were_asked_for() -> None:
    running = threading.Semaphore(3)

    def work(n: int) -> str:
        assert running.acquire(blocking=False)
        name = threading.current_thread().name
        running.release()
        return name

    with Ahead(work, range(200), 3, "mine") as found:
        assert set(found) == {"mine"}


def test_an_error_is_raised_in_its_place() -> None:
    with Ahead(lambda n: 6 // n, [2, 1, 0, 3], 2, "dividing") as found:
        results = iter(found)
        assert [next(results), next(results)] == [3, 6]
        with pytest.raises(ZeroDivisionError):
            next(results)
        assert list(found) == [2]


def test_leaving_it_ends_the_work() -> None:
    begun, may_end = threading.Event(), threading.Event()
    done: list[int] = []

    def work(n: int) -> None:
        begun.set()
        assert may_end.wait(60)
        done.append(n)

    with Ahead(work, range(5), 1, "waiting") as left:
        assert begun.wait(60)
    may_end.set()
    assert next(iter(left)) is None
    assert done == [0]


@pytest.mark.parametrize("n_possible", [0, 1])
def test_fewer_threads_than_were_asked_for(
    monkeypatch: pytest.MonkeyPatch, n_possible: int
) -> None:
    background, started = module.background, []

    def limited(work: object, name: str) -> None:
        if len(started) == n_possible:
            raise RuntimeError("can't start new thread")
        started.append(name)
        background(work, name)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "background", limited)
    if n_possible == 0:
        with pytest.raises(ResourceError, match="threads: no more can be started"):
            Ahead(str, range(4), 2, "some")
    else:
        with Ahead(str, range(4), 2, "some") as found:
            assert list(found) == ["0", "1", "2", "3"]
