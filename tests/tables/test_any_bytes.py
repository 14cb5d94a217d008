"""Whatever the bytes: items, or an error of ours; and each item's place and size are right."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from pythia_cli.errors import PythiaError
from pythia_cli.tables.items import open_items

_PARTS = [
    b'"', b'""', b"\t", b",", b"\n", b"\r", b"\r\n", b"\0", b"text", b"a", b" ", b"\xef\xbb\xbf",
    b"\xe9", "caf\u00e9".encode(), b"{", b"}", b"[", b"]", b'{"text": "a"}', b'"text":', b"\\u",
    b"\\ud800", b"1", b"text\tn\n", b"text,n\n", b"a\t1\n", b"a,1\n", b"\xff\xfe", b"\x1f\x8b",
    "\u2028".encode(), b"\x0c", b"\x1a", b"x" * 70_000,
]  # fmt: skip


@pytest.mark.parametrize("format", ["lines", "tsv", "csv", "jsonl", "nul"])
@pytest.mark.parametrize("quotes", [True, False])
def test_any_bytes(tmp_path: Path, format: str, quotes: bool) -> None:
    draw = random.Random(format)
    path = tmp_path / "any"
    said: list[str] = []
    for _ in range(100):
        beginning = draw.choice([b"", b"text\tn\n", b"text,n\n", b'{"text": "a"}\n'])
        path.write_bytes(beginning + b"".join(draw.choices(_PARTS, k=draw.randrange(30))))
        try:
            with open_items(path, format=format, quotes=quotes) as items:
                found = []
                for item in items:
                    found.append(item)
                assert [item.content() for item in found] == [item.content() for item in items]
                assert [item.number for item in found] == list(range(1, len(found) + 1))
                lines = [item.line for item in found]
                assert lines == sorted(set(lines))
                assert sum(item.n_bytes for item in found) <= items.n_bytes
                for item in found:
                    assert item.error is None or (
                        item.fields == {} and str(path) in str(item.error)
                    )
                assert isinstance(items.columns, dict)
        except PythiaError as error:
            said.append(str(error))
    assert all(message.startswith(str(path)) for message in said)
