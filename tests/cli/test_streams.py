"""Closed, full, odd and live standard streams."""

from __future__ import annotations

import io
import json
import os
import pty
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from pythia_cli.cli import streams
from tests.cli.running import MODULE, Pythia, Result, error_line, together
from tests.conftest import DEMO

Start = Callable[..., "subprocess.Popen[bytes]"]
DRAW = ("generate", "Caf\u00e9", "-n", "6", "--seed", "3", "--echo", "--stop", "\u2014")
ESCAPE = b"\x1b"


@pytest.mark.parametrize("encoding", ["cp1252", "cp932", "utf-8"])
def test_pipes_on_windows_are_utf8_with_lf(monkeypatch: pytest.MonkeyPatch, encoding: str) -> None:
    """As far as it can be seen elsewhere: the streams that Python makes of pipes there."""
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding=encoding, newline="\r\n") for _ in range(2))
    monkeypatch.setattr("sys.stdout", out)
    monkeypatch.setattr("sys.stderr", err)
    monkeypatch.setattr(streams, "_IS_WINDOWS", True)
    streams.prepare()
    for stream in (out, err):
        stream.write("caf\u00e9 \u2014 \u732b\n\udcff")
        stream.flush()
        assert stream.buffer.getvalue() == "caf\u00e9 \u2014 \u732b\n\\udcff".encode()  # type: ignore[attr-defined]


def shell(redirection: str) -> tuple[str, ...]:
    return ("sh", "-c", f'exec "$@" {redirection}', "sh", *MODULE)


@pytest.fixture(scope="module")
def drawn(pythia: Pythia) -> Result:
    """The result of DRAW in an ordinary surrounding."""
    return pythia(*DRAW)


FULL, CLOSED = "No space left on device", "Bad file descriptor"


@pytest.mark.parametrize(
    ("redirection", "command", "reason"),
    [
        (">/dev/full", DRAW, FULL),
        (">/dev/full", ("perplexity", DEMO / "step0/config.json", "--json", "-q"), FULL),
        (">/dev/full", ("checkpoint", "list"), FULL),
        (">&-", DRAW, CLOSED),
        (">&-", ("--version",), CLOSED),
    ],
)
def test_stdout_cannot_be_written(
    pythia: Pythia, redirection: str, command: tuple[str | Path, ...], reason: str
) -> None:
    assert reason in error_line(pythia(*command, command=shell(redirection), status=None), 7)


def test_stderr_cannot_be_written(pythia: Pythia, drawn: Result) -> None:
    failing = ("checkpoint", "use", "pythia-70m@1")
    closed, full, failed = together(
        [
            lambda: pythia(*DRAW, "-v", command=shell("2>&-")),
            lambda: pythia(*DRAW, "-v", command=shell("2>/dev/full")),
            lambda: pythia(*failing, command=shell("2>&-"), status=3),
        ]
    )
    assert closed == full == replace(drawn, err="")
    assert (failed.stdout, failed.err) == (b"", "")


def test_stdin_is_closed(pythia: Pythia, drawn: Result) -> None:
    closed = shell("<&-")
    assert pythia(*DRAW, command=closed) == drawn
    error_line(pythia("generate", command=closed, status=None), 2)
    error_line(pythia("perplexity", "-", command=closed, status=None), 2)


def test_a_text_comes_slowly_into_a_non_blocking_stdin(start: Start, short_text: Path) -> None:
    whole = short_text.read_bytes()
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    with os.fdopen(writer, "wb") as file:
        process = start("perplexity", "-", "--json", "--bos", stdin=reader)
        file.write(whole[:1000])
        file.flush()
        time.sleep(1.5)  # now it waits
        file.write(whole[1000:])
    out, _ = process.communicate(timeout=60)
    assert json.loads(out)["n_bytes"] == len(whole)
    assert not os.get_blocking(reader)  # it is shared with other processes
    os.close(reader)


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_non_blocking_stdout_waits_for_a_slow_reader(
    start: Start, pythia: Pythia, short_text: Path, unbuffered: str
) -> None:
    command = ("perplexity", short_text, "-q", "--per-token", "-")
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    process = start(*command, stdout=writer, env={"PYTHONUNBUFFERED": unbuffered})
    time.sleep(2)  # now the pipe is full
    assert not os.get_blocking(writer)
    os.close(writer)
    with os.fdopen(reader, "rb") as file:
        expected = pythia(*command).stdout
        assert file.read(len(expected)) == expected
    assert len(expected) > 1 << 16
    process.communicate(timeout=60)
    assert process.returncode == 0


@pytest.mark.skipif(sys.platform != "linux", reason="needs a small file system, or RLIMIT_FSIZE")
def test_unbuffered_streams_lose_nothing_in_silence(pythia: Pythia, tmp_path: Path) -> None:
    """A disk that is full takes a part of the last piece, which Python would not notice."""
    command = ("sh", "-c", 'ulimit -f 1; exec "$@" > short', "sh", *MODULE)
    failed = pythia(
        "perplexity", "--help", command=command, cwd=tmp_path, status=7,
        env={"PYTHONUNBUFFERED": "1"},
    )  # fmt: skip
    assert "File too large" in failed.err


@pytest.mark.parametrize(
    "env",
    [
        {"LC_ALL": "C"},
        {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
        {"PYTHONIOENCODING": "ascii"},
    ],
)
def test_a_terminal_of_another_age(pythia: Pythia, drawn: Result, env: dict[str, str]) -> None:
    """What it cannot show comes as an escape; the text that goes in is the same."""
    here, failed = together(
        [
            lambda: pythia(*DRAW, env=env),
            lambda: pythia("perplexity", "texte-\u00e9tranger.txt", env=env, status=None),
        ]
    )
    encoding = "utf-8" if env == {"LC_ALL": "C"} else "ascii"
    assert here.stdout == drawn.out.encode(encoding, "backslashreplace")
    assert here.err == drawn.err
    assert "tranger.txt does not exist" in error_line(failed, 3)


@pytest.mark.parametrize("command", [("perplexity", "-", "-v"), ("generate", "--help")])
def test_no_escape_sequences_in_pipes(pythia: Pythia, command: tuple[str, ...]) -> None:
    done = pythia(*command, env={"TERM": "xterm-256color"}, stdin=b"Call me Ishmael.")
    assert ESCAPE not in done.stdout + done.err.encode()


def on_a_terminal(
    start: Start,
    *arguments: str | Path,
    term: str,
    stdout: int | None = subprocess.PIPE,
    **env: str,
) -> tuple[bytes, bytes]:
    """stdout, where it is a pipe, and what was sent to the terminal that is stderr.

    stdout: a descriptor; None is the terminal.
    """
    ours, theirs = pty.openpty()
    stdout = theirs if stdout is None else stdout
    process = start(*arguments, stdout=stdout, stderr=theirs, env={"TERM": term, **env})
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
    out = process.stdout.read() if process.stdout is not None else b""
    assert process.wait(60) == 0
    watcher.join()
    os.close(ours)
    return out, bytes(seen)


def test_progress_is_for_the_terminal(start: Start, pythia: Pythia, short_text: Path) -> None:
    piped = pythia("perplexity", short_text)
    out, seen = on_a_terminal(start, "perplexity", short_text, term="xterm")
    assert out == piped.stdout
    # The bar is there, and gone at the end.
    assert b"\rscoring" in seen
    assert seen.rpartition(b"scoring")[2].rstrip(b"\r").endswith(b"\r" + 76 * b" ")
    assert b"bits per byte" not in seen


def test_progress_of_many_prompts_into_a_file(start: Start, tmp_path: Path) -> None:
    path = tmp_path / "prompts.txt"
    path.write_text("It was\n" * 40)
    command = ("generate", "--prompt-file", path, "-n", "30", "--seed", "1")
    with (tmp_path / "out").open("wb") as file:
        _, seen = on_a_terminal(start, *command, term="xterm", stdout=file.fileno())
    assert b"\rgenerating" in seen
    assert b"/40" in seen
    assert (tmp_path / "out").read_bytes().count(b"\n") >= 40
    # A pipe may lead to the same screen, where the text would stand within the bar.
    for stdout in (None, subprocess.PIPE):
        _, seen = on_a_terminal(start, *command, term="xterm", stdout=stdout)
        assert b"generating" not in seen


def test_results_stand_above_the_progress(start: Start, short_text: Path) -> None:
    _, seen = on_a_terminal(start, "perplexity", short_text, term="xterm", stdout=None)
    assert seen.count(b"bits per byte") == 1
    assert b"scoring" in seen


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


def test_nothing_is_awaited_from_a_terminal(pythia: Pythia, drawn: Result) -> None:
    ours, theirs = pty.openpty()
    try:
        assert "no prompt" in error_line(pythia("generate", stdin=theirs, status=None), 2)
        assert pythia(*DRAW, stdin=theirs) == drawn
    finally:
        os.close(ours)
        os.close(theirs)
