"""Which checkpoint a process works on, among others that do the same: claims, and the next one."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from contextlib import ExitStack
from dataclasses import dataclass

from pythia_cli.checkpoints.store import Store
from pythia_cli.suite.checkpoint import Checkpoint
from pythia_cli.sweeps.fetching import Fetcher
from pythia_cli.sweeps.folder import SweepFolder
from pythia_cli.sweeps.plan import Cell


@dataclass
class ClaimedCheckpoint:
    """A checkpoint of this process. claim: held until it is closed. fetched: when it is there."""

    checkpoint: Checkpoint
    claim: ExitStack
    fetched: Future[None]


class Claims:
    """Claims checkpoints of a sweep. pending: the cells of one that are to be measured."""

    def __init__(
        self,
        folder: SweepFolder,
        store: Store,
        fetcher: Fetcher,
        pending: Callable[[Checkpoint], list[Cell]],
    ) -> None:
        self._folder, self._store, self._fetcher = folder, store, fetcher
        self._pending = pending

    def begin(
        self, ahead: ClaimedCheckpoint | None, waiting: list[Checkpoint]
    ) -> ClaimedCheckpoint | None:
        """Take the checkpoint that is fetched ahead, unless another process has taken it."""
        if ahead is None:
            return None
        with ahead.claim:
            claim = self._folder.claim(ahead.checkpoint)
        if claim is None:
            waiting.append(ahead.checkpoint)  # if the other process dies
            return None
        return ClaimedCheckpoint(ahead.checkpoint, claim, ahead.fetched)

    def claim(self, waiting: list[Checkpoint]) -> ClaimedCheckpoint | None:
        """Take the first checkpoint that no other process has, and start to fetch it.

        First of those that no process has as its next one.
        """
        for is_any in (False, True):
            for checkpoint in list(waiting):
                if not is_any and self._folder.is_next(checkpoint):
                    continue
                claim = self._folder.claim(checkpoint)
                if claim is None:
                    continue
                waiting.remove(checkpoint)
                if not self._pending(checkpoint):  # another process has done it meanwhile
                    claim.close()
                    continue
                try:
                    return ClaimedCheckpoint(checkpoint, claim, self._fetcher.start(checkpoint))
                except BaseException:
                    claim.close()
                    raise
        return None

    def claim_ahead(self, waiting: list[Checkpoint]) -> ClaimedCheckpoint | None:
        """Start to fetch the next checkpoint; None if it is there, or if others have them all."""
        for checkpoint in list(waiting):
            if self._folder.is_claimed(checkpoint) or not self._pending(checkpoint):
                continue
            if self._store.find(checkpoint) is not None:
                return None
            claim = self._folder.claim(checkpoint, ahead=True)
            if claim is None:
                continue
            waiting.remove(checkpoint)
            return ClaimedCheckpoint(checkpoint, claim, self._fetcher.start(checkpoint))
        return None
