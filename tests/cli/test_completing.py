"""What Tab offers: by the command itself, and in real shells."""

from __future__ import annotations

import contextlib
import os
import re
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
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
        ("pythia generate -c ", ["installed", "main", "3000"]),
        ("pythia perplexity -c 3000,i", ["3000,installed"]),
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


HOSTILE = (
    "$(touch pwned)",
    "`touch pwned`",
    "\\`touch pwned\\`",
    "a;touch pwned",
    "a\x1b]0;b",
    "*",
)
"""What a shell, or a terminal, would act on."""


def test_a_folder_with_no_valid_name_is_no_checkpoint(pythia: Pythia, tmp_path: Path) -> None:
    hostile = replace(pythia, store=tmp_path / "store", folder=tmp_path)
    for name in HOSTILE:
        folder = hostile.store / "checkpoints" / name / "step1"
        folder.mkdir(parents=True)
        (folder / "manifest.json").write_text("{}")
    (hostile.store / "active.json").write_text('{"model": "$(touch pwned)", "step": 1}')
    for typed in ("pythia generate -m ", "pythia checkpoint remove ", "pythia generate -c "):
        offered = offers(hostile, typed)
        assert [word for word in offered if not re.fullmatch(r"[A-Za-z0-9._@-]+", word)] == []
    (hostile.store / "active.json").unlink()
    assert hostile("checkpoint", "list").out == ""
    assert hostile("checkpoint", "verify").out == ""
    assert not (tmp_path / "pwned").exists()


@pytest.mark.parametrize("typed", ["$(touch pwned),5", "`touch pwned`,5", "0,';a,5"])
def test_what_was_typed_is_not_offered_if_a_shell_would_act_on_it(
    pythia: Pythia, typed: str
) -> None:
    assert offers(pythia, f'pythia download -c "{typed}') == []


def as_pythia(tmp_path: Path) -> Path:
    """A folder with a `pythia` that offers what a shell would act on."""
    (tmp_path / "words").write_text("".join(f"{word}\ttext {word}\n" for word in HOSTILE))
    command = tmp_path / "bin/pythia"
    command.parent.mkdir()
    command.write_text(f"#!/bin/sh\nexec cat {tmp_path}/words\n")
    command.chmod(0o755)
    return command.parent


def test_bash_and_fish_do_not_evaluate_what_is_offered(pythia: Pythia, tmp_path: Path) -> None:
    path = f"{as_pythia(tmp_path)}{os.pathsep}{os.environ['PATH']}"
    scripts = {
        "bash": "COMP_WORDS=(pythia '') COMP_CWORD=1; _pythia_completion pythia",
        "fish": "complete -C 'pythia '",
    }
    for shell in filter(shutil.which, scripts):
        done = subprocess.run(
            [shell, "-c", f"source {ROOT}/completions/pythia.{shell}; {scripts[shell]}"],
            env={**shell_environment(pythia), "PATH": path},
            cwd=tmp_path, capture_output=True, timeout=60, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done
    assert not (tmp_path / "pwned").exists()


@pytest.mark.skipif(shutil.which("zsh") is None, reason="there is no zsh here")
def test_zsh_does_not_evaluate_what_is_offered(pythia: Pythia, tmp_path: Path) -> None:
    environment = shell_environment(pythia)
    path = f"{as_pythia(tmp_path)}{os.pathsep}{environment['PATH']}"
    with zsh({**environment, "PATH": path}, tmp_path) as terminal:
        os.write(terminal, b"pythia \t")
        assert "touch" in until(terminal, "touch")
        os.write(terminal, b"\t\x15echo do'ne'\r")
        assert "done" in until(terminal, "done")
    assert not (tmp_path / "pwned").exists()


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
    with zsh(shell_environment(pythia), pythia.folder) as terminal:
        os.write(terminal, typed.encode())
        assert shown in until(terminal, shown)


@contextlib.contextmanager
def zsh(environment: dict[str, str], folder: Path) -> Iterator[int]:
    """A zsh that completes, in a terminal of its own; yields the other end."""
    import pty

    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(folder)
        os.execvpe("zsh", ["zsh", "-f", "-i"], environment)
    try:
        setup = (  # the prompt's name is in two parts, as this line is echoed
            "unsetopt zle_bracketed_paste; autoload -Uz compinit && compinit -u -D;"
            f" source {ROOT}/completions/pythia.zsh; PS1='rea''dy> '\r"
        )
        os.write(terminal, setup.encode())
        assert "ready> " in until(terminal, "ready> ")
        yield terminal
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
