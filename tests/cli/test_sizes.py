"""Sizes as people type them."""

from __future__ import annotations

import pytest

from pythia_cli.cli.errors import CommandError
from pythia_cli.cli.sizes import n_bytes_of


@pytest.mark.parametrize(
    ("text", "n"),
    [("20GB", 20 * 10**9), ("1.5g", 15 * 10**8), ("500 MB", 5 * 10**8), ("7", 7), ("3kb", 3000)],
)
def test_sizes(text: str, n: int) -> None:
    assert n_bytes_of(text) == n


@pytest.mark.parametrize("text", ["", "GB", "-1GB", "1e9", "1,5GB", "20GiB", "many"])
def test_what_is_no_size(text: str) -> None:
    with pytest.raises(CommandError, match="is not a size"):
        n_bytes_of(text)
