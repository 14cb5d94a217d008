"""Tables and bars in terminals of several widths."""

from __future__ import annotations

import pytest

from pythia_cli.cli.tables import bar, table

HEADS = ["", "size", "error", "nothing", "tokens"]
ROWS = [["short.txt", "1", "0.5", "", "12"], ["folder/a-long-name.txt", "1,000", "-", "", "3"]]


def lines(monkeypatch: pytest.MonkeyPatch, columns: int) -> list[str]:
    monkeypatch.setenv("COLUMNS", str(columns))
    return table(HEADS, ROWS, dispensable=["error", "size"])


def test_columns_are_aligned_and_empty_ones_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    assert lines(monkeypatch, 80) == [
        "                         size  error  tokens",
        "short.txt                   1    0.5      12",
        "folder/a-long-name.txt  1,000      -       3",
    ]


def test_names_are_cut_before_columns_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    assert lines(monkeypatch, 38)[2] == "..-long-name.txt  1,000      -       3"


def test_columns_are_left_out_in_their_order(monkeypatch: pytest.MonkeyPatch) -> None:
    assert lines(monkeypatch, 36)[0].split() == ["size", "tokens"]
    assert lines(monkeypatch, 26)[0].split() == ["tokens"]
    for columns in range(18, 60):
        assert max(map(len, lines(monkeypatch, columns))) <= columns


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


def test_names_are_shown_as_wide_as_they_are_and_in_one_line(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    rows = [["\u65e5\u672c", "1"], ["e\x1b[31m\n", "2"]]
    assert table(["", "n"], rows) == [
        "         n",
        "\u65e5\u672c     1",
        "e\u241b[31m\u240a  2",
    ]
    monkeypatch.setenv("COLUMNS", "9")
    assert table(["", "n"], [["\u65e5\u672c" * 4, "1"]])[1] == "..\u672c\u65e5\u672c  1"
