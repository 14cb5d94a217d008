"""From what is wanted to installed checkpoints: fetched and verified, then published.

Several are pipelined: while one is quantized the next is fetched by another thread.
"""

from __future__ import annotations

import contextlib
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path

from pythia_cli.checkpoints import hub
from pythia_cli.checkpoints.float_checkpoint import INDEX_FILES
from pythia_cli.checkpoints.plan import Wanted
from pythia_cli.checkpoints.publish import Making, making
from pythia_cli.checkpoints.store import Installed, Store
from pythia_cli.errors import (
    IntegrityError,
    LockTimeout,
    NetworkError,
    NotFound,
    PythiaError,
    UnsupportedModel,
)
from pythia_cli.suite.checkpoint import Checkpoint

_STALL_SECONDS = 600.0  # in which at least one piece of 10 MB has to arrive


@dataclass(frozen=True)
class Fetched:
    """A float checkpoint on disk: its folder, its weights' sha256, and whether we fetched any.

    Where we fetched none, the folder is that of the Hugging Face cache.
    """

    folder: Path
    sha256: dict[str, str]
    ours: bool


def gather(
    wanted: Wanted,
    folder: Path,
    progress: Callable[[int], None],
    tick: Callable[[int], None] = lambda n_bytes: None,
    *,
    keep: bool = False,
) -> Fetched:
    """Have a checkpoint's files in one folder: those that are cached linked, the others fetched.

    Every byte is verified, cached ones too, and tick is told of them; a damaged cached file is left
    alone, and fetched anew. To `keep` the folder, what is cached is copied.
    """
    sha256: dict[str, str] = {}
    fetched = keep
    folder.mkdir()
    for name in wanted.names:
        origin, cached = wanted.origin(name), wanted.cached.get(name)
        digest = None
        if cached is not None:
            try:
                digest = hub.check(origin, name, cached, tick)
            except IntegrityError:
                if wanted.offline:
                    raise
            else:
                _link(cached, folder / name, copied=keep)
        if digest is None:
            if wanted.offline:
                raise NotFound(
                    f"{origin} {name} is not in the Hugging Face cache, and we are offline",
                    hint="the same with a network, and without --offline and HF_HUB_OFFLINE",
                )
            digest = hub.fetch(origin, name, folder, progress, tick)
            fetched = True
        if name in wanted.weights:
            sha256[name] = digest
    sha256 = {name: digest for name, digest in sha256.items() if name not in INDEX_FILES}
    snapshots = {path.parent for path in wanted.cached.values()}
    if not fetched and len(snapshots) == 1:
        return Fetched(snapshots.pop(), sha256, ours=False)
    return Fetched(folder, sha256, ours=True)


def _link(path: Path, link: Path, *, copied: bool) -> None:
    if not copied:
        with contextlib.suppress(OSError):
            link.symlink_to(path.resolve())
            return
    shutil.copyfile(path, link)


@dataclass
class Fetching:
    """A `gather` in a thread of its own, which is given up where nothing arrives for long."""

    work: Making
    wanted: Wanted
    progress: Callable[[int], None]
    keep: bool
    _result: Future[Fetched] = field(default_factory=Future)
    _last: float = field(default_factory=time.monotonic)

    def start(self) -> None:
        """Begin."""
        threading.Thread(target=self._run, daemon=True, name="pythia-fetch").start()

    def _run(self) -> None:
        try:
            folder = self.work.folder / "original"
            self._result.set_result(
                gather(self.wanted, folder, self._arrived, self._alive, keep=self.keep)
            )
        except BaseException as error:
            self._result.set_exception(error)

    def _arrived(self, n_bytes: int) -> None:
        self._alive(n_bytes)
        self.progress(n_bytes)

    def _alive(self, n_bytes: int) -> None:
        self._last = time.monotonic()

    def result(self) -> Fetched:
        """Wait for it. Raises what `gather` raises, and NetworkError where nothing comes."""
        while True:
            try:
                return self._result.result(timeout=0.5)
            except TimeoutError:
                if self._result.done():
                    return self._result.result()
                if time.monotonic() - self._last > _STALL_SECONDS:
                    raise NetworkError(
                        f"{self.wanted.revision}: next to nothing arrived for"
                        f" {_STALL_SECONDS / 60:.0f} minutes",
                        hint="the same again",
                    ) from None


@dataclass(frozen=True)
class Outcome:
    """What became of one checkpoint: installed (anew or already), or the error that kept it out."""

    checkpoint: Checkpoint
    installed: Installed | None
    is_new: bool
    error: PythiaError | None


Publish = Callable[[Making, Wanted, Fetched], Installed]


def download(
    store: Store,
    wanted: list[Wanted],
    publish: Publish,
    progress_of: Callable[[Wanted], contextlib.AbstractContextManager[Callable[[int], None]]],
    *,
    replace: bool = False,
    keep: bool = False,
    wait_seconds: float,
    waiting: Callable[[str], None] = lambda what: None,
) -> Iterator[Outcome]:
    """Fetch and publish each in turn; the next is fetched meanwhile.

    `publish` makes an installed checkpoint of what was fetched, and is called by this thread;
    progress_of(wanted) is entered when its transfer begins. What another process has installed in
    the meantime is not fetched again. An error of one checkpoint's own (NotFound, IntegrityError,
    UnsupportedModel) is its outcome; any other is raised.
    """

    def begin(one: Wanted, seconds: float, tell: Callable[[str], None]) -> _Begun:
        return _begin(store, one, progress_of, replace, keep, seconds, tell)

    queue = list(wanted)
    ahead: _Begun | None = None
    try:
        while queue:
            now = queue.pop(0)
            stack, job = ahead or begin(now, wait_seconds, waiting)
            ahead = None
            with stack:
                if isinstance(job, Installed):
                    yield Outcome(now.checkpoint, job, is_new=False, error=None)
                    continue
                try:
                    fetched = job.result()
                    if queue:
                        with contextlib.suppress(LockTimeout):  # another's: waited for in its turn
                            ahead = begin(queue[0], 0, lambda what: None)
                    outcome = Outcome(
                        now.checkpoint, publish(job.work, now, fetched), is_new=True, error=None
                    )
                except (NotFound, IntegrityError, UnsupportedModel) as error:
                    outcome = Outcome(now.checkpoint, None, is_new=False, error=error)
            yield outcome
    finally:
        if ahead is not None:
            ahead[0].close()


_Begun = tuple[contextlib.ExitStack, Fetching | Installed]


def _begin(
    store: Store,
    wanted: Wanted,
    progress_of: Callable[[Wanted], contextlib.AbstractContextManager[Callable[[int], None]]],
    again: bool,
    keep: bool,
    wait_seconds: float,
    waiting: Callable[[str], None],
) -> _Begun:
    """Lock a checkpoint and start its transfer, unless it has been installed by now."""
    with contextlib.ExitStack() as stack:
        work = stack.enter_context(
            making(store, wanted.checkpoint, wait_seconds=wait_seconds, waiting=waiting)
        )
        found = store.find(wanted.checkpoint)
        if found is not None and not again:
            return stack.pop_all(), found
        job = Fetching(work, wanted, stack.enter_context(progress_of(wanted)), keep)
        job.start()
        return stack.pop_all(), job
    raise AssertionError
