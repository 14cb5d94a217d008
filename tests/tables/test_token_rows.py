"""Rows of token ids in .npy and .bin: what is read, and what is refused."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pythia_cli.errors import InputError, InvalidValue, NotFound, PythiaError
from pythia_cli.tables.items import Items
from pythia_cli.tables.joined import JoinedItems
from pythia_cli.tables.problems import MissingColumn, UnevenRows
from pythia_cli.tables.token_rows import TokenRows, open_token_rows

ROWS = np.random.default_rng(0).integers(0, 50_000, (300, 70))
LARGE = 2**17 + 1  # bytes that do not fit one piece of the reader together


def npy(folder: Path, array: np.ndarray[Any, Any], name: str = "a.npy") -> Path:
    np.save(folder / name, array)
    return folder / name


@pytest.mark.parametrize("dtype", ["<u2", ">u2", "<i4", ">i8", "<u8", "u1"])
def test_npy(tmp_path: Path, dtype: str) -> None:
    array = ROWS.astype(dtype)
    path = npy(tmp_path, array)
    with open_token_rows(path) as rows:
        assert isinstance(rows, TokenRows)
        assert (rows.format, rows.column, rows.columns) == (
            "npy",
            "tokens",
            {"idx": int, "tokens": object},
        )
        for _ in range(2):
            found = list(rows)
            assert [item.fields["tokens"] for item in found] == array.tolist()
            assert [item.fields["idx"] for item in found] == list(range(300))
            assert [item.number for item in found] == list(range(1, 301))
            assert sum(item.n_bytes for item in found) == rows.n_bytes == path.stat().st_size
        assert str(found[2].failed("is bad")) == f"{path}, row 3: is bad"
        json.loads(found[2].content())
        assert rows.is_file(path)


def test_side_by_side_readings(tmp_path: Path) -> None:
    with open_token_rows(npy(tmp_path, ROWS)) as rows:
        for one, other in zip(rows, rows, strict=True):
            assert one == other


def test_npy_of_one_row_or_column_in_either_order(tmp_path: Path) -> None:
    for shape in ((1, 70), (70, 1)):
        array = np.asfortranarray(np.arange(70).reshape(shape))
        with open_token_rows(npy(tmp_path, array)) as rows:
            assert [item.fields["tokens"] for item in rows] == array.tolist()


def test_bin(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    ROWS.astype("<u2").tofile(path)
    with open_token_rows(path, row_length=70, n_tokens=5) as rows:
        assert [item.fields["tokens"] for item in rows] == ROWS[:, :5].tolist()
    with open_token_rows(path, row_length=21_000) as rows:
        assert [item.fields["tokens"] for item in rows] == [ROWS.ravel().tolist()]
    with (
        path.open("rb") as file,
        open_token_rows(file, format="bin", row_length=70, name="x") as rows,
    ):
        assert (rows.name, len(list(rows))) == ("x", 300)


def test_rows_longer_than_a_piece(tmp_path: Path) -> None:
    array = np.arange(3 * LARGE, dtype=np.int32).reshape(3, LARGE)
    with open_token_rows(npy(tmp_path, array)) as rows:
        assert [item.fields["tokens"] for item in rows] == array.tolist()


def test_other_files_are_read_as_items(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"tokens": [1, 2]}\n')
    with open_token_rows(tmp_path / "a.jsonl", column="tokens") as items:
        assert isinstance(items, Items)
        assert [item.value("tokens") for item in items] == [[1, 2]]


def test_joined(tmp_path: Path) -> None:
    opened = [open_token_rows(npy(tmp_path, ROWS[:n], f"{n}.npy")) for n in (2, 3)]
    with JoinedItems(opened) as items:
        assert [(item.number, item.fields["idx"]) for item in items] == [
            (1, 0), (2, 1), (3, 0), (4, 1), (5, 2),
        ]  # fmt: skip


def save(array: Any, **more: Any) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, **more)
    return buffer.getvalue()


GOOD = save(ROWS)
BAD = {
    "not npy": (b"\x93NUMPX" + bytes(90), "not a .npy file"),
    "text": (b"1 2 3\n", "not a .npy file"),
    "empty": (b"", "not a .npy file"),
    "a later version": (b"\x93NUMPY\x09\x00" + GOOD[8:], "not a .npy file"),
    "a cut header": (GOOD[:50], "not a .npy file"),
    "no header": (GOOD[:10] + b"x" * 118 + GOOD[128:], "not a .npy file"),
    "floats": (save(ROWS.astype(float)), "holds float64 in 2 dimensions; expected whole numbers"),
    "booleans": (save(ROWS > 5), "holds bool"),
    "objects": (save(np.array([[1, [2]]], object), allow_pickle=True), "holds object"),
    "one dimension": (save(ROWS[0]), "holds int64 in 1 dimensions; expected whole numbers in 2"),
    "three": (save(ROWS[None]), "in 3 dimensions"),
    "columns": (save(np.asfortranarray(ROWS)), "column-major"),
    "no rows": (save(ROWS[:0]), r"shape \(0, 70\)"),
    "no columns": (save(ROWS[:, :0]), r"shape \(300, 0\)"),
    "cut short": (GOOD[:-100], "has 299.8 rows, but its header says 300; it may be cut short"),
    "longer": (GOOD + bytes(560), "has 301.0 rows, but its header says 300"),
    "negative": (GOOD.replace(b"(300, 70)", b"(-30,-70)"), "shape"),
    "long rows": (save(np.zeros((1, 17 << 20), np.uint8)), "has rows of 17,825,792 bytes"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_array_of_rows_is_refused(tmp_path: Path, name: str) -> None:
    data, message = BAD[name]
    path = tmp_path / "a.npy"
    path.write_bytes(data)
    with pytest.raises(InputError, match=message) as raised:
        open_token_rows(path)
    assert str(raised.value).startswith(f"{path}: ")


def test_bin_files_that_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(b"")
    with pytest.raises(InputError, match="is empty"):
        open_token_rows(path)
    path.write_bytes(bytes(2 * 2049 * 3 + 7))
    with pytest.raises(UnevenRows, match="are 3 rows of 2049 token ids, and 7 bytes of row 4"):
        open_token_rows(path)
    with pytest.raises(InvalidValue):
        open_token_rows(path, row_length=0)
    with pytest.raises(NotFound):
        open_token_rows(tmp_path / "none.npy")
    with pytest.raises(MissingColumn, match="did you mean tokens"):
        open_token_rows(npy(tmp_path, ROWS), column="token")


def test_a_file_that_changes_meanwhile(tmp_path: Path) -> None:
    path = npy(tmp_path, ROWS)
    with open_token_rows(path) as rows:
        with path.open("ab") as file:
            file.write(b"more")
        with pytest.raises(InputError, match="was changed"):
            list(rows)


def test_damaged_headers_raise_nothing_else(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    path = tmp_path / "a.npy"
    small = save(ROWS[:3, :3])
    for _ in range(300):
        data = bytearray(small)
        for at in rng.integers(6, 100, rng.integers(1, 4)):
            data[at] = rng.choice(list(b"0123456789-(){},:'<>|uifOTrueFalse \n\x00\xff"))
        path.write_bytes(data)
        try:
            with open_token_rows(path) as rows:
                list(rows)
        except PythiaError:
            pass


_READ = """
import resource, sys
from pythia_cli.tables.token_rows import open_token_rows

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

def read(path):
    with open_token_rows(path, n_tokens=64) as rows:
        return sum(1 for row in rows)

read(sys.argv[1])
before = peak()
print(read(sys.argv[2]), peak() - before)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="ru_maxrss is in KiB on Linux")
def test_memory_is_bounded(tmp_path: Path) -> None:
    small, large = tmp_path / "small.bin", tmp_path / "large.bin"
    for path, n in ((small, 300), (large, 20_000)):  # 80 MB
        np.zeros((n, 2049), np.uint16).tofile(path)
    command = [sys.executable, "-c", _READ, str(small), str(large)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    n_rows, mb = done.stdout.split()
    assert int(n_rows) == 20_000
    assert float(mb) < 5
