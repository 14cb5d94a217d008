"""Token ids from arguments and files."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pythia_cli.cli import token_ids
from pythia_cli.cli.errors import CommandError
from pythia_cli.cli.output import Notices
from pythia_cli.cli.token_ids import parse_ids, read_id_prompts, read_ids
from pythia_cli.errors import UsageError

QUIET = Notices(quiet=True)


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("", []),
        (" \n", []),
        ("[]", []),
        ("5", [5]),
        ("1 2\t3\n4", [1, 2, 3, 4]),
        ("1,2, 3 ,4", [1, 2, 3, 4]),
        (" [1, 2,\n 3]\n", [1, 2, 3]),
        ("[1, 2]\n[]\n[3]\n", [1, 2, 3]),
        ("007", [7]),
        ("999999999999999999", [999999999999999999]),
    ],
)
def test_spellings(text: str, ids: list[int]) -> None:
    found = parse_ids(text, "x")
    assert (found.tolist(), found.dtype) == (ids, np.int64)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("1 a 2", "x: 'a' is not a token id"),
        ("1\n2\n\n3 -4", "x, line 4: '-4' is not a token id"),
        ("\n\n1\n2 x", "x, line 4: 'x' is not a token id"),
        ("1.0", "'1.0'"),
        ("1e3", "'1e3'"),
        ("1_0", "'1_0'"),
        ("+1", r"'\+1'"),
        ("\u0663", "is not a token id"),
        ("[1, 2", r"'\[1' is not"),
        ("[[1], [2]]", r"'\[1\]'"),
        ("[1]\n[2 x]", r"line 2: 'x'"),
        ("1,,2", "a comma has no id beside it"),
        ("1\n2,\n", "line 2: a comma has no id beside it"),
        (",1", "a comma"),
        ("[1,]", "a comma"),
        ("9" * 19, "'9999"),
        ("9" * 99_999, "is not a token id"),
    ],
)
def test_what_is_no_id(text: str, says: str) -> None:
    with pytest.raises(CommandError, match=says) as caught:
        parse_ids(text, "x")
    assert len(str(caught.value)) < 100
    assert "pythia tokenize --ids" in str(caught.value.hint)


@given(ids=st.lists(st.integers(0, 60_000), max_size=40), separator=st.sampled_from(" \n,"))
def test_long_texts_are_read_in_pieces(ids: list[int], separator: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(token_ids, "_PIECE", 5)
        assert parse_ids(separator.join(map(str, ids)), "x").tolist() == ids
        if ids:
            with pytest.raises(CommandError, match=f"line {len(ids) + 1}: 'x'"):
                parse_ids("\n".join([*map(str, ids), "x"]), "y")


def saved(array: Any, **more: Any) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array, **more)
    return stream.getvalue()


@pytest.mark.parametrize("kind", ["u2", ">u2", "i4", "u8", "i8"])
def test_npy(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "ids"  # by its content, whatever its name
    path.write_bytes(saved(np.array([1, 2, 500], kind)))
    for by_line in (False, True):
        lines = read_ids(path, QUIET, by_line=by_line)
        assert (lines.token_ids.tolist(), list(lines.ends)) == ([1, 2, 500], [3])


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (saved(np.ones((2, 2), int)), r"holds int64 of the shape \(2, 2\); expected token ids"),
        (saved(np.ones(2)), "holds float64"),
        (saved(np.ones(2, bool)), "holds bool"),
        (saved(np.int64(3)), "of the shape"),
        (saved(np.array(["a"])), "holds <U1"),
        (saved(np.array([None]), allow_pickle=True), "holds object"),
        (saved(np.array([4, -1])), "element 1 is -1"),
        (saved(np.array([4, 1 << 63], np.uint64)), "element 1 is 9223372036854775808"),
        (saved(np.arange(9))[:-1], "not as long as its header says"),
        (saved(np.arange(9)) + b"\0", "not as long as its header says"),
        (b"\x93NUMPY", "is not a .npy file of an array of numbers"),
        (b"\x93NUMPY\x09\x00", "of an array of numbers"),
        (b"\x93NUMPY\x01\x00\x06\x00{'a'!}", "of an array of numbers"),
        (saved(np.arange(3)).replace(b"(3,)", b"(-3)"), "of an array of numbers|shape"),
    ],
)
def test_bad_npy(tmp_path: Path, data: bytes, says: str) -> None:
    path = tmp_path / "ids.npy"
    path.write_bytes(data)
    with pytest.raises(UsageError, match=says):
        read_ids(path, QUIET, by_line=False)


def test_files(tmp_path: Path) -> None:
    path = tmp_path / "ids.txt"
    path.write_text("1 2\n\n[3, 4]\r\n5\n")
    lines = read_ids(path, QUIET, by_line=True)
    assert (lines.token_ids.tolist(), list(lines.ends)) == ([1, 2, 3, 4, 5], [2, 2, 4, 5])
    with pytest.raises(CommandError, match=r"ids.txt, line 3: '\[3' is not a token id"):
        read_ids(path, QUIET, by_line=False)
    path.write_text("1 2\nx\n")
    with pytest.raises(CommandError, match=r"ids.txt, line 2: 'x' is not a token id"):
        read_ids(path, QUIET, by_line=True)


def test_prompts(tmp_path: Path) -> None:
    path = tmp_path / "ids.txt"
    path.write_bytes(b"1 2\n\nx\n3\xe9\n4")
    first, empty, bad, no_text, last = read_id_prompts(path, QUIET)
    assert [first, empty, last] == [[1, 2], [], [4]]
    assert "line 3: 'x'" in str(bad)
    assert "line 4 is not UTF-8" in str(no_text)
