"""Turns an exception into one line on stderr and an exit status."""

from __future__ import annotations

import contextlib
import errno
import os
import sys
import traceback
from enum import IntEnum

import typer

from pythia_cli import settings
from pythia_cli.cli.hints import FEWER_THREADS, MORE_FILES, advice, for_writing, hint_for
from pythia_cli.errors import (
    IntegrityError,
    InvalidValue,
    LockTimeout,
    NetworkError,
    NotAuthorised,
    NotFound,
    NotInstalled,
    PythiaError,
    ResourceError,
    UsageError,
)
from pythia_cli.text.printable import one_line

# By version, typer imports click or includes a copy; this finds the right exceptions.
_ClickUsageError = typer.BadParameter.__bases__[0]
_ClickException = _ClickUsageError.__bases__[0]


class ExitStatus(IntEnum):
    """The exit statuses, described in docs/exit-statuses.md."""

    OK = 0
    BUG = 1
    USAGE = 2
    NOT_FOUND = 3
    NETWORK = 4
    NOT_AUTHORISED = 5
    INTEGRITY = 6
    RESOURCE = 7
    LOCKED = 8
    HUNG_UP = 129
    INTERRUPTED = 130
    BROKEN_PIPE = 141
    TERMINATED = 143


_LONGEST = 1000  # characters of an error


class Terminated(BaseException):
    """SIGTERM or SIGHUP arrived."""


class CommandError(UsageError):
    """Wrong usage of the command line. hint: what to type instead."""

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint


_STATUS: tuple[tuple[type[PythiaError], ExitStatus], ...] = (
    (UsageError, ExitStatus.USAGE),
    (NotFound, ExitStatus.NOT_FOUND),
    (NetworkError, ExitStatus.NETWORK),
    (NotAuthorised, ExitStatus.NOT_AUTHORISED),
    (IntegrityError, ExitStatus.INTEGRITY),
    (ResourceError, ExitStatus.RESOURCE),
    (LockTimeout, ExitStatus.LOCKED),
    (PythiaError, ExitStatus.INTEGRITY),
)


def report(error: BaseException, place: str = "") -> ExitStatus:
    """Print on stderr what went wrong, after its place, and what to do. Returns the exit status."""
    if settings.debug():
        traceback.print_exception(error)
    if isinstance(error, KeyboardInterrupt):
        return ExitStatus.INTERRUPTED
    if isinstance(error, Terminated):
        return ExitStatus.TERMINATED
    if isinstance(error, BrokenPipeError):
        return ExitStatus.BROKEN_PIPE
    if isinstance(error, PythiaError):
        _line(place + message_of(error), hint_for(error))
        return status_of_kind(type(error))
    if isinstance(error, _ClickException):
        context = getattr(error, "ctx", None)
        hint = f"{context.command_path} --help" if context is not None else "pythia --help"
        hint = getattr(error, "hint", hint)
        _line(error.format_message().rstrip("."), hint)  # type: ignore[attr-defined]
        return ExitStatus.USAGE
    if isinstance(error, FileNotFoundError) and _is_working_folder_gone():
        _line("the working folder does not exist any more", "cd to a folder that exists")
        return ExitStatus.NOT_FOUND
    if (resource := _resource_line(error)) is not None:
        _line(*resource)
        return ExitStatus.RESOURCE
    bug = f"a bug in pythia: {type(error).__name__}: {error}"
    _line(
        bug,
        None if settings.debug() else "run it again with PYTHIA_DEBUG=1, and report the traceback",
    )
    return ExitStatus.BUG


def status_of_kind(kind: type[PythiaError]) -> ExitStatus:
    """The exit status of errors of a class."""
    return next(status for base, status in _STATUS if issubclass(kind, base))


def _resource_line(error: BaseException) -> tuple[str, str] | None:
    """What the system lacks, and the hint, for an exception of Python; None for other errors."""
    if isinstance(error, RuntimeError) and "can't start new thread" in str(error):
        return "no more threads can be started", FEWER_THREADS
    if _is_about(error, {errno.ENOMEM}, "failed to map segment", kinds=(MemoryError,)):
        return "not enough memory", (
            "use a smaller model, or a smaller --context or --max-tokens, or allow more (ulimit -v)"
        )
    if _is_about(error, {errno.EMFILE, errno.ENFILE}, "Too many open files"):
        return "too many open files", MORE_FILES
    if not isinstance(error, OSError) or isinstance(error, FileNotFoundError):
        return None
    if error.errno is None:  # a library that cannot be loaded
        return str(error), "free memory (ulimit -v), or install pythia again"
    what = f"{error.filename or 'standard output'}: {error.strerror or error}"
    return what, for_writing(error)


def _is_about(
    error: BaseException,
    numbers: set[int],
    words: str,
    *,
    kinds: tuple[type[BaseException], ...] = (),
) -> bool:
    """Whether it has one of these errnos, is of these kinds, or a library's, with these words."""
    is_words = isinstance(error, ImportError) and words in str(error)
    return is_words or isinstance(error, kinds) or getattr(error, "errno", None) in numbers


def _is_working_folder_gone() -> bool:
    try:
        os.getcwd()
    except FileNotFoundError:
        return True
    return False


def message_of(error: BaseException) -> str:
    """What went wrong and where. Parameters are named as options."""
    if isinstance(error, InvalidValue):
        if error.name == "steps":  # an argument of some commands, and -c of others
            return str(error)
        option = f"--{error.name.replace('_', '-')}"
        if error.value is False:
            return f"--no-{error.name}: expected {error.expected}"
        return f"{option} is {error.value!r}; expected {error.expected}"
    if isinstance(error, NotInstalled):
        return f"{error.model} step{error.step} is not installed"
    return str(error)


def _line(what: str, hint: str | None) -> None:
    what = " ".join(what.split())
    if len(what) > _LONGEST:  # it quotes a file
        what = f"{what[: _LONGEST // 2]} ... {what[-_LONGEST // 2 :]}"
    text = f"error: {what}" + (f"; {advice(hint)}" if hint else "")
    with contextlib.suppress(OSError, ValueError):
        print(one_line(text), file=sys.stderr, flush=True)


def silence_stdout() -> None:
    """After a closed pipe: make the flush at exit write nowhere."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
