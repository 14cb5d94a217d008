"""Signals at awkward moments: during the imports, in LLVM's work, in destructors."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from pythia_cli.cli.interrupts import apart
from tests.cli.running import Pythia, without_model_lines

Start = Callable[..., "subprocess.Popen[bytes]"]


def heeds_sigterm(pid: int) -> bool:
    """Whether the process has a handler for it: Python alone has none."""
    status = Path(f"/proc/{pid}/status").read_text()
    (caught,) = [line for line in status.splitlines() if line.startswith("SigCgt:")]
    return bool(int(caught.split()[1], 16) >> (signal.SIGTERM - 1) & 1)


@pytest.mark.skipif(sys.platform != "linux", reason="/proc tells when the command has begun")
@pytest.mark.parametrize("milliseconds", [0, 10, 30, 60, 100, 150, 250])
@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["INT", "TERM"]
)
def test_from_the_first_import_on(
    start: Start, number: int, status: int, milliseconds: int
) -> None:
    process = start("generate", "x", "-n", "500", "--ignore-eos", "--num-samples", "100")
    deadline = time.monotonic() + 30
    while not heeds_sigterm(process.pid):
        assert time.monotonic() < deadline
        time.sleep(0.001)
    time.sleep(milliseconds / 1000)
    process.send_signal(number)
    _, err = process.communicate(timeout=30)
    assert without_model_lines(err.decode()) == []
    assert process.returncode == status


def test_apart_gives_what_was_made_and_raises_what_was_raised() -> None:
    assert apart(lambda: threading.current_thread().name) == "pythia-apart"
    error = KeyError("no")

    def fail() -> None:
        raise error

    with pytest.raises(KeyError) as raised:
        apart(fail)
    assert raised.value is error


def test_an_interrupt_ends_the_waiting_and_leaves_the_work_alone() -> None:
    go_on, finished = threading.Event(), threading.Event()

    def work() -> None:
        signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)  # type: ignore[arg-type]
        go_on.wait(30)
        finished.set()

    with pytest.raises(KeyboardInterrupt):
        apart(work)
    assert not finished.is_set()
    go_on.set()
    assert finished.wait(30)


@pytest.mark.parametrize("kind", ["KeyboardInterrupt", "Terminated"])
def test_an_interrupt_in_a_destructor_comes_again(pythia: Pythia, kind: str) -> None:
    """Python tells of it and goes on; the command would never end."""
    script = f"""if True:
        import time
        from pythia_cli.cli import interrupts
        from pythia_cli.cli.errors import Terminated
        interrupts.take()
        class Dying:
            def __del__(self):
                raise {kind}
        try:
            dying = Dying()
            del dying
            time.sleep(3)
        except {kind}:
            print("again")
    """
    done = pythia(command=(sys.executable, "-c", script))
    assert (done.out, done.err) == ("again\n", "")


@pytest.mark.parametrize("status", [130, 143])
def test_leaving_after_an_interrupt_waits_for_no_thread(pythia: Pythia, status: int) -> None:
    script = f"""if True:
        import threading, time
        from pythia_cli.cli import interrupts
        threading.Thread(target=time.sleep, args=(60,)).start()
        interrupts.leave({status})
    """
    done = pythia(command=(sys.executable, "-c", script), status=status)
    assert done.err == ""
