"""Fetches the files of a plan into one folder, and verifies every byte."""

from __future__ import annotations

import contextlib
import shutil
import threading
import time
from concurrent.futures import Future
from pathlib import Path

from pythia_cli.checkpoints import hub
from pythia_cli.checkpoints.float_checkpoint import INDEX_FILES
from pythia_cli.checkpoints.plan import FetchPlan
from pythia_cli.errors import (
    DamagedDownload,
    NetworkError,
    NotCached,
    ResourceError,
    StoreNotWritable,
)
from pythia_cli.reporting import NO_TASK, SILENT, Reporter, Task

_STALL_SECONDS = 600.0  # in which at least one piece of 10 MB must arrive
_LOOK_SECONDS = 0.5  # between checks for progress
_STOP_SECONDS = 1.0  # for a request to be answered, so that the thread sees that it must stop


class _Stopped(Exception):
    """Ends the thread of a transfer that is not needed any more."""


class Transfer:
    """Fetches the files of a plan in a background thread: call `start`, `wait`, then `stop`.

    Files in the Hugging Face cache are linked into the folder, or copied with `keep`. If a cached
    file is damaged, it is fetched again, and the cache is not changed. Results after `wait`:

    folder: the float checkpoint's folder. If the cache has all files, this is its folder.
    is_ours: whether this is the given folder, not the cache's.
    sha256: of each weights file, by name.
    """

    def __init__(
        self,
        plan: FetchPlan,
        folder: Path,
        *,
        keep: bool = False,
        task: Task | None = None,
        reporter: Reporter = SILENT,
    ) -> None:
        self.plan = plan
        self.folder = folder
        self.is_ours = True
        self.sha256: dict[str, str] = {}
        self._keep = keep
        self._task = task or NO_TASK
        self._reporter = reporter
        self._done: Future[None] = Future()
        self._is_stopped = False
        self._last_sign = time.monotonic()

    def start(self) -> None:
        """Start the thread. It does not keep the process from exiting."""
        self._last_sign = time.monotonic()
        name = f"pythia-transfer-{self.plan.checkpoint}"
        threading.Thread(target=self._run, daemon=True, name=name).start()

    def wait(self) -> None:
        """Wait until all files are there.

        Raises what hub.fetch raises, but StoreNotWritable if a file cannot be written; NotCached;
        and NetworkError if almost nothing arrives for ten minutes (the thread is then abandoned).
        """
        while True:
            try:
                return self._done.result(timeout=_LOOK_SECONDS)
            except TimeoutError:
                if self._done.done():
                    return self._done.result()
                if time.monotonic() - self._last_sign > _STALL_SECONDS:
                    raise NetworkError(
                        f"{self.plan.revision}: almost nothing arrived for"
                        f" {_STALL_SECONDS / 60:.0f} minutes"
                    ) from None

    def stop(self) -> None:
        """End the thread if it still runs, so that the folder can be removed.

        A thread that waits for the Hub for longer than a second is abandoned. It ends at its next
        sign of life.
        """
        self._is_stopped = True
        with contextlib.suppress(TimeoutError):
            self._done.exception(_STOP_SECONDS)

    def _run(self) -> None:
        try:
            self._bring_all()
        except BaseException as error:
            self._done.set_exception(error)
        else:
            self._done.set_result(None)

    def _bring_all(self) -> None:
        self.folder.mkdir()
        fetched = [name for name in self.plan.names if not self._bring(name)]
        for name in INDEX_FILES:
            self.sha256.pop(name, None)
        snapshots = {path.parent for path in self.plan.cached.values()}
        if not self._keep and not fetched and len(snapshots) == 1:
            self.folder, self.is_ours = snapshots.pop(), False

    def _bring(self, name: str) -> bool:
        """Bring one file into the folder; returns whether it was in the cache."""
        self.sign_of_life()
        plan, cached = self.plan, self.plan.cached.get(name)
        digest = None
        if cached is not None:
            try:
                digest = hub.check(plan.origin(name), name, cached, _Watched(self, NO_TASK))
            except DamagedDownload:
                if plan.offline:
                    raise
            else:
                self._link(cached, self.folder / name)
        elif plan.offline:
            raise NotCached(f"{plan.origin(name)} {name}")
        is_cached = digest is not None
        if digest is None:
            digest = self._fetch(name)
        if name in plan.weights:
            self.sha256[name] = digest
        return is_cached

    def _fetch(self, name: str) -> str:
        try:
            return hub.fetch(
                self.plan.origin(name), name, self.folder,
                arrived=_Watched(self, self._task), checked=_Watched(self, NO_TASK),
                reporter=self._reporter,
            )  # fmt: skip
        except ResourceError as error:
            raise StoreNotWritable(error.path, error.reason) from None

    def _link(self, path: Path, link: Path) -> None:
        if not self._keep:
            with contextlib.suppress(OSError):
                link.symlink_to(path.resolve())
                return
        shutil.copyfile(path, link)

    def sign_of_life(self) -> None:
        """Something has arrived, or was checked. Ends the thread after `stop`."""
        if self._is_stopped:
            raise _Stopped
        self._last_sign = time.monotonic()


class _Watched(Task):
    """Advances a task, and is a sign of life of the transfer."""

    def __init__(self, transfer: Transfer, task: Task) -> None:
        self._transfer = transfer
        self._task = task

    def advance(self, amount: int) -> None:
        """As Task.advance."""
        self._transfer.sign_of_life()
        self._task.advance(amount)
