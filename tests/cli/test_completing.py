"""What Tab offers: by the command itself, and in real shells."""

from __future__ import annotations

import os
import select
import shutil
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from tests.cli.running import Pythia

ROOT = Path(__file__).resolve().parent.parent.parent
BIN = Path(sys.executable).parent


def offers(pythia: Pythia, words: str, **env: str) -> list[str]:
    """The words that are offered behind what was typed."""
    asked = {"_PYTHIA_COMPLETE": "complete_fish", "_TYPER_COMPLETE_FISH_ACTION": "get-args"}
    result = pythia(
        env={**asked, "_TYPER_COMPLETE_ARGS": words, **env},
        command=(str(BIN / "pythia"),),
        status=None,
    )
    assert result.err == ""
    return [line.split("\t")[0] for line in result.out.splitlines() if line]


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("pythia gen", ["generate"]),
        ("pythia checkpoint ", ["list", "use", "current", "remove", "verify", "audit"]),
        ("pythia perplexity --pro", ["--protocol"]),
        ("pythia perplexity --protocol l", ["llama.cpp", "lm-eval"]),
        ("pythia generate -m pythia-410m-d", ["pythia-410m-deduped", "pythia-410m-deduped-v0"]),
        ("pythia download -m pythia-160m-w", [f"pythia-160m-weight-seed{i}" for i in (1, 2, 3)]),
        (
            "pythia download -m pythia-410m-v0 -c 1",
            ["1000", *(f"{i}000" for i in range(10, 20)), *(f"{i}000" for i in range(100, 144))],
        ),
        ("pythia download -m pythia-410m-v0 -c l", []),
        ("pythia download -m EleutherAI/pythia-410m-v0 -c 51", ["51000"]),
        ("pythia download -m pythia-410m -c 51", ["512", "51000"]),
        ("pythia download -m pythia-410m -c l", ["log"]),
        ("pythia generate -m d", ["demo"]),
        ("pythia generate -c ", ["3000"]),
        ("pythia generate -m pythia-410m -c ", []),
        ("pythia checkpoint use ", ["3000", "demo@3000"]),
        ("pythia checkpoint verify demo", ["demo@3000"]),
        ("pythia download -m dem", []),
        ("pythia download -c m", ["main"]),
        ("pythia download -c 0,51", ["0,512", "0,51000"]),
        (
            "pythia checkpoint audit -m pythia-14m-seed",
            [f"pythia-14m-seed{i}" for i in range(1, 10)],
        ),
    ],
)
def test_offers(pythia: Pythia, typed: str, offered: list[str]) -> None:
    assert offers(pythia, typed) == offered


def test_a_branch_with_a_reported_problem_says_so(pythia: Pythia) -> None:
    asked = {"_PYTHIA_COMPLETE": "complete_fish", "_TYPER_COMPLETE_FISH_ACTION": "get-args"}
    typed = "pythia download -m pythia-2.8b -c 66,6"
    env = {**asked, "_TYPER_COMPLETE_ARGS": typed}
    shown = pythia(env=env, command=(str(BIN / "pythia"),), status=None).out
    assert "66,65000\treported problem\n" in shown
    assert "66,66000\tstep\n" in shown


def test_a_store_that_is_missing_or_damaged_offers_nothing(pythia: Pythia, tmp_path: Path) -> None:
    assert offers(replace(pythia, store=tmp_path / "none"), "pythia generate -c ") == []
    (tmp_path / "store").mkdir()
    (tmp_path / "store/active.json").write_text("{")
    assert offers(replace(pythia, store=tmp_path / "store"), "pythia checkpoint use ") == []
    other = offers(pythia, f"pythia checkpoint use --store {tmp_path} ")
    assert other == []


def shell_environment(pythia: Pythia) -> dict[str, str]:
    path = f"{BIN}{os.pathsep}{os.environ['PATH']}"
    return pythia.environment(PATH=path, HOME=str(pythia.folder), TERM="xterm")


@pytest.mark.skipif(shutil.which("fish") is None, reason="there is no fish here")
def test_fish(pythia: Pythia) -> None:
    for typed, offered in (
        ("pythia perpl", ["perplexity"]),
        ("pythia checkpoint use ", ["3000", "demo@3000"]),
    ):
        script = f"source {ROOT}/completions/pythia.fish; complete -C '{typed}'"
        done = subprocess.run(
            ["fish", "--no-config", "-c", script],
            env=shell_environment(pythia), capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert [line.split("\t")[0] for line in done.stdout.splitlines()] == offered, done


def test_bash(pythia: Pythia) -> None:
    script = f"""
        source {ROOT}/completions/pythia.bash
        COMP_WORDS=(pythia checkpoint use "") COMP_CWORD=3
        _pythia_completion pythia
        echo "${{COMPREPLY[@]}}"
        [[ $COMP_WORDBREAKS != *@* ]]  # or demo@3 would be two words
    """
    done = subprocess.run(
        ["bash", "--norc", "-c", script],
        env=shell_environment(pythia), capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (done.stdout.split(), done.stderr) == (["3000", "demo@3000"], "")


@pytest.mark.skipif(shutil.which("zsh") is None, reason="there is no zsh here")
@pytest.mark.parametrize(
    ("typed", "shown"),
    [("pythia perpl\t", "pythia perplexity"), ("pythia checkpoint use de\t", "use demo@3000")],
)
def test_zsh_in_a_terminal(pythia: Pythia, typed: str, shown: str) -> None:
    import pty

    pid, terminal = pty.fork()
    if pid == 0:
        os.execvpe("zsh", ["zsh", "-f", "-i"], shell_environment(pythia))
    try:
        setup = (
            "unsetopt zle_bracketed_paste; autoload -Uz compinit && compinit -u -D;"
            f" source {ROOT}/completions/pythia.zsh; PS1='ready> '\r"
        )
        os.write(terminal, setup.encode())
        assert "ready> " in until(terminal, "\nready> ")
        os.write(terminal, typed.encode())
        assert shown in until(terminal, shown)
    finally:
        os.kill(pid, 9)
        os.waitpid(pid, 0)
        os.close(terminal)


def until(terminal: int, wanted: str) -> str:
    """What a terminal shows, until that is among it or half a minute is over."""
    seen, deadline = "", time.monotonic() + 30
    while wanted not in seen and time.monotonic() < deadline:
        if select.select([terminal], [], [], 0.2)[0]:
            seen += os.read(terminal, 4096).decode(errors="replace").replace("\x1b[?2004h", "")
    return seen
