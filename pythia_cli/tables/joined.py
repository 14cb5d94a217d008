"""The items of several inputs, as those of one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Self

from pythia_cli.tables.item import Item
from pythia_cli.tables.items import Items
from pythia_cli.tables.kinds import Kind
from pythia_cli.tables.token_rows import TokenRows


class JoinedItems:
    """The items of one input behind those of another; numbered on. As `Items` otherwise.

    Rows of a table then have a column `file`. Closing it closes all inputs.
    """

    has_file = True

    def __init__(self, inputs: Sequence[Items | TokenRows]) -> None:
        self.inputs = list(inputs)
        self.name = f"{len(inputs)} inputs"
        self.column = inputs[0].column
        self.n_bytes = sum(items.n_bytes for items in inputs)
        self.format: str = inputs[0].format

    @property
    def columns(self) -> dict[str, Kind]:
        """The columns of all inputs. One of which they hold different kinds is of anything."""
        return joined_columns(items.columns for items in self.inputs)

    def check_columns(self, *names: str) -> None:
        """As `Items.check_columns`, of each input."""
        for items in self.inputs:
            items.check_columns(*names)

    def is_file(self, path: Path) -> bool:
        """Whether the file at `path` is one of the inputs."""
        return any(items.is_file(path) for items in self.inputs)

    def __iter__(self) -> Iterator[Item]:
        number = 0
        for items in self.inputs:
            for item in items:
                number += 1
                yield replace(item, number=number)

    def close(self) -> None:
        """Close all inputs."""
        with ExitStack() as stack:
            for items in self.inputs:
                stack.callback(items.close)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *details: object) -> None:
        self.close()


def joined_columns(inputs: Iterable[Mapping[str, Kind]]) -> dict[str, Kind]:
    """The columns of several inputs, of which each has these."""
    joined: dict[str, Kind] = {}
    for columns in inputs:
        for name, kind in columns.items():
            joined[name] = kind if joined.get(name, kind) is kind else object
    return joined
