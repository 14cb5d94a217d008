"""Failures of single texts of a batch: each is reported at once, and the others go on."""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec, TypeVar

import typer

from pythia_cli.cli.errors import ExitStatus, report
from pythia_cli.cli.output import Notices
from pythia_cli.errors import PythiaError

P = ParamSpec("P")
T = TypeVar("T")


class Failures:
    """Prints errors on stderr as they come. The first one gives the exit status."""

    def __init__(self, notices: Notices) -> None:
        self._notices = notices
        self._status = ExitStatus.OK

    def add(self, error: PythiaError, place: str = "") -> None:
        """Print an error. place: comes before it, if the error does not say where it is."""
        with self._notices.aside():
            status = report(error, place)
        self._status = self._status or status

    def attempt(self, do: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T | PythiaError:
        """What the function returns; its error, printed, if it raises one."""
        try:
            return do(*args, **kwargs)
        except PythiaError as error:
            self.add(error)
            return error

    def exit(self) -> None:
        """End the command with the status of the first error, if there was one."""
        if self._status:
            raise typer.Exit(self._status)
