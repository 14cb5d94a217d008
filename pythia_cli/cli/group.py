"""A group of commands, each imported when it is used: importing all takes as long as typer."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

from pythia_cli.cli.grouped import Grouped

_ANY_LENGTH = 10_000  # characters


class Commands(TyperGroup):
    """A group whose help shows the whole first sentence about each command, on several lines.

    places: for each command, in the order of the help, its module in `cli.commands` and its
    function, or the `Typer` of a group, there.
    """

    places: ClassVar[dict[str, str]] = {}

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self.commands: Any = _Imported(self.places)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the commands and what they do. None is made for that: it takes 5 ms each."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, _summary(place)) for name, place in self.places.items()])


class _Imported(Mapping[str, Any]):
    """Commands by name, each imported the first time it is asked for."""

    def __init__(self, places: Mapping[str, str]) -> None:
        self._places = places
        self._found: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name not in self._found:
            self._found[name] = _imported(name, self._places[name])
        return self._found[name]

    def __contains__(self, name: object) -> bool:
        return name in self._places

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)


def _found(place: str) -> Any:
    """The function of a command, or the `Typer` of a group."""
    module, _, variable = place.partition(":")
    return getattr(importlib.import_module(f"pythia_cli.cli.commands.{module}"), variable)


def _summary(place: str) -> str:
    """The first sentence about a command."""
    found = _found(place)
    text = found.info.help if isinstance(found, typer.Typer) else found.__doc__
    return TyperCommand(None, help=inspect.cleandoc(text or "")).get_short_help_str(_ANY_LENGTH)


def _imported(name: str, place: str) -> Any:
    found = _found(place)
    if not isinstance(found, typer.Typer):
        function, found = found, typer.Typer(rich_markup_mode=None, add_completion=False)
        # A command may read its arguments in a way of its own.
        found.command(name, cls=getattr(function, "command_class", Grouped))(function)
    command = get_command(found)
    command.name = name
    return command
