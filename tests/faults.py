"""A kill, a failure or another writer at every moment of some work on a store.

A moment is just before a call that reads or changes files: open, rename, remove, mkdir, rmdir,
utime, flock, fsync, or a write into a new file.

    python -m tests.faults FOLDER MODEL OTHER LOCKS EVERY

does all of them in FOLDER, each at every EVERY-th moment, with float checkpoints from two folders.
LOCKS: `work`, `ignored` (flock does nothing) or ENOSYS (it is not there). The last line is JSON.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pythia_cli.checkpoints.publish import remove
from pythia_cli.checkpoints.store import Store
from pythia_cli.checkpoints.verify import verify
from pythia_cli.errors import NotInstalled, PythiaError
from pythia_cli.kernels import compiled
from pythia_cli.suite.checkpoint import Checkpoint
from pythia_cli.weights.float_checkpoint import FloatCheckpoint
from tests.failing import fail_fsync, fail_write
from tests.publishing import FIRST, SECOND, files, leftovers, publish

LOCKS = ("work", "ignored", "ENOSYS")
_THIRD = Checkpoint("another", 3)
_EVENTS = frozenset(
    ("open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.utime", "fcntl.flock")
)


class Moments:
    """Counts the moments of some work in a folder, and acts at one of them."""

    def __init__(self, folder: Path) -> None:
        self._folder = str(folder)
        self._act: Callable[[], object] | None = None
        self._left = self.n = 0
        sys.addaudithook(self._hear)  # there is no way to remove it

    def run(self, work: Callable[[], object], k: int, act: Callable[[], object]) -> bool:
        """Do the work; `act` just before its k-th moment. Whether it got there."""
        self._act, self._left, self.n = act, k, 0
        with pytest.MonkeyPatch.context() as patch:
            fail_fsync(patch, self._pass)
            fail_write(patch, self._pass)
            try:
                work()
            finally:
                reached, self._act = self._act is None, None
        return reached

    def _hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self._act is None or event not in _EVENTS:
            return
        where = arguments[0]
        if event == "fcntl.flock" or (isinstance(where, (str, Path)) and self._is_in(where)):
            self._pass()

    def _is_in(self, path: str | Path) -> bool:
        return os.fspath(path).startswith(self._folder)

    def _pass(self) -> None:
        if (act := self._act) is None:
            return
        self.n += 1
        self._left -= 1
        if self._left < 0:
            self._act = None
            act()


class Faults:
    """Works on a store that holds two checkpoints, and what has to be true afterwards."""

    def __init__(self, folder: Path, model: FloatCheckpoint, other: FloatCheckpoint) -> None:
        compiled.load()
        self._template, self.store = folder / "template", Store(folder / "store")
        self._moments = Moments(self.store.folder)
        self._model, self._other = model, other
        for checkpoint in (FIRST, SECOND):
            publish(Store(self._template), model, checkpoint)
        self.works: dict[str, Callable[[], object]] = {
            "replace": lambda: publish(self.store, other, FIRST),
            "install": lambda: publish(self.store, other, _THIRD),
            "remove": lambda: remove(self.store, _THIRD, wait_seconds=1),
            "use": lambda: self.store.use(SECOND),
        }

    def n_moments(self, name: str) -> int:
        """The number of moments of an undisturbed work."""
        self._begin(name)
        self._moments.run(self.works[name], sys.maxsize, lambda: None)
        return self._moments.n

    def kill(self, name: str, k: int) -> None:
        """Kill a process at this moment of the work; then check."""
        self._begin(name)
        pid = os.fork()
        if pid == 0:
            try:
                self._moments.run(self.works[name], k, lambda: os.kill(os.getpid(), signal.SIGKILL))
            finally:
                os._exit(0)
        _, status = os.waitpid(pid, 0)
        assert os.WIFSIGNALED(status), f"it ended before moment {k}"
        self._check()

    def fail(self, name: str, k: int, number: int) -> None:
        """Let the call at this moment of the work fail; then check."""

        def fail() -> None:
            raise OSError(number, os.strerror(number))

        self._begin(name)
        with contextlib.suppress(PythiaError):
            assert self._moments.run(self.works[name], k, fail)
        self._check()

    def meet(self, name: str, k: int, another: str) -> None:
        """Let another process do all of another work at this moment; then check."""

        def act() -> None:
            with contextlib.suppress(NotInstalled):  # it was removed already
                self.works[another]()

        self._begin(name)
        # One that installs while another removes the same may find its folder gone.
        expected = PythiaError if "remove" in (name, another) else ()
        with contextlib.suppress(expected):
            assert self._moments.run(self.works[name], k, act)
        self._check()

    def _begin(self, name: str) -> None:
        shutil.rmtree(self.store.folder, ignore_errors=True)
        shutil.copytree(self._template, self.store.folder)
        if name == "remove":
            publish(self.store, self._other, _THIRD)

    def _check(self) -> None:
        """All checkpoints are whole, none is lost, the next writer works, and nothing is left."""
        whole = {i.checkpoint: verify(self.store, i.checkpoint) for i in self.store.installed()}
        assert set(whole) >= {FIRST, SECOND}
        assert not any(whole.values()), whole
        assert self.store.active() in (None, SECOND)
        publish(self.store, self._model, FIRST)
        named = {
            f"tokenizers/{i.manifest['tokenizer_sha256']}.json" for i in self.store.installed()
        }
        for installed in self.store.installed():
            assert verify(self.store, installed.checkpoint) == []
            place = installed.folder.relative_to(self.store.folder)
            named |= {f"{place}/manifest.json", f"{place}/{installed.weights.name}"}
        left = leftovers(self.store)
        assert set(left) - {"active.json"} == named, left
        assert files(self.store) == left


def set_locks(locks: str) -> None:
    """Make flock what it is on such a file system, for this process."""

    import fcntl

    def flock(descriptor: Any, operation: int) -> None:
        sys.audit("fcntl.flock", descriptor, operation)
        if locks != "ignored":
            number = getattr(errno, locks)
            raise OSError(number, os.strerror(number))

    if locks != "work":
        fcntl.flock = flock


def main() -> None:
    folder, model, other = map(Path, sys.argv[1:4])
    locks, every = sys.argv[4], int(sys.argv[5])
    faults = Faults(folder, FloatCheckpoint(model), FloatCheckpoint(other))
    set_locks(locks)
    done = {"killed": 0, "failed": 0, "met": 0}
    for name in faults.works:
        for k in range(0, faults.n_moments(name), every):
            faults.kill(name, k)
            done["killed"] += 1
            for number in (errno.ENOSPC, errno.EIO):
                faults.fail(name, k, number)
                done["failed"] += 1
            for another in faults.works if locks != "work" else ():
                faults.meet(name, k, another)
                done["met"] += 1
    print(json.dumps({"locks": locks, **done}))


if __name__ == "__main__":
    main()
