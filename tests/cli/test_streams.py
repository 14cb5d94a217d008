"""Closed, full, odd and live standard streams."""

from __future__ import annotations

import os
import pty
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.running import MODULE, Pythia, error_line

Start = Callable[..., "subprocess.Popen[bytes]"]
DRAW = ("generate", "Caf\u00e9", "-n", "6", "--seed", "3")
ESCAPE = b"\x1b"


def shell(redirection: str) -> tuple[str, ...]:
    return ("sh", "-c", f'exec "$@" {redirection}', "sh", *MODULE)


@pytest.mark.parametrize(
    "command", [DRAW, ("checkpoint", "list"), ("--version",), ("perplexity", "-", "--json")]
)
@pytest.mark.parametrize("redirection", [">/dev/full", ">&-"])
def test_stdout_cannot_be_written(
    pythia: Pythia, command: tuple[str, ...], redirection: str
) -> None:
    stdin = b"" if command == DRAW else b"Call me Ishmael."
    result = pythia(*command, command=shell(redirection), status=None, stdin=stdin)
    reason = "No space left on device" if "full" in redirection else "Bad file descriptor"
    assert reason in error_line(result, 7)


def test_stderr_is_closed(pythia: Pythia) -> None:
    expected = pythia(*DRAW, "-q")
    assert pythia(*DRAW, "-v", command=shell("2>&-")) == expected
    assert pythia(*DRAW, "-v", command=shell("2>/dev/full")) == expected
    failed = pythia("generate", "hi", "--top-p", "2", command=shell("2>&-"), status=2)
    assert (failed.stdout, failed.err) == (b"", "")


def test_stdin_is_closed(pythia: Pythia) -> None:
    assert pythia(*DRAW, command=shell("<&-")) == pythia(*DRAW)
    error_line(pythia("generate", command=shell("<&-"), status=None), 2)
    error_line(pythia("perplexity", "-", command=shell("<&-"), status=None), 2)


@pytest.mark.parametrize(
    "env",
    [
        {"LC_ALL": "C"},
        {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
        {"PYTHONIOENCODING": "ascii"},
    ],
)
def test_a_terminal_of_another_age(pythia: Pythia, env: dict[str, str]) -> None:
    """What it cannot show comes as an escape; the text that goes in is the same."""
    command = (*DRAW, "--echo", "--stop", "\u2014")
    whole, here = pythia(*command), pythia(*command, env=env)
    encoding = "utf-8" if env == {"LC_ALL": "C"} else "ascii"
    assert here.stdout == whole.out.encode(encoding, "backslashreplace")
    assert here.err == whole.err
    name = "texte-\u00e9tranger.txt"
    assert "tranger.txt does not exist" in error_line(
        pythia("perplexity", name, env=env, status=None), 3
    )


@pytest.mark.parametrize("env", [{}, {"NO_COLOR": "1"}, {"TERM": "xterm-256color"}])
def test_no_escape_sequences_in_pipes(
    pythia: Pythia, short_text: Path, env: dict[str, str]
) -> None:
    for command in (("perplexity", short_text, "-v"), ("generate", "--help")):
        done = pythia(*command, env=env)
        assert ESCAPE not in done.stdout + done.err.encode()


def on_a_terminal(
    start: Start, *arguments: str | Path, term: str, **env: str
) -> tuple[bytes, bytes]:
    """stdout, a pipe, and what the terminal that is stderr was sent."""
    ours, theirs = pty.openpty()
    process = start(*arguments, stderr=theirs, env={"TERM": term, **env})
    os.close(theirs)
    seen = bytearray()

    def watch() -> None:
        try:
            while data := os.read(ours, 4096):
                seen.extend(data)
        except OSError:  # the other end is gone
            pass

    watcher = threading.Thread(target=watch)
    watcher.start()
    assert process.stdout is not None
    out = process.stdout.read()
    assert process.wait(60) == 0
    watcher.join()
    os.close(ours)
    return out, bytes(seen)


def test_progress_is_for_the_terminal(start: Start, pythia: Pythia, short_text: Path) -> None:
    piped = pythia("perplexity", short_text)
    out, seen = on_a_terminal(start, "perplexity", short_text, term="xterm")
    assert out == piped.stdout
    assert ESCAPE in seen
    assert b"scoring" in seen
    # The bar is gone at the end, and the cursor is back.
    assert seen.rfind(b"\x1b[?25h") > seen.rfind(b"\x1b[?25l")
    assert b"bits per byte" not in seen


def test_a_dumb_terminal_and_quiet_get_no_progress(start: Start, short_text: Path) -> None:
    _, seen = on_a_terminal(start, "perplexity", short_text, term="dumb")
    assert seen.startswith(b"demo step3000")
    assert ESCAPE not in seen
    _, seen = on_a_terminal(start, "perplexity", short_text, "-q", term="xterm")
    assert seen == b""


def test_no_colour(start: Start, short_text: Path) -> None:
    _, seen = on_a_terminal(start, "perplexity", short_text, term="xterm", NO_COLOR="1")
    assert b"scoring" in seen
    assert not any(b"\x1b[%d" % colour in seen for colour in range(30, 39))


def test_nothing_is_awaited_from_a_terminal(pythia: Pythia) -> None:
    ours, theirs = pty.openpty()
    try:
        assert "no prompt" in error_line(pythia("generate", stdin=theirs, status=None), 2)
        assert pythia(*DRAW, stdin=theirs) == pythia(*DRAW)
    finally:
        os.close(ours)
        os.close(theirs)
