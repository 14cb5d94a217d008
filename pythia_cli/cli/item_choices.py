"""What the options of the commands that measure items say together: what is read, and written."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pythia_cli.cli.errors import CommandError


@dataclass(frozen=True)
class InputChoice:
    """How items are read, by the options."""

    column: str | None = None
    format: str | None = None
    null: bool = False
    no_quotes: bool = False

    def __post_init__(self) -> None:
        if self.null and self.format not in (None, "nul"):
            raise CommandError(f"--null and --input-format {self.format} exclude each other")

    @property
    def chosen_format(self) -> str | None:
        """The format; None: by the suffix."""
        return "nul" if self.null else self.format


@dataclass(frozen=True)
class OutputChoice:
    """Where rows go, by the options. `path` is None for stdout."""

    output: Path | None = None
    format: str | None = None
    as_json: bool = False
    resume: bool = False
    skip_errors: bool = False

    def __post_init__(self) -> None:
        if self.as_json and self.path is not None:
            raise CommandError(
                "--json writes to stdout, and --output to a file", hint="--format jsonl"
            )
        if self.as_json and self.format not in (None, "jsonl"):
            raise CommandError(f"--json and --format {self.format} exclude each other")
        if self.path is None and self.format == "parquet":
            raise CommandError("Parquet is not written to stdout", hint="--output FILE.parquet")
        if self.path is None and self.resume:
            raise CommandError("--resume needs the file that it goes on with", hint="--output FILE")

    @property
    def path(self) -> Path | None:
        """The file; None for stdout."""
        return None if self.output is None or str(self.output) == "-" else self.output

    @property
    def chosen_format(self) -> str | None:
        """The format; None: by the suffix."""
        return "jsonl" if self.as_json else self.format


class RowsChoice(OutputChoice):
    """As OutputChoice, of a command that prints a summary."""

    def check_summary(self, as_json: bool) -> None:
        """Raises CommandError if rows and a summary as JSON are both to go to stdout."""
        if as_json and str(self.output) == "-":
            raise CommandError(
                "--json prints the summary, and --output - the rows",
                hint="--output - --format jsonl, for rows as JSON",
            )
        if self.format is not None and self.output is None:
            raise CommandError("--format is that of the rows", hint="--output FILE writes them")
