"""Signals at awkward moments: during the imports, in C code, in destructors."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from pythia_cli.cli import interrupts
from tests.cli.running import MODULE, Pythia, without_model_lines

Start = Callable[..., "subprocess.Popen[bytes]"]


def heeds_sigterm(pid: int) -> bool:
    """Whether the process has a handler for it: Python alone has none."""
    status = Path(f"/proc/{pid}/status").read_text()
    (caught,) = [line for line in status.splitlines() if line.startswith("SigCgt:")]
    return bool(int(caught.split()[1], 16) >> (signal.SIGTERM - 1) & 1)


@pytest.mark.skipif(sys.platform != "linux", reason="/proc shows when the command has started")
@pytest.mark.parametrize("milliseconds", [0, 10, 30, 60, 100, 150, 250])
@pytest.mark.parametrize(
    ("number", "status"),
    [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)],
    ids=["INT", "TERM", "HUP"],
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


SIGNALS = pytest.mark.parametrize(
    ("number", "status"),
    [("SIGINT", 130), ("SIGTERM", 143), ("SIGHUP", 129)],
    ids=["INT", "TERM", "HUP"],
)
DYING = """
class Dying:
    def __del__(self):
        os.kill(os.getpid(), NUMBER)
        [0 for _ in range(1000)]
dying = Dying()
del dying
"""
DROPPING = """
try:
    os.kill(os.getpid(), NUMBER)
    [0 for _ in range(1000)]
except BaseException:
    pass
"""
WRAPPING = """
try:
    os.kill(os.getpid(), NUMBER)
    [0 for _ in range(1000)]
except BaseException as error:
    raise ImportError("numpy._core.multiarray failed to import") from error
"""
PRINTING = """
import ctypes
ctypes.pythonapi.PyRun_SimpleString(
    b"import os, signal; os.kill(os.getpid(), NUMBER); [0 for _ in range(1000)]"
)
"""


@SIGNALS
@pytest.mark.parametrize(
    "code", [DYING, DROPPING, WRAPPING, PRINTING], ids=["drop", "catch", "wrap", "print"]
)
def test_a_signal_that_other_code_loses_comes_again(
    pythia: Pythia, number: str, status: int, code: str
) -> None:
    """Destructors and C code drop exceptions, wrap or print them; the command would go on."""
    script = f"""if True:
        import os, signal, time
        from pythia_cli.cli import app
        def lose(arguments=None):
            exec({code.replace("NUMBER", f"signal.{number}")!r}, dict(os=os, signal=signal))
            time.sleep(10)
        app.run = lose
        app.main()
    """
    done = pythia(command=(sys.executable, "-c", script), status=status)
    assert (done.out, done.err) == ("", "")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_that_python_has_not_handled_yet_is_sent_again(
    monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """In long C code only its number is known. SIGINT may be ignored, so a guess would not do."""
    sent: list[int] = []
    leaving = threading.Event()

    def send(number: int) -> None:
        sent.append(number)
        leaving.set()

    monkeypatch.setattr(interrupts, "_leaving", leaving)
    monkeypatch.setattr(interrupts, "_AGAIN_SECONDS", 0.01)
    monkeypatch.setattr(interrupts, "_send_again", send)
    reader, writer = os.pipe()
    os.write(writer, bytes([number]))
    os.close(writer)
    interrupts._watch(reader)
    os.close(reader)
    assert sent == [number]


@SIGNALS
def test_many_signals_end_as_one(start: Start, number: str, status: int) -> None:
    for milliseconds in (80, 150, 300):
        process = start("generate", "x", "-n", "500", "--ignore-eos", "--num-samples", "100")
        while not heeds_sigterm(process.pid):
            time.sleep(0.001)
        time.sleep(milliseconds / 1000)
        for _ in range(5):
            process.send_signal(getattr(signal, number))
            time.sleep(0.002)
        _, err = process.communicate(timeout=30)
        assert without_model_lines(err.decode()) == []
        assert process.returncode == status


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


IGNORING = """
import os, signal, sys
signal.signal(signal.SIGINT, signal.SIG_IGN)
signal.signal(signal.SIGHUP, signal.SIG_IGN)
os.execv(sys.argv[1], sys.argv[1:])
"""


@pytest.mark.parametrize("milliseconds", [0, 50, 150, 300])
def test_what_was_ignored_from_the_start_stays_ignored(
    pythia: Pythia, tmp_path: Path, milliseconds: int
) -> None:
    """As under nohup, and for `pythia ... &` in a script."""
    command = [sys.executable, "-c", IGNORING, *MODULE, "generate", "It was", "-n", "400"]
    with (tmp_path / "out").open("wb") as out:
        process = subprocess.Popen(
            [*command, "--seed", "1", "--ignore-eos"],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.PIPE,
            env=pythia.environment(),
        )
        while process.poll() is None and not heeds_sigterm(process.pid):
            time.sleep(0.001)
        time.sleep(milliseconds / 1000)
        for _ in range(3):
            process.send_signal(signal.SIGINT)
            process.send_signal(signal.SIGHUP)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 0
    assert without_model_lines(err.decode()) == []
    assert (tmp_path / "out").read_bytes().endswith(b"\n")


def test_terminating_works_while_interrupts_are_ignored(pythia: Pythia) -> None:
    command = [sys.executable, "-c", IGNORING, *MODULE, "generate", "It was", "-n", "400"]
    process = subprocess.Popen(
        [*command, "--num-samples", "100"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        env=pythia.environment(),
    )
    while not heeds_sigterm(process.pid):
        time.sleep(0.001)
    process.terminate()
    assert process.wait(60) == 143
