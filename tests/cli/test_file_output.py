"""Outputs that would be lost: two to one file, or to the file of a standard stream or a text."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.cli.running import MODULE, Pythia, without_model_lines

USAGE = 2
TEXT = "It is a truth universally acknowledged."

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="uses sh and links")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "text.txt").write_text(TEXT)
    (tmp_path / "link").symlink_to("x")
    return tmp_path


@pytest.mark.parametrize("other", ["x", "./x", "link"])
@pytest.mark.parametrize("there", [False, True])
def test_two_outputs_to_one_file(pythia: Pythia, folder: Path, other: str, there: bool) -> None:
    if there:
        (folder / "x").write_text("before")
    command = ("perplexity", "text.txt", "--html", other, "--per-token", "x")
    done = pythia(*command, cwd=folder, status=USAGE)
    assert done.err == f"error: {Path(other)}: is to be written twice; name two files\n"
    assert (folder / "x").exists() == there
    assert not there or (folder / "x").read_text() == "before"


def test_two_outputs_to_one_device(pythia: Pythia, folder: Path) -> None:
    pythia("perplexity", "text.txt", "--html", "/dev/null", "--per-token", "/dev/null", cwd=folder)


@pytest.mark.parametrize("option", ["--per-token", "--html"])
@pytest.mark.parametrize(
    ("redirection", "what"),
    [("> x", "standard output"), ("2> x", "standard error"), ("< text.txt", "one of the texts")],
)
@pytest.mark.parametrize("through", ["", "/dev/fd/"])
def test_the_file_of_a_standard_stream(
    pythia: Pythia, folder: Path, option: str, redirection: str, what: str, through: str
) -> None:
    name = {">": "x", "2>": "x", "<": "text.txt"}[redirection.split()[0]]
    if through:
        name = through + {">": "1", "2>": "2", "<": "0"}[redirection.split()[0]]
    text = "-" if redirection.startswith("<") else "text.txt"
    command = ("sh", "-c", f'exec "$@" {redirection}', "sh", *MODULE)
    done = pythia(
        "perplexity", text, option, name, "--json", cwd=folder, command=command, status=USAGE
    )
    err = done.err + (folder / "x").read_text() if redirection.startswith("2") else done.err
    (line,) = without_model_lines(err)
    assert line.startswith(f"error: {name}: is {what}")
    assert (folder / "text.txt").read_text() == TEXT


@pytest.mark.parametrize("again", ["-", "/dev/stdin"])
def test_standard_input_can_be_read_once(pythia: Pythia, folder: Path, again: str) -> None:
    done = pythia("perplexity", "-", "text.txt", again, stdin=TEXT.encode(), cwd=folder, status=2)
    assert done.err == "error: standard input was given twice, but can be read only once\n"
