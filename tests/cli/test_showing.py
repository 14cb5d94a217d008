"""`perplexity --show` and `--html`: in pipes, in terminals, without colours; what is refused."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.running import MODULE, Pythia
from tests.cli.test_completing import until

TEXT = "It is a truth universally acknowledged, that a single man in possession"
USAGE = 2
NOT_FOUND = 3


@pytest.fixture
def text(tmp_path: Path) -> Path:
    path = tmp_path / "text.txt"
    path.write_text(TEXT)
    return path


def test_a_pipe_gets_bits_in_braces_and_no_control_character(pythia: Pythia, text: Path) -> None:
    out = pythia("perplexity", text, "--show", env={"TERM": "xterm-256color"}).out
    shown, figures = out.splitlines()
    assert re.sub(r"\{\d+\.\d\}", "", shown) == TEXT
    assert "truth{10.4}" in shown
    assert figures.startswith(f"{text}: perplexity ")
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f]", out)


def test_white_space_in_a_pipe_is_named_beside_its_bits(pythia: Pythia, text: Path) -> None:
    text.write_text("It was\n\n\n\n\n\n\n a truth\n\n.")
    out = pythia("perplexity", text, "--show").out
    assert re.search(r"\w\{'\\n.*?' \d+\.\d\}\n", out)
    shown = out[: out.rindex(f"{text}: perplexity")]
    assert re.sub(r"\{('[^']*' )?\d+\.\d\}", "", shown) == f"{text.read_text()}\n"


def in_terminal(pythia: Pythia, text: Path, **env: str) -> str:
    pid, terminal = pty.fork()
    if pid == 0:
        command = [*MODULE, "perplexity", str(text), "--show", "-q"]
        os.execve(sys.executable, command, pythia.environment(**env))
    shown = until(terminal, "stride 256)")
    os.waitpid(pid, 0)
    os.close(terminal)
    return shown


def test_a_terminal_gets_colours(pythia: Pythia, text: Path) -> None:
    shown = in_terminal(pythia, text, TERM="xterm-256color")
    assert "\x1b[1;4;31m truth\x1b[0m" in shown
    assert "{" not in shown
    assert "bits a token: " in shown


def test_no_color_leaves_bold_and_underline(pythia: Pythia, text: Path) -> None:
    shown = in_terminal(pythia, text, TERM="xterm-256color", NO_COLOR="1")
    assert "\x1b[1;4m truth\x1b[0m" in shown
    assert not re.search(r"\x1b\[[\d;]*3[0-9]", shown)


def test_a_dumb_terminal_gets_braces(pythia: Pythia, text: Path) -> None:
    shown = in_terminal(pythia, text, TERM="dumb")
    assert "truth{10.4}" in shown
    assert "\x1b" not in shown


def test_a_page(pythia: Pythia, text: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    plain = pythia("perplexity", text)
    result = pythia("perplexity", text, "--html", page)
    assert result.stdout == plain.stdout
    assert f"wrote {page}" in result.err
    made = page.read_text()
    assert f"<h1>Surprisal of {text}: demo step3000</h1>" in made
    assert f"<title>Surprisal of {text}: demo step3000</title>" in made
    assert "<th>sha256 of the weights</th>" in made
    assert re.sub(r"<[^>]*>", "", made[made.index("<pre>\n") + 6 : made.index("</pre>")]) == TEXT
    assert sorted(p.name for p in tmp_path.iterdir()) == ["page.html", "text.txt"]


@pytest.mark.parametrize(
    ("options", "status"),
    [
        (("--show", "--json"), USAGE),
        (("--show", "--per-token", "-"), USAGE),
        (("--html", "-", "--per-token", "-"), USAGE),
        (("--json", "--per-token", "-"), USAGE),
        (("--html", "."), USAGE),
        (("--html", "text.txt"), USAGE),
        (("--html", "none/page.html"), 7),
        (("--html", "itself"), 7),
        (("--per-token", "itself"), 7),
        (("--html", "x" * 5000), 7),
        (("--html", ""), USAGE),
    ],
)
def test_refused(pythia: Pythia, text: Path, options: tuple[str, ...], status: int) -> None:
    (text.parent / "itself").symlink_to("itself")
    result = pythia("perplexity", "text.txt", *options, cwd=text.parent, status=status)
    assert result.err.splitlines()[-1].startswith("error: ")
    assert text.read_text() == TEXT
    assert (text.parent / "itself").is_symlink()


def test_a_page_goes_to_stdout_and_into_pipes(pythia: Pythia, text: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    pythia("perplexity", text, "--html", page)
    done = pythia("perplexity", text, "--html", "-")
    assert done.out == page.read_text()
    assert f"{text}: perplexity " in done.err
    done = pythia("perplexity", text, text, "--per-token", "-")
    assert {record["file"] for record in done.records} == {str(text)}
    assert [line.split(": ")[0] for line in done.err.splitlines()[-3:]] == [str(text)] * 2 + [
        "total"
    ]
    fifo = tmp_path / "pipe"
    os.mkfifo(fifo)
    reader = subprocess.Popen(["cat", str(fifo)], stdout=subprocess.PIPE)
    pythia("perplexity", text, "--html", fifo)
    assert reader.communicate(timeout=60)[0].decode() == page.read_text()
    assert fifo.is_fifo()


def test_a_files_name_is_one_line(pythia: Pythia, tmp_path: Path) -> None:
    path = tmp_path / "a\x1b[31m\n.txt"
    path.write_text(TEXT)
    assert "/a\u241b[31m\u240a.txt: perplexity " in pythia("perplexity", path).out
    missing = pythia("perplexity", f"{path}.gone", status=NOT_FOUND)
    assert "\x1b" not in missing.err


@pytest.mark.skipif(sys.platform != "linux", reason="names are bytes on Linux")
def test_a_files_name_that_is_not_utf8(pythia: Pythia, tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"caf\xe9.txt")
    path.write_text(TEXT)
    pages = [tmp_path / "page.html", tmp_path / "tokens.jsonl"]
    done = pythia("perplexity", path, "--html", pages[0], "--per-token", pages[1], "--json")
    assert done.record["file"] == str(path)
    assert "caf\\udce9.txt</h2>" in pages[0].read_text(encoding="utf-8")
    assert json.loads(pages[1].read_text().splitlines()[0])["file"] == str(path)


def test_control_characters_do_not_reach_a_terminal(pythia: Pythia, tmp_path: Path) -> None:
    path = tmp_path / "text.txt"
    path.write_bytes(b"red \x1b[31mRED\x1b[2J\x07bell \x08 \xc2\x9b8A end\r\nline")
    shown = in_terminal(pythia, path, TERM="xterm-256color")
    for raw in ("\x1b[31mRED", "\x1b[2J", "\x07", "\x08", "\x9b"):
        assert raw not in shown
    plain = re.sub(r"\x1b\[[\d;]*m", "", shown)
    assert "red \u241b[31mRED\u241b[2J\u2407bell \u2408 \\x9b8A end\u240d" in plain
    piped = pythia("perplexity", path, "--show").stdout
    assert b"\x1b" in piped  # a pipe gets the text as it is
