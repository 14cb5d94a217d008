"""Help on narrow screens, and arguments that typer alone would read in silence."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

from pythia_cli.cli import app
from tests.cli.running import Pythia

USAGE = 2


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """The one line of a usage error."""
    assert app.run(list(arguments)) == USAGE
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    return err


@pytest.mark.parametrize(
    "arguments",
    [
        ("generate", "hi", "--store", ""),
        ("perplexity", "text.txt", "--html", ""),
        ("perplexity", "text.txt", "--per-token", ""),
        ("generate", "--prompt-file", ""),
        ("quantize", "", "--as", "mine@1"),
        ("quantize", "folder", "--as", "mine@1", "--certify", ""),
        ("download", "--from", "", "-c", "1"),
        ("checkpoint", "list", "--store", ""),
    ],
)
def test_an_empty_name_is_not_the_working_folder(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert "the name is empty" in run(capsys, *arguments)
    assert list(tmp_path.iterdir()) == []


def test_the_environment_is_named_only_if_the_value_is_from_there(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    typed = "error: Invalid value for '-t' / '--threads': 1025 is not in the range"
    assert run(capsys, "generate", "hi", "--threads", "1025").startswith(typed)
    monkeypatch.setenv("PYTHIA_THREADS", "1025")
    assert "(env var: 'PYTHIA_THREADS'): 1025" in run(capsys, "generate", "hi")
    assert run(capsys, "generate", "hi", "-t", "1025").startswith(typed)


def test_the_empty_name_of_a_text(capsys: pytest.CaptureFixture[str]) -> None:
    assert "the name of a text: is empty" in run(capsys, "perplexity", "")


@pytest.mark.parametrize(
    "arguments",
    [
        ("perplexity", "text.txt", "-c", "64", "-c", "3000"),
        ("perplexity", "text.txt", "-c64", "--checkpoint=3000"),
        ("generate", "hi", "-c", "64", "-c", "3000"),
        ("generate", "hi", "-m", "demo", "--model", "demo"),
        ("bench", "-c", "64", "-c", "3000"),
        ("checkpoint", "use", "64", "-m", "demo", "-m", "demo"),
        ("checkpoint", "verify", "-m", "demo", "-m", "demo"),
        ("checkpoint", "remove", "-m", "demo", "-m", "demo"),
        ("checkpoint", "list", "-m", "demo", "-m", "demo"),
        ("checkpoint", "audit", "-m", "pythia-14m", "-m", "pythia-70m"),
        ("download", "-m", "pythia-14m", "-m", "pythia-70m"),
        ("doctor", "--store", "one", "--store", "two"),
    ],
)
def test_two_values_for_an_option_that_names_the_checkpoint_are_refused(
    capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...]
) -> None:
    assert "was given twice; give it once" in run(capsys, *arguments)


@pytest.mark.parametrize("text", ["-5 degrees", "-5", "-.5", "-n is a letter", "-very cold"])
def test_a_text_that_begins_with_a_minus_sign(
    capsys: pytest.CaptureFixture[str], text: str
) -> None:
    quoted = f"'{text}'" if " " in text else text
    end = '  # -- comes before a text that begins with "-"\n'
    hint = f"; try: {_name()} generate -- {quoted}{end}"
    assert run(capsys, "generate", text).endswith(hint)
    hint = f"; try: {_name()} generate -c 64 --stop '- x' -- {quoted}{end}"
    assert run(capsys, "generate", "-c", "64", text, "--stop", "- x").endswith(hint)
    hint = f"; try: {_name()} perplexity a.txt -- {quoted} -b.txt{end}"
    assert run(capsys, "perplexity", "a.txt", text, "--", "-b.txt").endswith(hint)


@pytest.mark.parametrize(
    "arguments",
    [
        ("generate", "hi", "-n", "-5"),
        ("generate", "--colour", "hi"),
        ("generate", "hi", "--stop", "- x", "--temperature", "abc"),
        ("generate", "hi", "--stop", "- x", "--colour"),
        ("generate", "hi", "--stop", "- x", "-Z"),
        ("generate", "hi", "-n"),
    ],
)
def test_other_mistakes_get_another_hint(
    capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...]
) -> None:
    assert run(capsys, *arguments).endswith("generate --help\n")


def test_the_value_of_an_option_is_no_text(capsys: pytest.CaptureFixture[str]) -> None:
    line = run(capsys, "perplexity", "text.txt", "--context", "- 5")
    assert line.endswith("perplexity --help\n")


def test_of_other_options_the_last_value_counts(
    pythia: Pythia, capsys: pytest.CaptureFixture[str]
) -> None:
    """So an alias can have options, and be given others."""
    done = pythia("generate", "hi", "-n", "40", "-n", "2", "--ignore-eos", "--json")
    assert done.record["n_generated"] == 2


def test_help_wins(capsys: pytest.CaptureFixture[str]) -> None:
    assert app.run(["generate", "-c", "1", "-c", "2", "--help"]) == 0
    out, err = capsys.readouterr()
    assert out.startswith("Usage: ")
    assert err == ""


def _name() -> str:
    """What the command is called here."""
    import click.utils

    return click.utils._detect_program_name()


COMMANDS = (
    "generate", "perplexity", "eval", "download", "quantize", "bench", "doctor", "checkpoint"
)  # fmt: skip


@pytest.mark.parametrize("columns", [1, 2, 3, 20, 40, 51, 52, 60, 80])
def test_help_of_any_width(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], columns: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    importlib.reload(app)
    for command in ((), *((name,) for name in COMMANDS)):
        assert app.run([*command, "--help"]) == 0
        out = capsys.readouterr().out
        assert columns < 40 or max(map(len, out.splitlines())) <= columns
    importlib.reload(app)


def test_what_a_command_does_is_said_in_full(capsys: pytest.CaptureFixture[str]) -> None:
    for command in ((), ("checkpoint",)):
        assert app.run([*command, "--help"]) == 0
        shown = capsys.readouterr().out.partition("Commands:")[2]
        assert "..." not in shown
        assert len(shown.split()) > 40
