"""Plain-text help with options in groups. Fast, and works on 40 columns."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from typing import Any

import typer
from typer.core import TyperArgument, TyperCommand

# By version, typer imports click or includes a copy.
_UsageError: Any = typer.BadParameter.__bases__[0]

CHECKPOINT, OUTPUT = "Which checkpoint", "Output"
_ARGUMENTS, _OTHERS = "Arguments", "Options"


class Grouped(TyperCommand):
    """A command whose help lists options under their `rich_help_panel`.

    Typer does so only in boxes drawn by rich. Also refuses what typer would read in silence: two
    values for an option that names the checkpoint, and the empty name of a file or folder, which
    Path takes for the working folder.
    """

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """As in click. Raises a usage error, with a hint if a text was taken for options."""
        try:
            rest = super().parse_args(ctx, list(args))
            if not ctx.resilient_parsing:
                self._check(ctx, list(args))
        except _UsageError as error:
            error.ctx = error.ctx or ctx  # whose help the message names
            _name_what_was_typed(error, ctx)
            options = args[: args.index("--")] if "--" in args else args
            if (text := _text_like_an_option(options, error)) is not None:
                error.hint = _with_text_last(ctx.command_path, args, text)
            raise
        return rest

    def _check(self, ctx: Any, args: list[str]) -> None:
        values, _, given = self.make_parser(ctx).parse_args(args)
        for parameter in self.get_params(ctx):
            if parameter.type.name == "path" and values.get(parameter.name or "") == "":
                raise typer.BadParameter("the name is empty", ctx=ctx, param=parameter)
            if group_of(parameter) == CHECKPOINT and given.count(parameter) > 1:
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


def _name_what_was_typed(error: Any, ctx: Any) -> None:
    """Leave an option's environment variable out of the message if the value is not from there."""
    parameter = getattr(error, "param", None)
    if parameter is None:
        return
    source = ctx.get_parameter_source(parameter.name)
    if source is not None and source.name == "COMMANDLINE":
        error.param_hint = error.param_hint or parameter.opts


def _text_like_an_option(options: Sequence[str], error: Exception) -> str | None:
    """The argument that the error is about, if it may be a text that begins with a minus sign."""
    unknown = getattr(error, "option_name", None)
    for argument in options:
        if unknown is not None:
            is_text = re.match(r"-.*\s|-[\d.]", argument) is not None
            is_it = is_text and _has_option(argument, unknown)
        else:  # one whose value is the rest of the text, as in "-n is a letter"
            opts = getattr(getattr(error, "param", None), "opts", ())
            value = argument[2:]
            is_it = argument[:2] in opts and " " in value and repr(value) in str(error)
        if is_it:
            return argument
    return None


def _has_option(argument: str, name: str) -> bool:
    """Whether click finds an option of this name in the argument, which may be -abc."""
    if name.startswith("--"):
        return argument.startswith(name)
    return argument[:1] == "-" != argument[1:2] and name[1:] in argument


def _with_text_last(command: str, args: Sequence[str], text: str) -> str:
    """The command with `--` and the text after its options."""
    at = args.index(text)
    end = args.index("--") if "--" in args else len(args)
    rest = [*args[:at], *args[at + 1 : end], "--", text, *args[end + 1 :]]
    return f'{command} {shlex.join(rest)}  # -- comes before a text that begins with "-"'
