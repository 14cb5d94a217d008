"""From a name to an installed checkpoint: what to fetch, fetched and verified, then published.

Several are pipelined: while one is quantized the next is fetched by another thread.
"""

from __future__ import annotations

import contextlib
import dataclasses
import re
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pythia_cli import hub
from pythia_cli.errors import (
    IntegrityError,
    LockTimeout,
    NetworkError,
    NotAuthorised,
    NotFound,
    PythiaError,
    UnsupportedModel,
)
from pythia_cli.hf_checkpoint import INDEX_FILES, PREFERENCE
from pythia_cli.hub import Revision
from pythia_cli.int8_file import data_bytes
from pythia_cli.known_problems import known_problem
from pythia_cli.publish import Making, check_room, making
from pythia_cli.store import Installed, Store
from pythia_cli.suite import MODELS, Checkpoint, repository

_CONFIG, _TOKENIZER = "config.json", "tokenizer.json"
_SHARDS = {
    INDEX_FILES[0]: re.compile(r"model-\d+-of-\d+\.safetensors"),
    INDEX_FILES[1]: re.compile(r"pytorch_model-\d+-of-\d+\.bin"),
}
_N_ASKING = 8  # revisions resolved at a time
_STALL_SECONDS = 600.0  # in which at least one piece of 10 MB has to arrive


@dataclass(frozen=True)
class Wanted:
    """A checkpoint to be fetched: from which revision, which files, and where each comes from."""

    checkpoint: Checkpoint
    revision: Revision
    weights: tuple[str, ...]
    tokenizer_from: Revision
    cached: Mapping[str, Path]
    """What the user's Hugging Face cache has already."""
    offline: bool

    @property
    def names(self) -> tuple[str, ...]:
        """All the files that are read."""
        return (_CONFIG, _TOKENIZER, *self.weights)

    @property
    def n_fetch(self) -> int:
        """How many bytes have to be fetched."""
        return sum(self.origin(n).files[n].size for n in self.names if n not in self.cached)

    def origin(self, name: str) -> Revision:
        """The revision that a file is taken from."""
        return self.tokenizer_from if name == _TOKENIZER else self.revision

    @property
    def sha256(self) -> dict[str, str | None]:
        """What the Hub states for each weights file."""
        return {name: self.revision.files[name].sha256 for name in self.weights}


def look_up(checkpoint: Checkpoint, *, offline: bool = False) -> Wanted:
    """Resolve a checkpoint's branch. Raises as hub.resolve, and NotFound where it is empty."""
    repo = repository(checkpoint.model)
    if repo is None:
        raise NotFound(
            f"{checkpoint.model} is not on the Hub",
            hint=f"pythia download --from FOLDER -m {checkpoint.model} -c {checkpoint.step}",
        )
    resolve = hub.resolve_offline if offline else hub.resolve
    revision = resolve(repo, checkpoint.revision)
    choices = list(weights_of(revision))
    if not choices:
        raise NotFound(f"{revision} holds no weights", hint=_about(checkpoint))
    weights = next((w for w in choices if all(hub.cached(revision, n) for n in w)), choices[0])
    # Some branches have no tokenizer of their own; a model has but one.
    tokenizer_from = revision if _TOKENIZER in revision.files else resolve(repo, "main")
    if _CONFIG not in revision.files or _TOKENIZER not in tokenizer_from.files:
        raise NotFound(f"{revision} lacks {_CONFIG} or {_TOKENIZER}", hint=_about(checkpoint))
    wanted = Wanted(checkpoint, revision, weights, tokenizer_from, {}, offline)
    cached = {n: path for n in wanted.names if (path := hub.cached(wanted.origin(n), n))}
    return dataclasses.replace(wanted, cached=cached)


def look_up_all(
    checkpoints: list[Checkpoint], *, offline: bool = False
) -> dict[Checkpoint, Wanted | PythiaError]:
    """look_up for many, several at a time; what it raises for one is that one's value.

    Without a network, or a login that is asked for, one has asked for all.
    """
    for_all: list[PythiaError] = []

    def one(checkpoint: Checkpoint) -> Wanted | PythiaError:
        if for_all:
            return for_all[0]
        try:
            return look_up(checkpoint, offline=offline)
        except PythiaError as error:
            if isinstance(error, NetworkError | NotAuthorised):
                for_all.append(error)
            return error

    with ThreadPoolExecutor(_N_ASKING) as pool:
        return dict(zip(checkpoints, pool.map(one, checkpoints), strict=True))


def weights_of(revision: Revision) -> Iterator[tuple[str, ...]]:
    """The files of each form in which a revision holds its weights, the best form first."""
    for name in PREFERENCE:
        if name in revision.files:
            pattern = _SHARDS.get(name)
            shards = sorted(n for n in revision.files if pattern and pattern.fullmatch(n))
            yield (name, *shards)


def _about(checkpoint: Checkpoint) -> str:
    problem = known_problem(checkpoint)
    return f"another step; {problem}" if problem else "another step (checkpoint list --available)"


def check_disk(store: Store, wanted: list[Wanted], *, keep_original: bool) -> None:
    """Raises ResourceError where the store's disk cannot hold what is made, or made along the way.

    At most two float checkpoints lie there at a time, where none is kept.
    """
    fetched = [w.n_fetch for w in wanted]
    floats = max((a + b for a, b in zip(fetched, [*fetched[1:], 0], strict=True)), default=0)
    if keep_original:
        floats = sum(w.origin(n).files[n].size for w in wanted for n in w.names)
    made = sum(data_bytes(MODELS[w.checkpoint.model]) for w in wanted)
    what = str(wanted[0].checkpoint) if len(wanted) == 1 else f"{len(wanted)} checkpoints"
    check_room(store.folder, floats + made, f"installing {what}")


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
                            ahead = begin(queue[0], 0, _silent)
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


def _silent(what: Any) -> None:
    pass


def same_weights(store: Store, wanted: list[Wanted]) -> Iterator[tuple[Wanted, Checkpoint]]:
    """Those whose weights are the same files as another's, installed or wanted before, and its."""
    known: dict[frozenset[str], list[Checkpoint]] = {}
    for installed in store.installed():
        with contextlib.suppress(PythiaError, KeyError, TypeError, AttributeError):
            files = frozenset(installed.manifest["source"]["files"].values())
            known.setdefault(files, []).append(installed.checkpoint)
    for one in wanted:
        hashes = [digest for digest in one.sha256.values() if digest is not None]
        others = known.setdefault(frozenset(hashes), [])
        yield from ((one, other) for other in others if hashes and other != one.checkpoint)
        others.append(one.checkpoint)
