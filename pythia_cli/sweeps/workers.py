"""A worker of a sweep: what is sent to another process, or to another computer, to run there."""

from __future__ import annotations

import logging
import socket
import threading
from dataclasses import dataclass, replace
from typing import Any

from pythia_cli.checkpoints.store import Store
from pythia_cli.errors import PythiaError
from pythia_cli.reporting import Reporter
from pythia_cli.sweeps.folder import SweepFolder
from pythia_cli.sweeps.sweep import HowToRun, nobody, run_sweep

_LOG = logging.getLogger("pythia_cli.sweeps")
_ONE_AT_A_TIME = threading.Lock()
"""The kernels' threads are one team for each process: two sweeps in one would slow each other."""


@dataclass(frozen=True)
class SweepWorker:
    """Works on a sweep where it is called; it can be pickled.

    folder, store: full paths, as they are there. how: with the worker's shard. A certifier is
    pickled with it, so it must be possible to do that; `TextCertifier` is its text.
    """

    folder: str
    store: str
    how: HowToRun

    def __call__(self) -> dict[str, Any]:
        """Do the cells of its shard, and then those that no other worker has done or works on.

        So those of a worker that died are done by the others. Waits while another call runs in this
        process. Returns the host, and how many cells were measured here and how many failed; what
        fails is in the sweep's folder too. Raises what `run_sweep` raises.
        """
        with _ONE_AT_A_TIME:
            folder, store, notes = SweepFolder(self.folder), Store(self.store), _Logged()
            own = replace(self.how, failed=_log_failure)
            # Failures of others' shards are theirs to try again: each of them once.
            rest = replace(own, shard=None, retry=False)
            done = [run_sweep(folder, store, how, notes) for how in (own, rest)]
        return {
            "host": socket.gethostname(),
            "n_measured": sum(one.n_measured for one in done),
            "n_failed": sum(one.n_failed for one in done),
        }


def workers_for(folder: SweepFolder, store: Store, how: HowToRun, n: int) -> list[SweepWorker]:
    """n workers, each with every n-th checkpoint as its own."""
    paths = str(folder.path.absolute()), str(store.folder.absolute())
    return [SweepWorker(*paths, replace(how, shard=(i, n), failed=nobody)) for i in range(1, n + 1)]


class _Logged(Reporter):
    """Notices go to the log of the worker."""

    def note(self, text: str) -> None:
        _LOG.info("%s", text)


def _log_failure(where: str, error: PythiaError) -> None:
    _LOG.warning("%s: %s", where, error)
