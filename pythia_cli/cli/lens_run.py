"""What `pythia lens` does with one text: looks at it, draws it, and makes its rows and its page."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pythia_cli.cli import inputs
from pythia_cli.cli.errors import CommandError
from pythia_cli.cli.file_output import opened_output, refuse_one_file
from pythia_cli.cli.item_choices import OutputChoice
from pythia_cli.cli.output import Notices
from pythia_cli.cli.streams import STANDARD_INPUT
from pythia_cli.errors import InputError, PythiaError

if TYPE_CHECKING:
    from pythia_cli.library.model import Model
    from pythia_cli.measures.lens import LensedText, LensOptions
    from pythia_cli.measures.lens_grid import Shade


_ONE_A_LINE = "--file FILE, with a shorter text on each line"


@dataclass(frozen=True)
class LensOutput:
    """Where what is seen goes, by the options. shade: what colours cells; None: not given."""

    rows: OutputChoice
    page: Path | None = None
    shade: Shade | None = None

    def __post_init__(self) -> None:
        """Raises CommandError and InputError if two outputs are in one place."""
        if str(self.page) == "-" and self.wants_rows and self.rows.path is None:
            raise CommandError("only one of the rows and --page - can write to stdout")
        refuse_one_file(self.rows.path, self.page)
        if self.shade is not None and self.page is None and self._names_rows:
            raise CommandError(
                "--shade colours what is drawn, and these are rows", hint="--page FILE.html"
            )

    @property
    def wants_rows(self) -> bool:
        """Whether there is a table: in a pipe, unless only a page is wanted."""
        return self._names_rows or (self.page is None and not sys.stdout.isatty())

    @property
    def _names_rows(self) -> bool:
        rows = self.rows
        return rows.output is not None or rows.format is not None or rows.as_json

    @property
    def is_drawn(self) -> bool:
        """Whether cells are drawn in the terminal."""
        return not self.wants_rows and self.page is None

    def check_one_step(self, openers: Sequence[Callable[[], Model]]) -> None:
        """Raises CommandError for several checkpoints, if something is drawn."""
        if len(openers) > 1 and (self.is_drawn or self.page is not None):
            raise CommandError(
                "a drawing and a page are of one checkpoint",
                hint="--output FILE, for the rows of several",
            )


@dataclass(frozen=True)
class LensText:
    """The text of a command, and what it is called in messages."""

    text: str
    name: str

    @classmethod
    def read(cls, argument: str | None, notices: Notices) -> LensText:
        """The argument, or standard input for `-`, or if it is a pipe and there is no argument.

        Raises CommandError if there is none, and what `read_prompt` raises.
        """
        if argument not in (None, "-"):
            return cls(inputs.argument_text(str(argument), "TEXT"), "TEXT")
        text = None
        if argument == "-" or not sys.stdin.isatty():
            text = inputs.read_prompt(notices, used="looked at")
        if text is None:
            raise CommandError("there is no text", hint='pythia lens "The capital of France is"')
        return cls(text, STANDARD_INPUT)

    def looked_at(self, model: Model, options: LensOptions, notices: Notices) -> LensedText:
        """What the lens says. Raises what LensMeter raises, and InputError with the text's name."""
        from pythia_cli.measures.lens import LensMeter
        from pythia_cli.measures.lens_problems import LongText

        meter = LensMeter(model, options)
        n_steps = meter.n_steps(len(model.tokenizer.encode(self.text)))
        with notices.task("lens", n_steps, "positions of layers") as task:
            (found,) = meter.measure([self.text], task)
        if isinstance(found, InputError):
            hint = _ONE_A_LINE if isinstance(found, LongText) else None
            named = InputError(self.name, found.reason)
            named.hint = hint  # type: ignore[attr-defined]
            raise named from found
        if isinstance(found, PythiaError):
            raise found
        return found


def run_text(
    text: LensText,
    openers: Sequence[Callable[[], Model]],
    options: LensOptions,
    output: LensOutput,
    identity: dict[str, Any],
    notices: Notices,
) -> None:
    """Look at a text with each checkpoint, and write what the options ask for."""
    output.check_one_step(openers)
    shade: Shade = output.shade or "prob"
    with ExitStack() as outputs:
        write_page = outputs.enter_context(opened_output(output.page, []))

        def look(model: Model) -> LensedText:
            found = text.looked_at(model, options, notices)
            if write_page is not None:
                from pythia_cli.measures.lens_page import lens_page

                write_page(lens_page(model, found, options, shade))
            return found

        if output.wants_rows:
            if output.shade is not None and output.page is None:
                notices.say("--shade colours what is drawn in a terminal; this is a table")
            _write_rows(text, openers, look, output.rows, identity, notices)
        else:
            with openers[0]() as model:
                found = look(model)
                if output.is_drawn:
                    from pythia_cli.cli.lens_drawing import print_lens
                    from pythia_cli.measures.lens_grid import LensGrid

                    print_lens(LensGrid.of(found, model.tokenizer, shade))
    if output.page is not None and str(output.page) != "-":
        notices.say(f"wrote {output.page}")


def _write_rows(
    text: LensText,
    openers: Sequence[Callable[[], Model]],
    look: Callable[[Model], LensedText],
    output: OutputChoice,
    identity: dict[str, Any],
    notices: Notices,
) -> None:
    from pythia_cli.cli.item_runs import run_command
    from pythia_cli.measures.lens_items import LENS_COLUMNS, lens_records
    from pythia_cli.tables.item import TEXT
    from pythia_cli.tables.text_items import TextItems

    def measure(model: Model, items: Sequence[Any]) -> list[Any]:
        return [lens_records(look(model), model.tokenizer) for _ in items]

    run_command(
        TextItems([text.text], name=text.name),
        openers,
        measure,
        LENS_COLUMNS,
        output,
        notices,
        identity={**identity, "column": TEXT},
        left_out=[TEXT],
        label="lens",
    )
