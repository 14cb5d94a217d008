"""Heat maps on stdout: which streams have colours."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.running import Pythia

SCRIPT = """
import io, sys
from pythia_cli.cli.heat_output import print_heat_maps
from tests.pictures.maps import heads

class Terminal(io.TextIOWrapper):
    def isatty(self):
        return sys.argv[1] == "terminal"

sys.stdout = Terminal(sys.stdout.buffer, encoding=sys.argv[2], errors="strict")
print_heat_maps(heads())
sys.stdout.flush()
"""
LEVELS = "0 ▁▂▃▄▅▆▇█ 0.9"


def printed(pythia: Pythia, kind: str, encoding: str = "utf-8", **env: str) -> str:
    """What is printed by a process of its own: rich keeps what it made for another terminal."""
    environment = pythia.environment(**{"TERM": "xterm-256color", "COLUMNS": "80", **env})
    environment.pop("COLORTERM", None)
    environment.update(env)
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, kind, encoding],
        env=environment, capture_output=True, check=True, cwd=Path(__file__).parents[2],
    )  # fmt: skip
    return done.stdout.decode(encoding)


@pytest.mark.parametrize(
    ("env", "begin"), [({"COLORTERM": "truecolor"}, "\x1b[48;2;"), ({}, "\x1b[48;5;")]
)
def test_colours_of_a_terminal(pythia: Pythia, env: dict[str, str], begin: str) -> None:
    shown = printed(pythia, "terminal", **env)
    assert begin in shown
    assert "▁" not in shown


@pytest.mark.parametrize("env", [{"NO_COLOR": "1"}, {"TERM": "dumb"}, {"TERM": "xterm"}])
def test_characters_of_other_terminals(pythia: Pythia, env: dict[str, str]) -> None:
    shown = printed(pythia, "terminal", **env)
    assert "\x1b" not in shown
    assert LEVELS in shown


def test_pipes(pythia: Pythia) -> None:
    assert LEVELS in printed(pythia, "pipe")
    assert "0 .:-=+*#%@ 0.9" in printed(pythia, "pipe", "ascii")
