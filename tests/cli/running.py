"""The real `pythia` command in a process of its own, and what is expected of its failures."""

from __future__ import annotations

import functools
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.cli.forking import PIPE_BYTES, Forks

MODULE = (sys.executable, "-m", "pythia_cli")
_MODEL_LINE = re.compile(r".+, (int8|float32|tokenizer)\b.*|to use pythia-410m: pythia download")
SECONDS = 120  # for one run
# Environment that nothing reads as it is imported.
_READ_LATE = (
    "PYTHIA_HOME", "PYTHIA_CACHE", "PYTHIA_THREADS", "PYTHIA_DEBUG", "HOME", "HF_", "TERM",
    "PYTEST_",
)  # fmt: skip
_NOT_INHERITED = ("PYTHIA", "_PYTHIA", "COMP_", "_TYPER", "LC_", "LANG")


@dataclass(frozen=True)
class Result:
    """A finished run."""

    status: int
    stdout: bytes
    err: str

    @property
    def out(self) -> str:
        return self.stdout.decode()

    @property
    def records(self) -> list[dict[str, Any]]:
        """stdout as JSON, one object a line."""
        return [json.loads(line) for line in lines_of(self.out)]

    @property
    def record(self) -> dict[str, Any]:
        (only,) = self.records
        return only


@dataclass(frozen=True)
class Pythia:
    """`pythia(...)` runs the command to its end, `start(...)` leaves it running."""

    store: Path
    cache: Path
    folder: Path

    def environment(self, **more: str) -> dict[str, str]:
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(_NOT_INHERITED)
            and name not in ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "TERM")
        }
        own = {
            "PYTHIA_HOME": str(self.store),
            "PYTHIA_CACHE": str(self.cache),
            "PYTHIA_THREADS": "1",  # there are runs side by side
            "LANG": "C.UTF-8",
        }
        return {**kept, **own, **more}

    def __call__(
        self,
        *arguments: str | Path,
        stdin: bytes | int = b"",
        env: dict[str, str] | None = None,
        cwd: Path | None = None,
        command: tuple[str, ...] = MODULE,
        status: int | None = 0,
    ) -> Result:
        """Run it; `status` is the exit status to be insisted on, None for any.

        In a fresh interpreter; or, where it cannot see the difference, as a child of one that has
        done the imports (tests/cli/forking.py).
        """
        words = [*map(str, arguments)]
        environment, folder = self.environment(**(env or {})), cwd or self.folder
        if command == MODULE and isinstance(stdin, bytes) and can_be_forked(stdin, environment):
            ended, out, err = _forks().run(words, environment, folder, stdin, SECONDS)
        else:
            given = {"input": stdin} if isinstance(stdin, bytes) else {"stdin": stdin}
            done = subprocess.run(
                [*command, *words],
                capture_output=True,
                env=environment,
                cwd=folder,
                timeout=SECONDS,
                check=False,
                **given,
            )
            ended, out, err = done.returncode, done.stdout, done.stderr
        result = Result(ended, out, err.decode())
        assert status is None or result.status == status, result
        return result

    def start(
        self,
        *arguments: str | Path,
        env: dict[str, str] | None = None,
        stdin: int = subprocess.DEVNULL,
        stdout: int = subprocess.PIPE,
        stderr: int = subprocess.PIPE,
    ) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [*MODULE, *map(str, arguments)],
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            env=self.environment(**(env or {})),
            cwd=self.folder,
        )


@functools.cache
def _forks() -> Forks:
    return Forks(Pythia(Path(), Path(), Path()).environment())


def can_be_forked(stdin: bytes, environment: dict[str, str]) -> bool:
    """Whether such a run cannot see that its imports were done by another process."""
    if sys.platform != "linux" or len(stdin) > PIPE_BYTES:
        return False
    theirs = _forks().environment
    names = environment.keys() | theirs.keys()
    others = {name for name in names if environment.get(name) != theirs.get(name)}
    return all(name.startswith(_READ_LATE) for name in others)


def together(runs: Iterable[Callable[[], Result]]) -> list[Result]:
    """Several runs, two at a time."""
    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(lambda run: run(), runs))


def listing(folder: Path) -> dict[str, tuple[int, int]]:
    """All files in a folder and below, with their size and the time of their last change.

    But for the locks of a store; and a manifest's time is when its checkpoint was last used.
    """
    return {
        str(path.relative_to(folder)): (
            path.lstat().st_size,
            0 if path.name == "manifest.json" else path.lstat().st_mtime_ns,
        )
        for path in sorted(folder.rglob("*"))
        if not path.is_dir() and path.parent.name != "locks"
    }


def lines_of(text: str) -> list[str]:
    """Its lines. str.splitlines also splits at form feeds and such, which a model may generate."""
    return text.removesuffix("\n").split("\n") if text else []


def without_model_lines(err: str) -> list[str]:
    """The lines on stderr but the one that says which model runs, and the hint beside the demo."""
    return [line for line in err.splitlines() if not _MODEL_LINE.fullmatch(line)]


def error_line(result: Result, status: int) -> str:
    """The one line of a failure, after having checked that it is one and stands alone."""
    assert result.status == status, result
    assert result.stdout == b"", result
    (line,) = without_model_lines(result.err)
    assert line.startswith("error: "), result
    assert result.err.endswith(f"{line}\n")
    return line
