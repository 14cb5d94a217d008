"""Prints heat maps: in colours where the terminal has them, otherwise as characters."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from pythia_cli.cli.output import animated, can_write, columns

if TYPE_CHECKING:
    from rich.console import Console

    from pythia_cli.pictures.heat_map import HeatMap


def print_heat_maps(maps: Sequence[HeatMap]) -> None:
    """Print heat maps on stdout, as wide as the terminal. Raises InvalidValue if there are none.

    A terminal of 16 colours, a pipe, and NO_COLOR have characters: 16 colours show no scale.
    """
    from rich.console import Console
    from rich.text import Text

    from pythia_cli.pictures.heat_lines import heat_lines

    console = Console(file=sys.stdout, width=columns(), highlight=False, markup=False)
    is_ascii = not can_write("▁█\u00d7…", sys.stdout)
    if not has_shades(console):
        for line in heat_lines(maps, columns(), colours=False, ascii=is_ascii):
            print(line)
        return
    for line in heat_lines(maps, columns(), colours=True, ascii=is_ascii):
        # rich has the nearest colours of a terminal with 256.
        console.print(Text.from_ansi(line), no_wrap=True, overflow="ignore", crop=False)


def has_shades(console: Console) -> bool:
    """Whether a console of stdout is a terminal that shows colours that are near each other."""
    if not animated(sys.stdout) or console.no_color:
        return False
    return console.color_system in ("256", "truecolor")
