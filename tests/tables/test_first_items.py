from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pythia_cli.tables.first_items import FirstItems
from pythia_cli.tables.item import Item
from pythia_cli.tables.items import Items, open_items
from pythia_cli.tables.joined import JoinedItems
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


def test_only_the_first_items_are_read_for_the_columns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.jsonl"
    lines = [*('{"text": "one", "id": 1}' for _ in range(3)), '{"text": 2, "other": 3}']
    path.write_text("\n".join(lines))
    with open_items(path) as whole, open_items(path) as again:
        assert FirstItems(whole, 3).columns == {"text": str, "id": int}
        assert FirstItems(whole, 4).columns == whole.columns
        assert FirstItems(JoinedItems([whole, again]), 3).columns == {"text": str, "id": int}
        n_read = 0

        def counted(self: Items) -> Iterator[Item]:
            nonlocal n_read
            for item in read(self):
                n_read += 1
                yield item

        read = Items.__iter__
        monkeypatch.setattr(Items, "__iter__", counted)
        assert list(FirstItems(whole, 2).columns) == ["text", "id"]
    assert n_read == 2
