"""Commands in a real terminal, 80 and 40 columns wide, and the same in a pipe."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest

from tests.cli.running import Pythia
from tests.cli.screens import lines_of, screen_of, wrapped
from tests.conftest import DEMO

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="pty is POSIX")

MODEL_LINES = [
    "demo step3000, int8: a small built-in model, not a Pythia",
]
GENERATE = ("generate", "She looked at him and", "--echo", "-n", "40", "--seed", "1")
WIDTHS = pytest.mark.parametrize("columns", [80, 40])
CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]")


@WIDTHS
def test_generate(pythia: Pythia, columns: int) -> None:
    shown = screen_of(pythia, *GENERATE, columns=columns)
    piped = pythia(*GENERATE)
    assert not CONTROL.search(piped.out + piped.err)
    assert shown == wrapped([*MODEL_LINES, *piped.out.splitlines()], columns)


@pytest.mark.parametrize("options", [(), ("--no-stream",)])
def test_control_characters_are_shown_as_signs(
    pythia: Pythia, tmp_path: Path, options: tuple[str, ...]
) -> None:
    """A pipe gets the text as it is; a terminal would obey it."""
    (tmp_path / "prompts").write_bytes(b"x\x1b]0;pwn\x07\ty\n")
    prompts = ("--prompt-file", str(tmp_path / "prompts"))
    command = ("generate", *prompts, "--echo", "-n", "2", "--seed", "1", "-q", *options)
    piped = pythia(*command).out
    assert piped.startswith("x\x1b]0;pwn\x07\ty")
    (line,) = screen_of(pythia, *command, columns=80)
    assert line.startswith("x\u241b]0;pwn\u2407")
    assert line.split()[1:] == piped.split()[1:]


@WIDTHS
def test_perplexity(pythia: Pythia, short_text: Path, columns: int) -> None:
    command = ("perplexity", str(short_text), str(short_text))
    shown = screen_of(pythia, *command, columns=columns)
    piped = pythia(*command)
    assert not CONTROL.search(piped.out + piped.err)
    # The bar is gone when all is done, and there is a table in place of long lines.
    *before, head, one, two, total, protocol = shown
    assert before == wrapped(MODEL_LINES, columns)
    assert head.split() == [
        "file",
        "perplexity",
        *(["+/-"] * (columns > 60)),
        "bits/byte",
        "tokens",
    ]
    assert one == two
    assert one.split()[0].endswith(".txt")
    figures = json.loads(pythia(*command, "--json").out.splitlines()[0])
    assert f"{figures['perplexity']:.4f}" in one
    assert f"{figures['bits_per_byte']:.4f}" in one
    assert total.startswith("total  ")
    assert protocol == "stride, context 512, stride 256"[:columns]
    assert {len(line) for line in (head, one, total)} == {len(one)}


@WIDTHS
def test_perplexity_painted(pythia: Pythia, short_text: Path, columns: int) -> None:
    shown = screen_of(pythia, "perplexity", str(short_text), "--show", columns=columns)
    text = short_text.read_text(encoding="utf-8")
    legend = "bits a token: less than 1  from 1  from 3  from 6  from 10"
    figures = pythia("perplexity", str(short_text)).out.splitlines()
    end = len(shown) - len(wrapped(figures, columns))
    assert shown[end:] == wrapped(figures, columns)
    # Lines end between words; the screen may have lost the first of them.
    words = [*" ".join(MODEL_LINES).split(), *text.split(), *legend.split()]
    here = [word for line in shown[:end] for word in line.split()]
    assert here == words[-len(here) :]
    assert max(map(len, shown[:end])) > columns - 20


@WIDTHS
def test_checkpoint_use(in_own_store: Pythia, columns: int) -> None:
    shown = screen_of(in_own_store, "checkpoint", "use", "64", columns=columns)
    assert shown == ["demo@64 is now active"]
    piped = in_own_store("checkpoint", "use", "512")
    assert (piped.out, piped.err) == ("", "demo@512 is now active\n")


@WIDTHS
def test_checkpoint_list(in_own_store: Pythia, columns: int) -> None:
    in_own_store("quantize", DEMO / "step64", "--as", "mine@7")
    manifest = in_own_store.store / "checkpoints/mine/step7/manifest.json"
    content = json.loads(manifest.read_text())
    content["certificate"] = {"kl_mean": 0.0001, "delta_nll": -9e-5, "top1_agreement": 0.9925}
    manifest.write_text(json.dumps(content))
    (manifest.parent / "notes.txt").write_bytes(bytes(2_000_000))
    whole = [
        "checkpoint     size                  KL  delta nll   top-1",
        "* demo@3000  2.4 MB  ━━━━━╸",
        "  mine@7     4.4 MB  ━━━━━━━━━━  0.0001     -9e-05  99.25%",
    ]
    narrow = [line[:39].rstrip() for line in whole]
    shown = screen_of(in_own_store, "checkpoint", "list", columns=columns)
    assert shown == (whole if columns == 80 else narrow)
    assert in_own_store("checkpoint", "list").out.splitlines() == [
        "* demo@3000                      2.4 MB",
        "  mine@7                         4.4 MB                    KL 0.0001  delta nll -9e-05"
        "  top-1 99.25%",
    ]


@WIDTHS
def test_an_error(pythia: Pythia, columns: int) -> None:
    line = "error: unknown model 'pythia-140m'; did you mean pythia-14m or pythia-410m?"
    shown = screen_of(pythia, "generate", "x", "-m", "pythia-140m", columns=columns, status=3)
    assert shown == wrapped([line], columns)
    assert pythia("generate", "x", "-m", "pythia-140m", status=3).err == f"{line}\n"


@WIDTHS
def test_help_fits(pythia: Pythia, columns: int) -> None:
    for command in ((), ("generate",), ("download",), ("checkpoint", "remove")):
        shown = screen_of(pythia, *command, "--help", columns=columns)
        assert len(shown) > 10
        assert all(len(line) <= columns for line in shown)


def test_a_dumb_terminal_gets_plain_lines(pythia: Pythia, short_text: Path) -> None:
    shown = screen_of(pythia, "perplexity", str(short_text), columns=80, TERM="dumb")
    piped = pythia("perplexity", str(short_text))
    assert shown == wrapped([*MODEL_LINES, *piped.out.splitlines()], 80)


def test_a_screen_is_what_a_terminal_shows() -> None:
    assert lines_of(b"one\r\ntwo\x1b[2K\rthree", 80) == ["one", "three"]
    assert lines_of(b"12345", 3) == wrapped(["12345"], 3) == ["123", "45"]
