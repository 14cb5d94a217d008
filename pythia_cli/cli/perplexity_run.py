"""Scores the texts of `pythia perplexity`, and prints the results."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import typer

from pythia_cli.cli.file_output import Write
from pythia_cli.cli.output import Notices
from pythia_cli.cli.paint import show_texts
from pythia_cli.cli.tables import print_table
from pythia_cli.errors import PythiaError
from pythia_cli.release import arithmetic_of
from pythia_cli.text.printable import one_line

if TYPE_CHECKING:
    from pythia_cli.engine.text_plan import TextPlan
    from pythia_cli.engine.totals import Totals
    from pythia_cli.library.model import Model
    from pythia_cli.measures.perplexity import Perplexity
    from pythia_cli.measures.protocols import Protocol


class PerplexityRun:
    """Scores the files of one command one after the other, and prints the results.

    names_step: lines of text say which checkpoint they are of.
    """

    def __init__(
        self,
        model: Model,
        protocol: Protocol,
        notices: Notices,
        *,
        as_json: bool,
        show: bool,
        to_stdout: bool,
        keep_tokens: bool,
        from_ids: bool,
        names_step: bool = False,
    ) -> None:
        self._model, self._protocol, self._notices = model, protocol, notices
        self._as_json, self._show, self._keep_tokens = as_json, show, keep_tokens
        self._from_ids = from_ids
        self._step = model.opened.name()["checkpoint"] if names_step else None
        # If stdout is used for something else, figures go to stderr.
        self._say: Callable[[str], object] = notices.say if to_stdout else typer.echo
        # Only in a terminal; a pipe gets each line as soon as it is known.
        self._may_be_table = sys.stdout.isatty() and not (as_json or show or to_stdout)
        self._found: list[Perplexity] = []
        self._failed: list[str] = []
        self.seconds = 0.0

    @property
    def totals(self) -> Totals:
        """The totals of all files."""
        from pythia_cli.engine.totals import Totals

        return sum((found.totals for found in self._found), Totals())

    def score(
        self, planned: list[tuple[str, Sequence[TextPlan] | PythiaError]], write_token: Write | None
    ) -> None:
        """Score the planned texts and print the results. Texts with an error are left out."""
        from pythia_cli.engine.documents import count_scored
        from pythia_cli.measures.perplexity import score_perplexity

        in_table = self._may_be_table and len(planned) > 1
        n_tokens = sum(
            count_scored(plans) for _, plans in planned if not isinstance(plans, PythiaError)
        )
        self._model.prepare()
        started = time.perf_counter()
        with self._notices.task("scoring", n_tokens, "tokens") as task:
            for name, plans in planned:
                if isinstance(plans, PythiaError):
                    self._fail(name, plans)
                    continue
                begun = time.perf_counter()
                found = score_perplexity(
                    self._model, plans, self._protocol, name, task,
                    keep_tokens=self._keep_tokens, from_ids=self._from_ids,
                )  # fmt: skip
                seconds = time.perf_counter() - begun
                self._found.append(found)
                if write_token is not None:
                    _write_tokens(write_token, found, self._model)
                with self._notices.aside():
                    if self._show:
                        show_texts(found.texts)
                    if not in_table:
                        self._say(self._line(name, found.totals, seconds))
        self.seconds = time.perf_counter() - started
        if not self._found:
            return
        if in_table:
            self._print_table()
        elif len(planned) > 1:
            self._say(self._line(None, self.totals, self.seconds))

    def _fail(self, name: str, error: PythiaError) -> None:
        self._failed.append(name)
        if self._as_json:
            with self._notices.aside():
                self._say(
                    json.dumps({"file": name, **self._model.opened.identity(), "error": str(error)})
                )

    @property
    def _total(self) -> str:
        n = len(self._failed)
        return f"total without {n} failed file{'s' * (n > 1)}" if n else "total"

    def page(self) -> str:
        """The texts as a web page."""
        from pythia_cli.measures.surprisal_page import page_of

        return page_of(self._found)

    def _line(self, name: str | None, totals: Totals, seconds: float) -> str:
        if self._as_json:
            return json.dumps(self._record(name, totals, seconds))
        bits, value, error = totals.bits_per_byte, totals.perplexity, totals.stderr
        return (
            f"{self._total if name is None else one_line(name)}"
            f"{'' if self._step is None else f', {self._step}'}: "
            f"perplexity {'over 1e308' if value is None else f'{value:.4f}'}"
            f"{'' if error is None else f' +/- {error:.4f}'},"
            f" bits per byte {'-' if bits is None else f'{bits:.4f}'},"
            f" mean nll {totals.nll / totals.n_tokens:.4f} nats a token,"
            f" {totals.n_tokens} tokens ({self._protocol_in_words()})"
        )

    def _record(self, name: str | None, totals: Totals, seconds: float) -> dict[str, Any]:
        from pythia_cli.measures.perplexity import record

        provenance = self._model.provenance()
        return {
            "file": name,
            **record(self._protocol, provenance, totals, from_ids=self._from_ids),
            **({"failed": self._failed} if name is None and self._failed else {}),
            "seconds": seconds,
            "tokens_per_second": totals.n_tokens / seconds,
        }

    def _print_table(self) -> None:
        """Print a row for each file, and one for all."""
        rows = []
        everything = [*((found.source, found.totals) for found in self._found)]
        for name, totals in [*everything, (self._total, self.totals)]:
            figures = (totals.perplexity, totals.stderr, totals.bits_per_byte)
            shown = ["-" if figure is None else f"{figure:.4f}" for figure in figures]
            rows.append([name, *shown, str(totals.n_tokens)])
        heads = ["file", "perplexity", "+/-", "bits/byte", "tokens"]
        print_table(heads, rows, ["+/-", "tokens", "bits/byte"], keep=8)
        step = "" if self._step is None else f"{self._step}: "
        typer.echo(step + self._protocol_in_words())

    def _protocol_in_words(self) -> str:
        chosen = self._protocol
        words = f"{chosen.name}, context {chosen.context}, stride {chosen.stride}"
        words += ", bos" if chosen.bos else ""
        words += ", ids" if self._from_ids else ""
        return words + (", precision fast" if self._model.precision == "fast" else "")


def _write_tokens(write: Write, found: Perplexity, model: Model) -> None:
    """Write one JSON object for each token of a file."""
    position, precision = 0, model.precision
    identity = {
        **model.opened.identity(), "precision": precision, **arithmetic_of(precision)
    }  # fmt: skip
    for text in found.texts:
        for token in text.tokens(model.tokenizer):
            record = {"file": found.source, **identity, "position": position, **token}
            write(json.dumps(record) + "\n")
            position += 1
