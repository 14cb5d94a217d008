"""What is written reaches the system in whole huge pages, and is what was written."""

from __future__ import annotations

import io
import mmap
import random
import sys
from pathlib import Path
from typing import BinaryIO

import pytest

from pythia_cli.files import huge_pages
from pythia_cli.files.huge_pages import HUGE_PAGE, want_huge_pages, write_in_huge_pages


class _Recorded(io.FileIO):
    """Notes where each write begins, and how long it is."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, "x+b")
        self.writes: list[tuple[int, int]] = []

    def write(self, data: bytes) -> int:
        at, n = self.tell(), super().write(data)
        self.writes.append((at, n))
        return n


def _written(path: Path, sizes: list[int]) -> tuple[bytes, list[tuple[int, int]]]:
    raw = _Recorded(path)
    data = random.Random(0).randbytes(sum(sizes))
    file: BinaryIO = io.BufferedRandom(raw, HUGE_PAGE)
    with file:
        at = 0
        for n in sizes:
            write_in_huge_pages(file, memoryview(data)[at : at + n])
            at += n
    return data, raw.writes


@pytest.mark.parametrize(
    "sizes",
    [[HUGE_PAGE - 1, 2, 5 * HUGE_PAGE], [3 * HUGE_PAGE], [7] * 9, [0, 64, 0], [HUGE_PAGE] * 2],
)
def test_each_write_is_one_huge_page_but_the_last(tmp_path: Path, sizes: list[int]) -> None:
    data, writes = _written(tmp_path / "a", sizes)
    assert (tmp_path / "a").read_bytes() == data
    whole, rest = divmod(len(data), HUGE_PAGE)
    expected = [(i * HUGE_PAGE, HUGE_PAGE) for i in range(whole)]
    assert writes == expected + [(whole * HUGE_PAGE, rest)] * (rest > 0)


def test_after_a_flush_pages_are_whole_again(tmp_path: Path) -> None:
    raw = _Recorded(tmp_path / "a")
    with io.BufferedRandom(raw, HUGE_PAGE) as file:
        write_in_huge_pages(file, memoryview(bytes(100)))
        file.flush()
        write_in_huge_pages(file, memoryview(bytes(2 * HUGE_PAGE)))
    assert raw.writes == [
        (0, 100),
        (100, HUGE_PAGE - 100),
        (HUGE_PAGE, HUGE_PAGE),
        (2 * HUGE_PAGE, 100),
    ]


def test_a_mapped_file_reads_the_same(tmp_path: Path) -> None:
    data, _ = _written(tmp_path / "a", [HUGE_PAGE + 3])
    with (tmp_path / "a").open("rb") as file:
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    want_huge_pages(mapped)
    assert mapped[:] == data


@pytest.mark.skipif(sys.platform == "win32", reason="mmap has no advice there")
def test_advice_that_the_system_refuses_does_not_matter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(huge_pages.mmap, "MADV_HUGEPAGE", 12345, raising=False)
    test_a_mapped_file_reads_the_same(tmp_path)
