"""Tables: where the records of a measure go. A file appears complete, or not at all."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TextIO

from pythia_cli.errors import UsageError
from pythia_cli.reporting import SILENT, Reporter
from pythia_cli.tables.encoders import encoder_of
from pythia_cli.tables.file_formats import table_format
from pythia_cli.tables.kinds import Kind
from pythia_cli.tables.parquet_table import check_arrow
from pythia_cli.tables.progress import TableProgress
from pythia_cli.tables.stream_table import StreamTable, open_device
from pythia_cli.tables.table_file import TableFile


def open_table(
    path: str | Path | None,
    *,
    columns: Mapping[str, Kind],
    identity: Mapping[str, Any],
    format: str | None = None,
    resume: bool = False,
    stream: TextIO | None = None,
    reporter: Reporter = SILENT,
) -> TableFile | StreamTable:
    """Open a table for writing. A context manager: leaving it without an error completes it.

    path: a file; None: rows go to `stream`, flushed after each batch. columns: the names, in order,
    and what each holds: str, int, float, bool, or object for lists and whatever else. format:
    "tsv", "csv", "jsonl" or "parquet"; None: by the suffix, or TSV. identity: what else determines
    the rows, as JSON: the command and its options. resume: go on behind what an earlier run of the
    same identity left; begin, if there was none.

    A file is written as PATH.partial, with its progress in PATH.partial.json, and renamed when it
    is complete; PATH.meta.json then says what it holds. A device or pipe is written directly.

    Raises UnfinishedTable, CannotResume, LockTimeout if another process writes it, InputError for a
    folder, InvalidValue, MissingExtra, UsageError, IntegrityError, ResourceError.
    """
    chosen = table_format(None if path is None else str(path), format)
    if chosen == "parquet":
        check_arrow()
    encoder = encoder_of(chosen, columns)
    kinds = {name: kind.__name__ for name, kind in columns.items()}
    begun = TableProgress({**identity, "format": chosen}, kinds)
    if path is not None and not _is_device(Path(path)):
        return TableFile(Path(path), chosen, columns, begun, encoder, resume, reporter)
    if resume or chosen == "parquet":
        what = "resumed" if resume else "written as Parquet"
        raise UsageError(f"only a file can be {what}; name one to write")
    if path is not None:
        return StreamTable(open_device(Path(path)), columns, begun, encoder, is_own=True)
    if stream is None:
        raise UsageError("a table needs a file or a stream")
    return StreamTable(stream, columns, begun, encoder)


def _is_device(path: Path) -> bool:
    """Whether it is no file, and may never be one: a device, a pipe, or a file that is open."""
    if str(path).startswith(("/dev/", "/proc/")):
        return True
    return path.exists() and not path.is_file() and not path.is_dir()
