"""Fetches the files of a plan into one folder, and verifies every byte."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import threading
import time
from concurrent import futures
from concurrent.futures import Future
from pathlib import Path

from pythia_cli.checkpoints import hub_fetch, partial
from pythia_cli.checkpoints.plan import FetchPlan
from pythia_cli.errors import (
    DamagedDownload,
    IntegrityError,
    NotCached,
    ResourceError,
    StoreNotWritable,
    Unreachable,
)
from pythia_cli.files.reading import file_sha256
from pythia_cli.reporting import NO_TASK, SILENT, Reporter, Task
from pythia_cli.system.background import background
from pythia_cli.weights.fingerprint import fingerprint
from pythia_cli.weights.float_checkpoint import INDEX_FILES, FloatCheckpoint

_STALL_SECONDS = 60.0  # in which at least so many bytes must arrive, or be checked:
_STALL_BYTES = 250_000
_LOOK_SECONDS = 0.2  # between checks for progress
_STOP_SECONDS = 0.5  # for the thread to see that it must stop
_GONE = (errno.ENOENT, errno.ESTALE)  # a file that another computer has removed; as NFS says it


class _Stopped(Exception):
    """Ends the thread of a transfer that is not needed any more."""


class Transfer:
    """Fetches the files of a plan in a background thread: call `start`, `wait`, then `stop`.

    config.json and tokenizer.json come first: `wait_for_small_files` waits for these alone.

    Files arrive in the folder `partial`, where they stay, and are linked into `folder`; with `keep`
    by hard links, so that they are files there when `partial` is removed. Files in the Hugging Face
    cache are linked, or copied with `keep`. If a cached file is damaged, it is fetched again, and
    the cache is not changed. Results after `wait`:

    folder: the float checkpoint's folder. If the cache has all files, this is its folder.
    is_ours: whether this is the given folder, not the cache's.
    sha256: of each weights file, by name.
    """

    def __init__(
        self,
        plan: FetchPlan,
        folder: Path,
        partial: Path,
        *,
        keep: bool = False,
        task: Task | None = None,
        reporter: Reporter = SILENT,
    ) -> None:
        self.plan = plan
        self.folder = folder
        self.is_ours = True
        self.sha256: dict[str, str] = {}
        self._small_sha256: dict[str, str] = {}
        self._verified: dict[str, list[int]] = {}
        self._partial = partial
        self._keep = keep
        self._task = task or NO_TASK
        self._reporter = reporter
        self._done: Future[None] = Future()
        self._small: Future[None] = Future()
        self._stopped = threading.Event()
        self._arriving = contextlib.ExitStack()
        self._n_arrived = 0
        self._minute = (time.monotonic(), 0)

    def start(self) -> None:
        """Start the thread. It does not keep the process from exiting."""
        self._minute = (time.monotonic(), 0)
        self._done = background(self._run, f"pythia-transfer-{self.plan.checkpoint}")

    def wait(self) -> None:
        """Wait until all files are there.

        Raises what hub_fetch.fetch raises, but StoreNotWritable if a file cannot be written;
        NotCached; and Unreachable if almost nothing arrives for a minute, besides the pauses that
        the Hub asks for (the thread is then abandoned).
        """
        self._wait_for([self._done])
        self._done.result()

    def wait_for_small_files(self) -> None:
        """Wait until config.json and tokenizer.json are in the folder. Raises as `wait`."""
        self._wait_for([self._small, self._done])
        if self._done.done():
            self._done.result()

    def _wait_for(self, awaited: list[Future[None]]) -> None:
        """Wait until one of them is done."""
        while not any(one.done() for one in awaited):
            futures.wait(awaited, _LOOK_SECONDS, futures.FIRST_COMPLETED)
            since, n_before = self._minute
            if time.monotonic() - since <= _STALL_SECONDS or any(one.done() for one in awaited):
                continue
            if self._n_arrived - n_before < _STALL_BYTES:
                raise Unreachable(
                    f"{self.plan.revision}: almost nothing arrived for {_STALL_SECONDS:.0f} s"
                )
            self._minute = (time.monotonic(), self._n_arrived)

    def check_present(self) -> None:
        """Check that what arrived and was linked is still there. Raises IntegrityError.

        A computer that does not see our lock removes it when it has installed the same checkpoint.
        Hard links and copies are not lost with it; links into the Hugging Face cache are not ours.
        """
        arrived = self._partial.resolve()
        for name in self.plan.names:
            path = self.folder / name
            if path.is_symlink() and path.readlink().parent == arrived:
                try:
                    path.stat()
                except OSError as error:
                    if error.errno in _GONE:
                        raise self._removed(name) from error

    def check_small_files(self, source: FloatCheckpoint) -> None:
        """Check that config.json and tokenizer.json of the folder, now opened, were verified.

        Raises IntegrityError. Publishing finds what changes after they were opened.
        """
        for name, sha256 in self._small_sha256.items():
            if file_sha256(source.folder / name) != sha256:
                raise IntegrityError(source.folder / name, "changed after it was verified")

    def must_be_hashed_again(self, source: FloatCheckpoint) -> bool:
        """Whether the weights of the folder, now opened, may not be those that were verified.

        They were there before, in part or whole, so that another process may have them open and
        write to them while they are read. Or it shows that they are others.
        """
        return self._verified != {path.name: source.fingerprint[path.name] for path in source.files}

    def stop(self) -> None:
        """End the thread if it still runs, so that the folder can be removed.

        What has arrived gets its usual name again, for the next download. A thread that waits for
        the Hub for longer is abandoned: it ends, and writes nothing more, when something arrives or
        its request fails.
        """
        self._stopped.set()
        futures.wait([self._done], _STOP_SECONDS)
        if self._done.done():
            self._arriving.close()

    def advance(self, amount: int) -> None:
        """So many bytes have arrived, or were checked. Ends the thread after `stop`.

        Negative if they are fetched again: a task takes them back, but they did arrive.
        """
        if self._stopped.is_set():
            raise _Stopped
        self._n_arrived += max(amount, 0)

    def _run(self) -> None:
        try:
            self._bring_all()
        finally:
            if self._stopped.is_set():
                self._arriving.close()

    def _bring_all(self) -> None:
        self.folder.mkdir()
        fetched = []
        for name in self.plan.names:
            if name == self.plan.weights[0]:
                self._small.set_result(None)
            if not self._bring(name):
                fetched.append(name)
        for name in INDEX_FILES:
            self.sha256.pop(name, None)
            self._verified.pop(name, None)
        snapshots = {path.parent for path in self.plan.cached.values()}
        if not self._keep and not fetched and len(snapshots) == 1:
            self.folder, self.is_ours = snapshots.pop(), False

    def _bring(self, name: str) -> bool:
        """Bring one file into the folder; returns whether it was in the cache."""
        self.advance(0)
        plan, cached = self.plan, self.plan.cached.get(name)
        digest = None
        if cached is not None:
            try:
                digest = hub_fetch.check(plan.origin(name), name, cached, _Watched(self, NO_TASK))
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
        found = self.sha256 if name in plan.weights else self._small_sha256
        found[name] = digest
        return is_cached

    def _fetch(self, name: str) -> str:
        path, place = self._partial / self.plan.digest(name), self.folder / name
        own, is_new = self._arriving.enter_context(partial.arriving(path, self.plan.size(name)))
        try:
            sha256 = hub_fetch.fetch(
                self.plan.origin(name), name, own,
                arrived=_Watched(self, self._task), checked=_Watched(self, NO_TASK),
                reporter=self._reporter, pause=self._pause,
            )  # fmt: skip
            self.advance(0)
            self._put(own, place)
            if is_new and name in self.plan.weights:
                self._verified |= fingerprint([place])
        except (ResourceError, OSError) as error:
            cause = error.__cause__ if isinstance(error, ResourceError) else error
            if getattr(cause, "errno", None) in _GONE and not os.path.exists(own):
                raise self._removed(name) from error
            if isinstance(error, ResourceError):
                raise StoreNotWritable(error.path, error.reason) from cause
            raise
        return sha256

    def _removed(self, name: str) -> IntegrityError:
        where = f"{self.plan.origin(name)} {name}"
        return IntegrityError(where, "was removed by another process; download it again")

    def _put(self, own: Path, place: Path) -> None:
        links = (os.link,) if self._keep else (os.symlink, os.link)
        for link in links:
            with contextlib.suppress(OSError):
                link(own.resolve(), place)
                return
        own.rename(place)  # where links are not possible

    def _link(self, path: Path, link: Path) -> None:
        if not self._keep:
            with contextlib.suppress(OSError):
                link.symlink_to(path.resolve())
                return
        shutil.copyfile(path, link)

    def _pause(self, seconds: float) -> None:
        since, n_before = self._minute
        self._minute = (since + seconds, n_before)
        if self._stopped.wait(seconds):
            raise _Stopped


class _Watched(Task):
    """Advances a task, and tells the transfer."""

    def __init__(self, transfer: Transfer, task: Task) -> None:
        self._transfer = transfer
        self._task = task

    def advance(self, amount: int) -> None:
        """As Task.advance."""
        self._transfer.advance(amount)
        self._task.advance(amount)
