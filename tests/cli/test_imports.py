"""What a command does not load: `--help` and completion start at once, and torch stays away."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from pythia_cli.jit import elf
from tests.cli.running import Pythia

HEAVY = (
    "numba", "llvmlite", "torch", "tokenizers", "huggingface_hub", "safetensors", "numpy",
    "lm_eval", "datasets", "pandas", "matplotlib",
)  # fmt: skip
DRIVER = (
    sys.executable,
    "-c",
    "import sys; sys.argv[0] = 'pythia'; from pythia_cli.cli.app import run;"
    " status = run(sys.argv[1:]); sys.stdout.flush();"
    f" print(*[name for name in {HEAVY} if name in sys.modules], file=sys.stderr);"
    " sys.exit(status)",
)


def loaded(pythia: Pythia, *arguments: str | Path, **more: str) -> set[str]:
    done = pythia(*arguments, command=DRIVER, env=more, stdin=b"Call me Ishmael.")
    return set(done.err.splitlines()[-1].split())


@pytest.mark.parametrize(
    "command",
    [
        (),
        ("--help",),
        ("--version",),
        ("generate", "--help"),
        ("eval", "--help"),
        ("checkpoint", "-h"),
    ],
)
def test_help_is_light(pythia: Pythia, command: tuple[str, ...]) -> None:
    assert loaded(pythia, *command) == set()


def test_completion_is_light_and_silent(pythia: Pythia) -> None:
    asked = {"_PYTHIA_COMPLETE": "complete_bash", "COMP_WORDS": "pythia gen", "COMP_CWORD": "1"}
    done = pythia(command=DRIVER, env=asked)
    assert (done.out.split(), done.err) == (["generate"], "\n")
    asked = {"_PYTHIA_COMPLETE": "complete_zsh", "_TYPER_COMPLETE_ARGS": "pythia perplexity --pro"}
    done = pythia(command=DRIVER, env=asked)
    assert "--protocol" in done.out
    assert done.err == "\n"


@pytest.mark.parametrize("command", ["list", "current"])
def test_looking_into_the_store_compiles_nothing(pythia: Pythia, command: str) -> None:
    assert not loaded(pythia, "checkpoint", command) & {"numba", "llvmlite", "torch", "tokenizers"}


@pytest.mark.parametrize("how", ["--json", "--decode"])
def test_tokenizing_opens_no_weights(pythia: Pythia, how: str) -> None:
    assert loaded(pythia, "tokenize", how, "5") == {"tokenizers", "numpy"}


@pytest.mark.parametrize("command", [("generate", "-n", "1"), ("perplexity", "-")])
def test_int8_runs_without_torch_and_numba(pythia: Pythia, command: tuple[str, ...]) -> None:
    its_loader = {"llvmlite"} if not elf.is_supported() else set()
    expected = {"tokenizers", "safetensors", "numpy"} | its_loader
    assert loaded(pythia, *command) == expected
