"""A block that one thread at a time may enter."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from pythia_cli.errors import UsageError
from pythia_cli.system.one_thread import OneThread


def elsewhere(call: Callable[[], Any]) -> Any:
    """What the call gives in another thread."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(call).result()


def enter(one_thread: OneThread) -> None:
    with one_thread:
        pass


def test_a_second_thread_is_refused() -> None:
    one_thread = OneThread()
    with one_thread:
        with one_thread:
            enter(one_thread)
        with pytest.raises(UsageError, match="in use by another thread; open one for each"):
            elsewhere(lambda: enter(one_thread))
    elsewhere(lambda: enter(one_thread))


def test_it_is_left_by_any_exception() -> None:
    one_thread = OneThread()
    with pytest.raises(KeyboardInterrupt), one_thread:
        raise KeyboardInterrupt
    elsewhere(lambda: enter(one_thread))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_child_forked_while_another_thread_is_inside() -> None:
    one_thread, inside, may_leave = OneThread(), threading.Event(), threading.Event()

    def stay() -> None:
        with one_thread:
            inside.set()
            assert may_leave.wait(60)

    thread = threading.Thread(target=stay)
    thread.start()
    assert inside.wait(60)
    child = os.fork()
    if child == 0:
        status = 1
        try:
            enter(one_thread)
            enter(one_thread)
            status = 0
        finally:
            os._exit(status)
    assert os.waitpid(child, 0)[1] == 0
    with pytest.raises(UsageError):
        enter(one_thread)
    may_leave.set()
    thread.join()
    enter(one_thread)
