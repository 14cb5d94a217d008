"""What a lens says, drawn in terminals of several kinds."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.running import Pythia
from tests.cli.screens import screen_of

SCRIPT = """
import io, sys
import numpy as np
from pythia_cli.cli.lens_drawing import print_lens
from pythia_cli.measures.lens_grid import LensGrid

class Terminal(io.TextIOWrapper):
    def isatty(self):
        return True

sys.stdout = Terminal(sys.stdout.buffer, encoding=sys.argv[1], errors="strict")
values = np.array([[0.05, 0.12, np.nan], [0.95, 0.4, np.nan]])
tokens = ["\\u6771\\u4eac", "\\u00b7was", "\\u00b7a" + 20 * "b"]
cells = [["\\u00b7x", "yy", "z"], ["\\u00b7was", "\\u00b7not", "\\\\n"]]
hits = np.array([[False, False, False], [True, False, False]])
targets = ["\\u00b7was", "\\u00b7the", ""]
print_lens(LensGrid(sys.argv[2], [0, 1, 2], tokens, targets, cells, hits, values))
sys.stdout.flush()
"""


def drawn(pythia: Pythia, shade: str = "prob", encoding: str = "utf-8", **env: str) -> list[str]:
    """What is printed by a process of its own: rich keeps what it made for another terminal."""
    environment = pythia.environment(**{"TERM": "xterm-256color", "COLUMNS": "80", **env})
    environment.pop("COLORTERM", None)
    environment.update(env)
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, encoding, shade],
        env=environment, capture_output=True, check=True, cwd=Path(__file__).parents[2],
    )  # fmt: skip
    return done.stdout.decode(encoding).splitlines()


def plain(line: str) -> str:
    return re.sub(r"\x1b\[[0-9;]*m", "", line)


def test_colours(pythia: Pythia) -> None:
    lines = drawn(pythia, COLORTERM="truecolor")
    assert [plain(line).rstrip() for line in lines] == [
        " next \u00b7was \u00b7the",
        "    1 \u00b7was \u00b7not \\n",
        "    0 \u00b7x   yy   z",
        "token \u6771\u4eac \u00b7was \u00b7abbbbbbbbbbb\u2026",
        "",
        "probability of the likeliest token: less than 0.1  from 0.1  from 0.3  from 0.6",
        "from 0.9",
        "underlined: the next token of the text",
        "rows: layers, from 0, the embedding, up to the model's prediction",
    ]
    hit, other = lines[1].split("\u00b7not")[0], lines[1].split("\u00b7was")[1]
    assert re.search(r"\x1b\[1;4;38;2;34;34;34;48;2;244;118;123m", hit)
    assert "\x1b[38;2;34;34;34;48;2;255;217;138m\u00b7not" in other
    assert "m\u00b7x" not in lines[2]


def test_256_colours(pythia: Pythia) -> None:
    assert "\x1b[1;4;38;5;" in drawn(pythia)[1]


@pytest.mark.parametrize("env", [{"NO_COLOR": "1"}, {"TERM": "dumb"}, {"TERM": "xterm"}])
def test_numbers_where_there_are_no_colours(pythia: Pythia, env: dict[str, str]) -> None:
    lines = [plain(line) for line in drawn(pythia, **env)]
    assert lines[1:3] == ["    1 \u00b7was* 95 \u00b7not 40 \\n", "    0 \u00b7x 5     yy 12   z"]
    shown = "behind each token: probability of the likeliest token, in percent; *: the next"
    assert lines[5].startswith(shown)
    lines = [plain(line) for line in drawn(pythia, "nll", **env)]
    assert lines[1] == "    1 \u00b7was* 0.9 \u00b7not 0.4 \\n"


def test_a_stream_of_ascii(pythia: Pythia) -> None:
    lines = [plain(line).rstrip() for line in drawn(pythia, encoding="ascii", NO_COLOR="1")]
    assert lines[0] == " next _was         _the"
    assert lines[3] == r"token \u6771\u4eac _was    _abbbbbbbbbbb~"


@pytest.mark.parametrize("columns", [30, 60, 100])
def test_bands_that_fit(pythia: Pythia, columns: int) -> None:
    text = "It was not a small one, and she said that it was the best of them all."
    lines = screen_of(pythia, "lens", text, "-m", "demo", "-q", columns=columns)
    ends = [line for line in lines if line.startswith("token ")]
    starts = [line for line in lines if line.startswith(" next ")]
    tokens = [token for line in ends for token in line.split()[1:]]
    assert "".join(tokens).replace("\u00b7", " ") == text
    assert [token for line in starts for token in line.split()[1:]] == tokens[1:]
    assert len(starts) == len(ends) > 100 // columns
    for number in range(7):
        assert sum(line.startswith(f"    {number} ") for line in lines) == len(ends)


def test_a_text_that_would_act_on_the_terminal(pythia: Pythia) -> None:
    environment = pythia.environment(TERM="xterm-256color", COLUMNS="80")
    first, second = pty.openpty()
    command = [sys.executable, "-m", "pythia_cli", "lens", "-m", "demo", "-q", "a\x1b[2Jb\rc"]
    with subprocess.Popen(command, env=environment, stdout=second, stdin=second) as process:
        os.close(second)
        seen = b""
        while data := _read(first):
            seen += data
    os.close(first)
    assert process.returncode == 0
    assert b"\x1b[2J" not in seen
    assert b"\\x1b" in seen
    assert b"\r" not in seen.replace(b"\r\n", b"\n")


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 1 << 16)
    except OSError:  # the process has ended
        return b""
