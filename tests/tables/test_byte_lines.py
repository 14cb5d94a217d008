"""Lines out of pieces, wherever these are cut, in bounded memory."""

from __future__ import annotations

import random
import re

import pytest

from pythia_cli.tables.byte_lines import LINE_ENDS, NULS, byte_lines


def pieces_of(data: bytes, size: int) -> list[bytes]:
    return [data[at : at + size] for at in range(0, len(data), size)]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 100])
def test_ends_are_found_wherever_pieces_are_cut(size: int) -> None:
    data = b"one\ntwo\r\nthree\rfour\n\r\n\rfive"
    found = list(byte_lines(pieces_of(data, size)))
    assert [line.data for line in found] == [b"one", b"two", b"three", b"four", b"", b"", b"five"]
    assert [line.number for line in found] == list(range(1, 8))
    assert b"".join(line.data + line.end for line in found) == data
    assert sum(line.n_bytes for line in found) == len(data)


def test_random_texts() -> None:
    draw = random.Random(1)
    for _ in range(200):
        data = bytes(draw.choices(b"ab\r\n", k=draw.randrange(40)))
        found = list(byte_lines(pieces_of(data, draw.randrange(1, 9))))
        expected = re.split(rb"\r\n|\r|\n", data)
        assert [line.data for line in found] == (expected if expected[-1] else expected[:-1])


@pytest.mark.parametrize(("data", "n"), [(b"", 0), (b"\n", 1), (b"a", 1), (b"a\n", 1), (b"\r", 1)])
def test_the_last_line(data: bytes, n: int) -> None:
    assert len(list(byte_lines([data]))) == n


def test_nuls_separate_what_may_hold_line_ends() -> None:
    found = list(byte_lines([b"a\nb\0c\r", b"\0\0d"], NULS))
    assert [line.data for line in found] == [b"a\nb", b"c\r", b"", b"d"]


def test_a_line_that_is_too_long_is_not_kept() -> None:
    pieces = [b"ok\n", b"x" * 8, b'"' * 8, b"y\nok\n", b"z" * 11]
    found = list(byte_lines(pieces, LINE_ENDS, longest=10))
    assert [(line.data, line.is_too_long) for line in found] == [
        (b"ok", False), (b"", True), (b"ok", False), (b"", True),
    ]  # fmt: skip
    assert (found[1].n_bytes, found[1].n_quotes) == (18, 8)
