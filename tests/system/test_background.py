"""Work in a thread that keeps nobody waiting."""

from __future__ import annotations

import subprocess
import sys
import threading
from concurrent.futures import Future

import pytest

from pythia_cli.system import background as module
from pythia_cli.system.background import background

ENDLESS = """
import threading
from pythia_cli.system.background import background
background(threading.Event().wait, "endless")
print("left")
"""


def test_the_result_comes_from_a_thread_of_this_name() -> None:
    assert background(lambda: threading.current_thread().name, "mine").result(60) == "mine"


def test_an_exception_comes_out_where_the_result_is_asked_for() -> None:
    def fail() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        background(fail, "failing").result(60)


def test_the_process_does_not_wait_for_it() -> None:
    command = [sys.executable, "-c", ENDLESS]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "left\n"


def test_a_wait_is_in_steps_and_lasts_until_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where the work itself raises what a wait that is over raises."""
    waited: list[float] = []
    end = threading.Event()

    def wait(futures: list[Future[None]], seconds: float) -> None:
        waited.append(seconds)
        if len(waited) == 3:
            end.set()
            futures[0].exception(60)

    def late() -> None:
        end.wait(60)
        raise TimeoutError("of the work")

    monkeypatch.setattr(module, "wait", wait)
    with pytest.raises(TimeoutError, match="of the work"):
        background(late, "late").result()
    assert waited == [module.STEP_SECONDS] * 3
