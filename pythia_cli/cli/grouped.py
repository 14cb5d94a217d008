"""Plain-text help with options in groups. Fast, and works on 40 columns."""

from __future__ import annotations

from typing import Any

import typer
from typer.core import TyperArgument, TyperCommand

CHECKPOINT, OUTPUT = "Which checkpoint", "Output"
_ARGUMENTS, _OTHERS = "Arguments", "Options"


class Grouped(TyperCommand):
    """A command whose help lists options under their `rich_help_panel`.

    Typer does so only in boxes drawn by rich. Also refuses -m or -c given twice, unless the option
    takes several values, as in `download`.
    """

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """As in click. Raises a usage error if -m or -c is given twice."""
        if not ctx.resilient_parsing:
            _, _, given = self.make_parser(ctx).parse_args(list(args))
            for parameter in given:
                once = group_of(parameter) == CHECKPOINT and not parameter.multiple
                if once and given.count(parameter) > 1:
                    name = "/".join(parameter.opts)
                    raise typer.BadParameter(f"{name} was given twice; give it once", ctx=ctx)
        return super().parse_args(ctx, args)

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
