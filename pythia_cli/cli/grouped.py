"""Help with its options in groups, as plain text: in a tenth of a second, and 40 columns wide."""

from __future__ import annotations

from typing import Any

import typer
from typer.core import TyperArgument, TyperCommand

CHECKPOINT, OUTPUT = "Which checkpoint", "Output"
_ARGUMENTS, _OTHERS = "Arguments", "Options"


class Grouped(TyperCommand):
    """A command whose help lists options under their `rich_help_panel`.

    Typer itself does so only in boxes drawn by rich. An option that says which checkpoint is meant
    is refused the second time, as elsewhere the same option names several.
    """

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """As in click. Raises a usage error for -m or -c given twice."""
        if not ctx.resilient_parsing:
            _, _, given = self.make_parser(ctx).parse_args(list(args))
            for parameter in given:
                once = group_of(parameter) == CHECKPOINT and not parameter.multiple
                if once and given.count(parameter) > 1:
                    name = "/".join(parameter.opts)
                    raise typer.BadParameter(f"{name} was given twice; name one", ctx=ctx)
        return super().parse_args(ctx, args)

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """In the order in which groups first appear; those of no group come last."""
        groups: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is not None:
                groups.setdefault(group_of(parameter), []).append(record)
        for name in sorted(groups, key=lambda name: name == _OTHERS):
            with formatter.section(name):
                formatter.write_dl(groups[name])


def group_of(parameter: Any) -> str:
    """The group's name of an argument or option."""
    if isinstance(parameter, TyperArgument):
        return _ARGUMENTS
    return getattr(parameter, "rich_help_panel", None) or _OTHERS
