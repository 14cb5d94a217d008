"""Prints scored text, coloured by surprisal."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from pythia_cli.cli.output import animated, columns
from pythia_cli.text.printable import visible

if TYPE_CHECKING:
    from pythia_cli.engine.scored_text import ScoredText

_PAINTS = ("dim", "", "yellow", "bold dark_orange", "bold underline red")
_MARKED_FROM = 3  # level from which bits are shown if there are no colours


def show_texts(texts: Iterable[ScoredText]) -> None:
    """Print texts on stdout, coloured by surprisal."""
    from pythia_cli.measures.surprisal_page import LEVELS, stretches

    for text in texts:
        paint(((s.text, s.level, s.bits) for s in stretches(text)), LEVELS)


def paint(pieces: Iterable[tuple[str, int, float | None]], bounds: Sequence[float]) -> None:
    """Print pieces (text, level, bits) on stdout, coloured by level; a terminal gets whole words.

    Without colours, as in a pipe, pieces of high levels are followed by their bits in braces. For
    white space the braces also show which, because its bits do not belong to the word before it.
    """
    if not sys.stdout.isatty():
        last = "\n"
        for last in _marked(pieces):
            sys.stdout.write(last)
        sys.stdout.write("" if last.endswith("\n") else "\n")
        return
    from rich.console import Console
    from rich.text import Text

    console = Console(file=sys.stdout, width=columns(), highlight=False, markup=False)
    shown = ((visible(piece), level, bits) for piece, level, bits in pieces)
    if not animated(sys.stdout):
        console.print(Text("".join(_marked(shown)).removesuffix("\n"), overflow="fold"))
        return
    text = Text(overflow="fold")
    for piece, level, _ in shown:
        text.append(piece, style=_PAINTS[level])
    text.remove_suffix("\n")
    console.print(text)
    legend = Text("bits a token: ")
    for level, style in enumerate(_PAINTS):
        label = f"from {bounds[level - 1]:g}" if level else f"less than {bounds[0]:g}"
        legend.append(label, style=style)
        legend.append("  ")
    console.print(legend)


def _marked(pieces: Iterable[tuple[str, int, float | None]]) -> Iterator[str]:
    """Each piece, with its bits in braces if its level is high."""
    for piece, level, bits in pieces:
        body, mark = piece.rstrip(), ""
        if level >= _MARKED_FROM and bits is not None:
            mark = f"{{{bits:.1f}}}" if body else f"{{{piece!r} {bits:.1f}}}"
        yield f"{body}{mark}{piece[len(body) :]}"
