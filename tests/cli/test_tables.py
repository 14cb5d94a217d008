"""Tables in terminals of several widths."""

from __future__ import annotations

import pytest

from pythia_cli.cli.tables import bar, print_columns, print_table

HEADS = ["", "size", "error", "nothing", "tokens"]
ROWS = [["short.txt", "1", "0.5", "", "12"], ["folder/a-long-name.txt", "1,000", "-", "", "3"]]


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """lines(columns, heads, rows, ...): what is printed, without spaces at the ends."""

    def print_in(columns: int, heads=HEADS, rows=ROWS, dispensable=("error", "size"), **more):
        monkeypatch.setenv("COLUMNS", str(columns))
        print_table(heads, rows, dispensable=dispensable, **more)
        return [line.rstrip() for line in capsys.readouterr().out.splitlines()]

    return print_in


def test_columns_are_aligned_and_empty_ones_left_out(lines) -> None:
    assert lines(80) == [
        "                         size  error  tokens",
        "short.txt                   1    0.5      12",
        "folder/a-long-name.txt  1,000      -       3",
    ]


def test_names_are_cut_before_columns_are_left_out(lines) -> None:
    assert lines(38)[2] == "..-long-name.txt  1,000      -       3"


def test_columns_are_left_out_in_their_order(lines) -> None:
    assert lines(36)[0].split() == ["size", "tokens"]
    assert lines(26)[0].split() == ["tokens"]
    for columns in range(18, 60):
        assert max(map(len, lines(columns))) <= columns


@pytest.mark.parametrize(
    ("share", "encoding", "expected"),
    [
        (1.0, "utf-8", "━━━━"),
        (0.5, "utf-8", "━━  "),
        (0.6, "utf-8", "━━╸ "),
        (1e-9, "utf-8", "╸   "),
        (1.0, "ascii", "####"),
        (0.5, "iso8859-1", "##  "),
        (1e-9, "ascii", "#   "),
    ],
)
def test_bars(share: float, encoding: str, expected: str) -> None:
    assert bar(share, 4, encoding) == expected


def test_names_are_shown_as_wide_as_they_are_and_in_one_line(lines) -> None:
    rows = [["\u65e5\u672c", "1"], ["e\x1b[31m\n", "2"]]
    assert lines(80, ["", "n"], rows, ()) == [
        "         n",
        "\u65e5\u672c     1",
        "e\u241b[31m\u240a  2",
    ]
    assert lines(11, ["", "n"], [["\u65e5\u672c" * 4, "1"]], ())[1] == "..\u672c\u65e5\u672c  1"


def test_columns_are_one_line_a_row(capsys: pytest.CaptureFixture[str]) -> None:
    print_columns([["a", "1.5", "long " * 60], ["[b]", "10", "\x1b"]], ["left", "right", "left"])
    assert capsys.readouterr().out.splitlines() == [
        f"a    1.5  {('long ' * 60).strip()}",
        "[b]   10  \u241b",
    ]
