"""`pythia sweep plot`: the curves of a sweep, in the terminal, as a picture or as a page."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from pythia_cli.cli import options
from pythia_cli.cli.errors import CommandError
from pythia_cli.cli.file_output import write_whole
from pythia_cli.cli.grouped import OUTPUT
from pythia_cli.cli.output import Notices, can_write, columns

if TYPE_CHECKING:
    from pythia_cli.tables.records import Records

_CHOICE = "What is shown"
_WIDEST, _HEIGHT = 100, 16  # of a curve in the terminal
_PAGE = ".html"


def _names(help: str) -> Any:
    return typer.Option(metavar="NAME", rich_help_panel=_CHOICE, help=help)


def plot(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The folder of a sweep.")],
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="FILE", rich_help_panel=OUTPUT,
                     help="Write a picture (.svg, .png, .pdf) or a page that works offline (.html)."
                     " Default: curves in the terminal."),
    ] = None,
    measure: Annotated[
        list[str] | None, _names("Default: all. Several, or a pattern such as 'pairs*'.")
    ] = None,
    figure: Annotated[
        list[str] | None, _names("accuracy, perplexity, ... Default: the first of each measure.")
    ] = None,
    input: Annotated[list[str] | None, _names("Default: all inputs.")] = None,
    group: Annotated[
        list[str] | None, _names("'*': all groups. Default: all rows of an input together.")
    ] = None,
    x: Annotated[
        Literal["step", "tokens"],
        typer.Option("--x", metavar="NAME", rich_help_panel=_CHOICE,
                     help="step or tokens: training steps, or tokens seen in training."),
    ] = "step",
    as_json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:  # fmt: skip
    """Plot the results of a sweep along training, with what is there so far.

    Examples:

      pythia sweep plot runs/grammar

      pythia sweep plot runs/grammar -o curves.svg --measure pairs

      pythia sweep plot runs/grammar -o page.html --x tokens
    """
    from pythia_cli.errors import InvalidValue
    from pythia_cli.pictures.style import SUFFIXES
    from pythia_cli.sweeps.table import table_rows

    given = {"measure": measure, "figure": figure, "input": input, "group": group}
    choice: dict[str, Any] = {name: names or None for name, names in given.items()}
    suffix = output.suffix.lower() if output is not None else ""
    if output is not None and suffix not in (*SUFFIXES, _PAGE):
        expected = f"a file name that ends in {', '.join(SUFFIXES)} or {_PAGE}"
        raise InvalidValue("output", str(output), expected)
    if output is not None and as_json:
        raise CommandError("--json and --output exclude each other", hint="without --output")
    if suffix == _PAGE and (first := options.first_given(**choice)) is not None:
        raise CommandError(
            f"{first} is for pictures; a page has the whole sweep", hint=f"without {first}"
        )
    rows = table_rows(folder)
    if all(row["figure"] is None for row in rows):  # those say what is missing
        hint = f"pythia sweep status {shlex.quote(str(folder))}"
        raise CommandError(f"{folder}: has no results yet", hint=hint)
    choice["x"] = x
    if output is None:
        _print(rows, choice, as_json=as_json)
        return
    if suffix == _PAGE:
        write_whole(output, _page(rows, folder, x))
    else:
        from pythia_cli.sweeps.plot import picture_of

        write_whole(output, picture_of(rows, suffix, **choice))
    Notices(quiet=quiet).say(f"plotted {folder} in {output}")


def _print(rows: Records, choice: dict[str, Any], *, as_json: bool) -> None:
    """Print curves on stdout: as JSON, one a line, or drawn."""
    import json
    import sys

    from pythia_cli.sweeps.panels import panels_of
    from pythia_cli.sweeps.terminal_curve import curve_lines
    from pythia_cli.text.printable import on_paper

    panels = panels_of(rows, **choice)
    if as_json:
        for panel in panels:
            for curve in panel.curves:
                print(json.dumps(curve.to_dict()))
        return
    width = min(columns(), _WIDEST)
    is_ascii = not can_write("●⣿└", sys.stdout)
    for i, panel in enumerate(panels):
        title = on_paper(panel.title, max(width, len(panel.figure)))
        lines = curve_lines(panel.curves, width, _HEIGHT, ascii=is_ascii)
        print(*([""] if i else []), title, *lines, sep="\n")


def _page(rows: Records, folder: Path, x: Literal["step", "tokens"]) -> bytes:
    from pythia_cli import release
    from pythia_cli.sweeps.page import page_of

    models = sorted({row["model"] for row in rows})
    provenance = {
        "sweep": str(folder.resolve()),
        "models": ", ".join(models),
        "rows": len(rows),
        "made by": f"pythia {release.in_words()}",
    }
    return page_of(rows, str(folder), provenance, x=x).encode()
