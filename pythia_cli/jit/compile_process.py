"""Compiles in child processes, so that this process neither imports nor configures Numba."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from pythia_cli.errors import PythiaError
from pythia_cli.jit import amx
from pythia_cli.jit.object_cache import CompiledKernel, unpacked
from pythia_cli.system.background import STEP_SECONDS

_CHILD = """
import json, sys
folders, modules, has_amx = json.loads(sys.argv[1])
sys.path[:] = folders
from pythia_cli.jit import amx
amx.follow(has_amx)
from pythia_cli.jit.compile import main
main(modules)
"""
_PACKAGE_PARENT = Path(__file__).resolve().parents[2]
_LAST_LINES = 20


def compile_kernels(*groups: Sequence[str]) -> dict[str, CompiledKernel]:
    """The kernels of these groups of modules, compiled for this processor. Takes seconds.

    Each group has a child, as only one thread of a process can compile. The children have their own
    sessions, so Ctrl-C reaches only this process; any exception here, such as KeyboardInterrupt,
    kills them. Raises PythiaError if one fails, with the last lines of its stderr as a note, as
    soon as those before it are done.
    """
    if not sys.executable:
        raise PythiaError(
            "kernels cannot be compiled: sys.executable does not name the interpreter"
        )
    kernels: dict[str, CompiledKernel] = {}
    with contextlib.ExitStack() as stack:
        for child in [stack.enter_context(_child(group)) for group in groups]:
            kernels |= _kernels_of(child)
    return kernels


@contextlib.contextmanager
def _child(modules: Sequence[str]) -> Iterator[subprocess.Popen[bytes]]:
    """A process that compiles the kernels of these modules. An exception kills it."""
    # It must import the same package as this process.
    folders = [str(_PACKAGE_PARENT), *map(_absolute, sys.path)]
    command = [
        sys.executable,
        "-P",
        "-c",
        _CHILD,
        json.dumps([folders, list(modules), amx.is_permitted()]),
    ]
    # It exits when its stdin is closed, even if this process is killed.
    read_end, write_end = os.pipe()
    try:
        with os.fdopen(read_end, "rb") as stdin:
            try:
                child = subprocess.Popen(
                    command,
                    stdin=stdin,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    cwd=_PACKAGE_PARENT,  # the current folder may have been deleted
                    start_new_session=True,
                    creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
                )
            except OSError as error:
                raise PythiaError(f"kernels cannot be compiled: {command[0]!r}: {error}") from error
            with child:
                try:
                    yield child
                except BaseException:
                    child.kill()
                    child.wait()
                    raise
    finally:
        os.close(write_end)


def _kernels_of(child: subprocess.Popen[bytes]) -> dict[str, CompiledKernel]:
    out, err = _output(child)
    if child.returncode == 0:
        with contextlib.suppress(ValueError):
            if kernels := unpacked(out):
                return kernels
    raise _failure(child.returncode, err.decode(errors="replace"))


def _output(child: subprocess.Popen[bytes]) -> tuple[bytes, bytes]:
    """What the child writes until its end. Waits in steps, as background.py does."""
    while True:
        with contextlib.suppress(subprocess.TimeoutExpired):
            return child.communicate(timeout=STEP_SECONDS)


def _absolute(folder: str) -> str:
    try:
        return os.path.abspath(folder)
    except OSError:  # relative to a current folder that was deleted
        return folder


def _failure(status: int, stderr: str) -> PythiaError:
    lines = stderr.rstrip().splitlines()[-_LAST_LINES:]
    error = PythiaError(
        f"compiling the kernels failed with status {status}: {lines[-1] if lines else 'no message'}"
    )
    error.add_note("\n".join(lines))
    return error
