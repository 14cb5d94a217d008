"""Installs the checkpoints of a sweep that are missing, each while another is measured.

STORE/sweeps/MODEL@STEP    names the sweep that fetches it, and may remove it; and its int8 file
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path

from pythia_cli.checkpoints import partial
from pythia_cli.checkpoints.clean_up import SWEEPS
from pythia_cli.checkpoints.download import download, plan_download
from pythia_cli.checkpoints.from_folder import Certifier, install_demo
from pythia_cli.checkpoints.publish import remove
from pythia_cli.checkpoints.store import Installed, Store
from pythia_cli.errors import LockTimeout, NotInstalled, PythiaError
from pythia_cli.files.locks import lock
from pythia_cli.files.publishing import write_aside
from pythia_cli.reporting import SILENT, Reporter, Task
from pythia_cli.suite.checkpoint import Checkpoint
from pythia_cli.suite.models import DEMO, MODELS
from pythia_cli.sweeps.problems import RoomTooSmall
from pythia_cli.system.background import background

_LOOK_SECONDS = 0.2  # between looks for room
_STOP_SECONDS = 0.5
_MARK_SECONDS = 10.0
"""A file that is younger than its mark by more was made by somebody else."""
_A_DAY = 86400.0  # seconds: how long to wait for another sweep that fetches into the same store
_INT8_SHARE = 0.6
"""Of the bytes to fetch, at most: an int8 file of float16 weights has 0.45 to 0.5 of them."""


class FetchStopped(PythiaError):
    """A fetch was ended, because the sweep ends."""


@dataclass
class Fetcher:
    """Fetches checkpoints into a store, one at a time, in the background.

    folder: of the sweep. keep_under: the most bytes that the store may take, downloads included;
    None: no limit.
    is_claimed: whether a process works on a checkpoint. is_done: whether all that the sweep wants
    of one is done. keep_original, offline, certifier: as for `download`. n_threads: for quantizing.
    """

    store: Store
    folder: Path
    is_claimed: Callable[[Checkpoint], bool]
    is_done: Callable[[Checkpoint], bool]
    keep_under: int | None = None
    keep_original: bool = False
    offline: bool = False
    certifier: Certifier | None = None
    n_threads: int | None = None
    reporter: Reporter = SILENT

    def __post_init__(self) -> None:
        self._is_stopped = self._has_noted = False
        self._running: list[Future[None]] = []
        self._one_at_a_time = threading.Lock()
        self._fetching: Path | None = None
        self._marked = 0.0

    def start(self, checkpoint: Checkpoint) -> Future[None]:
        """Begin to fetch a checkpoint, or to quantize one of the demo, unless it is installed.

        The future has the error: NotInstalled for a model that nobody publishes, RoomTooSmall, and
        what `download` raises.
        """
        done: Future[None]
        installed = self.store.find(checkpoint)
        if installed is not None:
            self._finish_mark(installed)
            self._note_uncertified(installed)
            partial.remove_left(self.store, checkpoint)
            done = Future()
            done.set_result(None)
        elif checkpoint.model != DEMO and checkpoint.model not in MODELS:
            done = Future()
            done.set_exception(NotInstalled(checkpoint.model, checkpoint.step, downloadable=False))
        else:
            work = self._make if checkpoint.model == DEMO else self._fetch
            done = background(lambda: work(checkpoint), "pythia-sweep-fetch")
            self._running.append(done)
        return done

    def stop(self) -> None:
        """End what is being fetched, and wait for that, but not for a Hub that does not answer.

        What has arrived is kept.
        """
        self._is_stopped = True
        for running in self._running:
            with contextlib.suppress(BaseException):
                running.exception(timeout=_STOP_SECONDS)

    def _note_uncertified(self, installed: Installed) -> None:
        """Say once that there is no certificate, of both precisions, where one was asked for."""
        if self.certifier is None or self._has_noted or "fast" in (installed.certificate or ()):
            return
        self._has_noted = True
        self.reporter.note(
            f"{installed.checkpoint} was installed without a certificate, as others may be: only"
            " those that are installed now get one"
        )

    def _make(self, checkpoint: Checkpoint) -> None:
        """Install a step of the demo."""
        install_demo(
            checkpoint, self.store, _Stoppable(self), self.n_threads, certifier=self.certifier
        )

    def _fetch(self, checkpoint: Checkpoint) -> None:
        with self._one_at_a_time, contextlib.ExitStack() as stack:
            self.check()
            if self.keep_under is not None:
                self._wait_for_room(checkpoint, self.keep_under, stack)
            self._begin_mark(checkpoint)
            try:
                outcomes = download(
                    self.store,
                    [checkpoint],
                    keep_original=self.keep_original,
                    offline=self.offline,
                    certifier=self.certifier,
                    n_threads=self.n_threads,
                    reporter=_Stoppable(self),
                )
                for outcome in outcomes:
                    if outcome.error is not None:
                        if self.keep_under is not None:  # what is whole would take that room
                            partial.remove_left(self.store, checkpoint, is_given_up=True)
                        raise outcome.error
                    if outcome.is_new and outcome.installed is not None:
                        self._mark(outcome.installed)
            finally:
                self._drop_begun_mark(checkpoint)

    def _wait_for_room(
        self, checkpoint: Checkpoint, limit: int, stack: contextlib.ExitStack
    ) -> None:
        """Make room for a checkpoint, or wait until some can be made. Raises RoomTooSmall.

        Until the stack is closed, no other sweep fetches into this store.
        """
        path = self.store.lock_path("sweep")
        stack.enter_context(lock(path, f"{self.store.folder}", _A_DAY, self.reporter))
        _, plans = plan_download(self.store, [checkpoint], offline=self.offline)
        n_bytes = sum(plan.n_bytes for plan in plans)
        n_here = sum(partial.kept_bytes(self.store, plan) for plan in plans)
        needed = int(n_bytes * (1 + _INT8_SHARE)) - n_here
        while (free := limit - _bytes_in(self.store.folder)) < needed:
            self.check()
            if self._remove_one():
                continue
            if not self._fetched():
                raise RoomTooSmall(self.store.folder, checkpoint, needed, free, limit)
            time.sleep(_LOOK_SECONDS)

    def _remove_one(self) -> bool:
        """Remove a fetched checkpoint that is done with. Returns whether one was removed.

        If no process works on any, one that is not done with: it can be fetched again, and nobody
        would end the wait for room.
        """
        fetched = self._fetched()
        free = [checkpoint for checkpoint in fetched if not self.is_claimed(checkpoint)]
        chosen = next(filter(self.is_done, free), None)
        if chosen is None and free and len(free) == len(fetched):
            chosen = free[0]
        if chosen is None:
            return False
        try:
            remove(self.store, chosen)
            self.reporter.note(f"removed {chosen}, to make room")
        except LockTimeout:
            return False
        except NotInstalled:  # another process has removed it
            pass
        self._place_of_mark(chosen).unlink(missing_ok=True)
        return True

    def _fetched(self) -> list[Checkpoint]:
        """The installed checkpoints that this sweep fetched, those used least lately first."""
        found = [installed for installed in self.store.installed() if self._is_own(installed)]
        return [one.checkpoint for one in sorted(found, key=lambda one: one.last_used())]

    def _is_own(self, installed: Installed) -> bool:
        """Whether this sweep fetched it.

        One that was removed and installed again by somebody else has another int8 file. A process
        that was killed when it had just installed it had no time to note that file.
        """
        path = self._place_of_mark(installed.checkpoint)
        with contextlib.suppress(OSError, PythiaError):
            said = path.read_text()
            if said == self._begun:
                made = installed.weights.stat().st_mtime
                return made <= path.stat().st_mtime + _MARK_SECONDS
            return said == self._said(installed)
        return False

    @property
    def _begun(self) -> str:
        """What the mark of a checkpoint says while it is fetched."""
        return f"{self.folder.resolve()}\n"

    def _begin_mark(self, checkpoint: Checkpoint) -> None:
        """Note that this sweep fetches it, which a killed process cannot do afterwards."""
        path = self._place_of_mark(checkpoint)
        with self.store.writing():
            path.parent.mkdir(parents=True, exist_ok=True)
            write_aside(path, self._begun.encode())
        self._fetching, self._marked = path, time.monotonic()

    def _drop_begun_mark(self, checkpoint: Checkpoint) -> None:
        """Forget a checkpoint that was not installed."""
        self._fetching = None
        with contextlib.suppress(OSError):
            path = self._place_of_mark(checkpoint)
            if path.read_text() == self._begun:
                path.unlink()

    def _finish_mark(self, installed: Installed) -> None:
        """Note the file of a checkpoint, if a process was killed before it could do so."""
        with contextlib.suppress(OSError):
            path = self._place_of_mark(installed.checkpoint)
            if path.read_text() == self._begun and self._is_own(installed):
                self._mark(installed)

    def _mark(self, installed: Installed) -> None:
        """Note that this sweep fetched it, and which file that is."""
        with self.store.writing():
            write_aside(self._place_of_mark(installed.checkpoint), self._said(installed).encode())

    def _said(self, installed: Installed) -> str:
        return f"{self._begun}{installed.weights.name}\n"

    def _place_of_mark(self, checkpoint: Checkpoint) -> Path:
        return self.store.folder / SWEEPS / str(checkpoint)

    def check(self) -> None:
        """Raises FetchStopped if the sweep ends. Keeps the mark as young as what is fetched."""
        if self._is_stopped:
            raise FetchStopped("the sweep ends")
        path = self._fetching
        if path is not None and time.monotonic() - self._marked > 1:
            self._marked = time.monotonic()
            with contextlib.suppress(OSError):
                os.utime(path)


class _Stoppable(Reporter):
    """Passes notices on, without progress, and ends what reports progress when it has to."""

    def __init__(self, fetcher: Fetcher) -> None:
        self._fetcher = fetcher

    def task(self, label: str, total: int, unit: str) -> Task:
        return _StoppableTask(self._fetcher)

    def note(self, text: str) -> None:
        self._fetcher.reporter.note(text)


class _StoppableTask(Task):
    def __init__(self, fetcher: Fetcher) -> None:
        self._fetcher = fetcher

    def advance(self, amount: int) -> None:
        self._fetcher.check()


def _bytes_in(folder: Path) -> int:
    """What a folder takes on the disk. A file that is moved meanwhile counts once."""
    sizes = {}
    for where, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):
                status = os.lstat(os.path.join(where, name))
                size = max(status.st_size, getattr(status, "st_blocks", 0) * 512)
                sizes[status.st_dev, status.st_ino] = size
    return sum(sizes.values())
