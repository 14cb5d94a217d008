"""Files of pictures."""

from __future__ import annotations

from pathlib import Path

import pytest

from pythia_cli.errors import InvalidValue, ResourceError
from pythia_cli.pictures.style import SUFFIXES, checked_suffix, write_picture


def test_suffixes() -> None:
    assert [checked_suffix(suffix.upper()) for suffix in SUFFIXES] == list(SUFFIXES)
    for suffix in (".jpg", "", "svg"):
        with pytest.raises(InvalidValue, match=r"expected \.svg, \.png or \.pdf"):
            checked_suffix(suffix)


def test_a_picture_appears_whole(tmp_path: Path) -> None:
    write_picture(tmp_path / "a.svg", b"<svg/>")
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"<svg/>"]
    with pytest.raises(ResourceError, match="cannot be written"):
        write_picture(tmp_path / "nowhere/a.svg", b"")
