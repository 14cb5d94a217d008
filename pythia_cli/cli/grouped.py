"""Plain-text help with options in groups. Fast, and works on 40 columns."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from typing import Any

import typer
from typer.core import TyperArgument, TyperCommand, TyperGroup, TyperOption

# By version, typer imports click or includes a copy.
_UsageError: Any = typer.BadParameter.__bases__[0]

CHECKPOINT, OUTPUT = "Which checkpoint", "Output"
_ARGUMENTS, _OTHERS = "Arguments", "Options"
_ANY_LENGTH = 10_000  # characters


class Grouped(TyperCommand):
    """A command whose help lists options under their `rich_help_panel`.

    Typer does so only in boxes drawn by rich. Also refuses what typer would read in silence: an
    option of one value given twice, and the empty name of a file or folder, which Path takes for
    the working folder.
    """

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """As in click. Raises a usage error, with a hint if a text was taken for options."""
        try:
            if not ctx.resilient_parsing:
                self._check(ctx, list(args))
            return super().parse_args(ctx, list(args))
        except _UsageError as error:
            if (text := _text_like_an_option(args, error)) is not None:
                command = f"{ctx.command_path} -- {shlex.quote(text)}"
                error.hint = f'put -- before a text that begins with "-": {command}'
            raise

    def _check(self, ctx: Any, args: list[str]) -> None:
        values, _, given = self.make_parser(ctx).parse_args(args)
        for parameter in self.get_params(ctx):
            if parameter.type.name == "path" and values.get(parameter.name or "") == "":
                raise typer.BadParameter("the name is empty", ctx=ctx, param=parameter)
            takes_one = isinstance(parameter, TyperOption) and not (
                parameter.is_flag or parameter.multiple
            )
            if takes_one and given.count(parameter) > 1:
                name = "/".join(parameter.opts)
                raise typer.BadParameter(f"{name} was given twice; give it once", ctx=ctx)

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the groups in order of first appearance; options without a group come last."""
        groups: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is not None:
                groups.setdefault(group_of(parameter), []).append(record)
        for name in sorted(groups, key=lambda name: name == _OTHERS):
            with formatter.section(name):
                formatter.write_dl(groups[name])


def group_of(parameter: Any) -> str:
    """The name of an argument's or option's group."""
    if isinstance(parameter, TyperArgument):
        return _ARGUMENTS
    return getattr(parameter, "rich_help_panel", None) or _OTHERS


class Commands(TyperGroup):
    """A group whose help shows the whole first sentence about each command, on several lines."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the commands and what they do."""
        found = [(name, self.get_command(ctx, name)) for name in self.list_commands(ctx)]
        with formatter.section("Commands"):
            formatter.write_dl(
                [
                    (name, command.get_short_help_str(_ANY_LENGTH))
                    for name, command in found
                    if command
                ]
            )


def _text_like_an_option(args: Sequence[str], error: Exception) -> str | None:
    """The first argument that may be a text which begins with a minus sign; None without one."""
    options = args[: args.index("--")] if "--" in args else args
    is_unknown = hasattr(error, "option_name")
    for argument in options:
        if re.match(r"-.*\s", argument) or (is_unknown and re.match(r"-[\d.]", argument)):
            return argument
    return None
