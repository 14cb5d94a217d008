"""A table in a file: written beside its place, kept when a run ends early, resumed, published.

OUT.partial         the rows so far (of a Parquet file as JSON lines)
OUT.partial.json    what they are of: TableProgress. Never ahead of OUT.partial on the disk
OUT.partial.lock    while a process writes
OUT, OUT.meta.json  the whole table, and what it holds
"""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO, Self, cast

from pythia_cli.errors import InputError, IntegrityError, LockTimeout
from pythia_cli.files.locks import lock
from pythia_cli.files.publishing import fsync, fsync_folder, remove_unpublished
from pythia_cli.files.writing import writing_errors
from pythia_cli.reporting import Reporter
from pythia_cli.tables.encoders import Encoder
from pythia_cli.tables.file_formats import TableFormat
from pythia_cli.tables.kinds import Kind
from pythia_cli.tables.parquet_table import write_parquet
from pythia_cli.tables.problems import CannotResume, UnfinishedTable
from pythia_cli.tables.progress import (
    META,
    UNFINISHED,
    TableProgress,
    first_difference,
    read_progress,
)

_SAVE_SECONDS = 1.0  # between fsyncs


class TableFile:
    """Writes a table to a file; see `open_table`. progress: what it holds so far."""

    def __init__(
        self,
        path: Path,
        format: TableFormat,
        columns: Mapping[str, Kind],
        begun: TableProgress,
        encoder: Encoder,
        resume: bool,
        reporter: Reporter,
    ) -> None:
        with writing_errors(path):
            self.path = path.resolve()
            if self.path.is_dir():
                raise InputError(path, "is a folder; name a file to write")
            os.stat(self.path.parent)  # taking the lock would create it
        self.columns = columns
        self._format, self._encoder = format, encoder
        self._partial, self._saved, self._meta, self._lock = (
            self.path.with_name(self.path.name + end)
            for end in (".partial", UNFINISHED, META, ".partial.lock")
        )
        self._aside = self._partial.with_name(f".{self._partial.name}")
        self._file: BinaryIO | None = None
        self._last_save = time.monotonic()
        with contextlib.ExitStack() as stack, writing_errors(path):
            stack.enter_context(self._locked(reporter))
            self._finish_publishing()
            try:
                self.progress = self._resumed(begun) if resume else self._fresh(begun)
            except BaseException:
                self._close()
                raise
            self._open_files = stack.pop_all()

    @contextlib.contextmanager
    def _locked(self, reporter: Reporter) -> Any:
        """Hold the lock. Its file is removed at the end, so a lock of a removed file is no lock."""
        with contextlib.ExitStack() as stack:
            for _ in range(3):
                stack.close()
                try:
                    if stack.enter_context(lock(self._lock, str(self.path), 0)):
                        break
                except LockTimeout:
                    raise LockTimeout(str(self.path), 0) from None
            else:
                reporter.note(
                    f"{self.path}: files cannot be locked here; write it with one process"
                )
            try:
                yield
            finally:
                with contextlib.suppress(OSError):
                    self._lock.unlink()

    def _finish_publishing(self) -> None:
        """Do what a run that was killed after its last row left undone; remove what it left."""
        for path in (self.path, self._saved, self._meta):
            remove_unpublished(path)
        self._aside.unlink(missing_ok=True)
        saved = read_progress(self._saved)
        if saved is not None and saved.is_whole and not self._partial.exists():
            if self.path.exists():
                saved.write(self._meta)
            self._saved.unlink()

    def _fresh(self, begun: TableProgress) -> TableProgress:
        """Begin a table. Raises UnfinishedTable, and InputError if a file is in the way."""
        try:
            read_progress(self._meta)
        except IntegrityError:
            reason = f"{self._meta.name} is in the way: it is no page of an earlier table"
            raise InputError(self.path, reason) from None
        saved = read_progress(self._saved)
        if saved is not None and saved.n_items and self._partial.exists():
            difference = _difference(saved, begun)
            raise UnfinishedTable(self.path, self._partial, saved.n_items, difference)
        if saved is None and self._partial.exists():
            raise InputError(self._partial, "is in the way: it is no table of an earlier run")
        return self._begin(begun)

    def _begin(self, begun: TableProgress) -> TableProgress:
        header = self._encoder.header().encode(errors="backslashreplace")
        begun.write(self._saved)
        self._file = cast(BinaryIO, self._partial.open("wb"))
        self._file.write(header)
        return replace(begun, n_bytes=len(header))

    def _resumed(self, begun: TableProgress) -> TableProgress:
        """What an earlier run left. Raises CannotResume if that was another one."""
        saved = read_progress(self._saved)
        if saved is not None and self._partial.exists():
            if not saved.n_items:
                return self._begin(begun)
            self._check(saved, begun, self._partial)
            if self._partial.stat().st_size < saved.n_bytes:
                raise CannotResume(self.path, f"{self._partial} was cut short")
            self._file = cast(BinaryIO, self._partial.open("r+b"))
            self._file.truncate(saved.n_bytes)
            self._file.seek(saved.n_bytes)
            return replace(saved, is_whole=False)
        whole = read_progress(self._meta)
        if (
            saved is not None
            and saved.n_items
            and (whole is None or saved.n_bytes != whole.n_bytes)
        ):
            raise CannotResume(self.path, f"{self._partial} is gone")
        if self._partial.exists():
            raise CannotResume(self.path, f"{self._partial} is no table of an earlier run")
        if not self.path.exists():
            return self._begin(begun)
        if whole is None:
            raise CannotResume(
                self.path, f"it is there, but {self._meta}, which says of what, is not"
            )
        self._check(whole, begun, self.path)
        if self._format != "parquet" and self.path.stat().st_size != whole.n_bytes:
            raise CannotResume(self.path, "it was changed since it was written")
        return replace(whole, is_whole=False)

    def _check(self, before: TableProgress, now: TableProgress, file: Path) -> None:
        if (difference := _difference(before, now)) is not None:
            raise CannotResume(self.path, f"{file.name} was made with another {difference}")

    def write(self, records: Iterable[Mapping[str, Any]], progress: TableProgress) -> None:
        """Append rows. progress: what is done with them.

        If it is interrupted, neither the rows nor the progress count. Raises ResourceError, and
        CannotResume for a complete Parquet file.
        """
        data = "".join(map(self._encoder.row, records)).encode(errors="backslashreplace")
        with writing_errors(self.path):
            if self._file is None:
                self._file = self._copy_of_whole()
            self._file.write(data)
            self.progress = replace(progress, n_bytes=self.progress.n_bytes + len(data))
            if time.monotonic() - self._last_save >= _SAVE_SECONDS:
                self._save()

    def _copy_of_whole(self) -> BinaryIO:
        """A complete table, to go on behind it."""
        if self._format == "parquet":
            raise CannotResume(self.path, "it is complete, and rows cannot be added to Parquet")
        self.progress.write(self._saved)
        shutil.copyfile(self.path, self._aside)
        self._aside.replace(self._partial)
        file = self._partial.open("r+b")
        file.seek(self.progress.n_bytes)
        return cast(BinaryIO, file)

    def _save(self) -> None:
        """Make the rows durable, and then what is known of them."""
        assert self._file is not None
        self._file.flush()
        fsync(self._file.fileno())
        self.progress.write(self._saved)
        self._last_save = time.monotonic()

    def _publish(self) -> None:
        if self._file is None:  # it was complete before
            return
        self.progress = replace(self.progress, is_whole=True)
        self._save()
        self._file.close()
        if self._format == "parquet":
            write_parquet(self._partial, self.path, self.columns, self.progress.identity)
            self._partial.unlink()
        else:
            self._partial.replace(self.path)
        fsync_folder(self.path.parent)
        self.progress.write(self._meta)
        self._saved.unlink()

    def _keep(self) -> None:
        """Keep the rows that count, for a run that resumes."""
        if self._file is None or self._file.closed:
            return
        with contextlib.suppress(OSError):  # there is an error already
            self._file.flush()
            self._file.truncate(self.progress.n_bytes)
            self._save()
        self._close()
        if not self.progress.n_items:  # nothing is lost
            with contextlib.suppress(OSError):
                self._partial.unlink()
                self._saved.unlink()

    def _close(self) -> None:
        """Close the file after an error, which is not replaced by one of closing."""
        if self._file is not None:
            with contextlib.suppress(OSError):
                self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *details: object) -> None:
        with self._open_files, writing_errors(self.path):
            if kind is not None:
                self._keep()
                return
            try:
                self._publish()
            except BaseException:
                self._keep()
                raise


def _difference(before: TableProgress, now: TableProgress) -> str | None:
    """What is not the same of two runs."""
    found = first_difference(before.identity, now.identity)
    if found is None and list(before.columns.items()) != list(now.columns.items()):
        return "columns"
    return found
