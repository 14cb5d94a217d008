from __future__ import annotations

from pathlib import Path

import pytest

from pythia_cli.tables.first_items import FirstItems
from pythia_cli.tables.items import open_items
from pythia_cli.tables.problems import MissingColumn


def test_the_first_items(tmp_path: Path) -> None:
    path = tmp_path / "a.tsv"
    path.write_text("a\ttext\n1\tone\n2\ttwo\n3\tthree\n")
    with open_items(path) as whole:
        for n in (1, 2, 3, 9):
            some = FirstItems(whole, n)
            for _ in range(2):
                assert list(some) == list(whole)[:n]
            assert some.n_bytes == sum(item.n_bytes for item in list(whole)[:n])
            assert (some.name, some.column, some.format) == (str(path), "text", "tsv")
            assert some.columns == whole.columns
            assert some.is_file(path)
            with pytest.raises(MissingColumn):
                some.check_columns("none")


def test_closing_it_closes_the_input(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("one\n")
    with FirstItems(open_items(tmp_path / "a.txt"), 1) as items:
        assert len(list(items)) == 1
    with pytest.raises(ValueError, match="closed"):
        list(items)
