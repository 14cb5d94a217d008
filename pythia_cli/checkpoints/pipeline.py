"""Transfers, quantizes and installs plans one by one; transfers the next one meanwhile."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pythia_cli.checkpoints import partial
from pythia_cli.checkpoints.from_folder import (
    Certifier,
    SmallFiles,
    check_small_files,
    open_source,
    publish_source,
)
from pythia_cli.checkpoints.plan import FetchPlan, check_disk, doubts
from pythia_cli.checkpoints.publish import Workspace, workspace
from pythia_cli.checkpoints.store import Installed, Store
from pythia_cli.checkpoints.transfer import Transfer
from pythia_cli.errors import (
    DamagedDownload,
    IntegrityError,
    NotFound,
    NotOnHub,
    PythiaError,
    UnsupportedModel,
)
from pythia_cli.reporting import NO_TASK, SILENT, Reporter, Task
from pythia_cli.suite.checkpoint import Checkpoint

ITS_OWN = (NotFound, IntegrityError, UnsupportedModel)
"""Errors that concern one checkpoint only, so that the others are still installed."""


@dataclass(frozen=True)
class Outcome:
    """The result for one checkpoint: installed (now or before), or an error."""

    checkpoint: Checkpoint
    installed: Installed | None
    is_new: bool
    error: PythiaError | None

    @property
    def status(self) -> str:
        """`installed` (by this download), `present` (before it) or `failed`."""
        if self.installed is None:
            return "failed"
        return "installed" if self.is_new else "present"

    def to_dict(self) -> dict[str, Any]:
        """For JSON: status, then the fields of Installed.to_dict, or checkpoint and error."""
        if self.installed is not None:
            return {"status": self.status, **self.installed.to_dict()}
        return {
            "status": self.status,
            **self.checkpoint.to_dict(),
            "error": str(self.error),
        }


def present_outcome(installed: Installed) -> Outcome:
    """The outcome of a checkpoint that is installed already, perhaps with a damaged manifest."""
    try:
        _ = installed.manifest
    except IntegrityError as error:
        return Outcome(installed.checkpoint, None, is_new=False, error=error)
    return Outcome(installed.checkpoint, installed, is_new=False, error=None)


@dataclass(frozen=True)
class _Started:
    """A checkpoint whose lock we hold, and its running transfer; Installed if none is needed."""

    stack: ExitStack
    work: Workspace
    transfer: Transfer | Installed


class _Both(Task):
    """Adds to the progress of one transfer, and of all together."""

    def __init__(self, one: Task, overall: Task) -> None:
        self._one, self._overall = one, overall

    def advance(self, amount: int) -> None:
        """As Task.advance."""
        self._one.advance(amount)
        self._overall.advance(amount)


@dataclass(frozen=True)
class Pipeline:
    """Transfers and publishes plans one by one; transfers the next one meanwhile."""

    store: Store
    replace: bool
    keep_original: bool
    certifier: Certifier | None
    n_threads: int | None
    wait_seconds: float
    reporter: Reporter

    def run(self, plans: Sequence[FetchPlan]) -> Iterator[Outcome]:
        """The outcome of each plan. While iterating, raises what `download` raises."""
        partial.remove_old(self.store)
        kept = [partial.kept_bytes(self.store, plan) for plan in plans]
        check_disk(self.store, plans, kept, keep_original=self.keep_original)
        for line in doubts(self.store, plans):
            self.reporter.note(line)
        with ExitStack() as stack:
            overall = NO_TASK
            if len(plans) > 1:
                n_bytes = sum(plan.n_bytes for plan in plans) - sum(kept)
                label = f"{len(plans)} checkpoints"
                overall = stack.enter_context(self.reporter.task(label, n_bytes, "B"))
            yield from self._run(plans, overall)

    def _run(self, plans: Sequence[FetchPlan], overall: Task) -> Iterator[Outcome]:
        from pythia_cli.kernels import compiled

        ahead: _Started | None = None
        removals: list[Future[None]] = []
        try:
            for plan, following in zip(plans, [*plans[1:], None], strict=True):
                now = ahead or self._start(plan, overall, self.wait_seconds, self.reporter)
                ahead = None
                with now.stack:
                    if isinstance(now.transfer, Installed):
                        outcome = present_outcome(now.transfer)
                    else:
                        try:
                            # The first time they are compiled, for half a minute.
                            compiled.load(self.reporter)
                            small = _small_files(now.transfer)
                            now.transfer.wait()
                            if following is not None:
                                # What hinders it now is waited for, or raised, in its turn.
                                with contextlib.suppress(PythiaError):
                                    ahead = self._start(following, overall, 0, SILENT)
                            outcome = self._publish(now.work, now.transfer, small)
                        except ITS_OWN as error:
                            now.transfer.stop()
                            outcome = self._without(plan.checkpoint, error)
                        except BaseException:
                            self._note_kept(now.work, plan)
                            raise
                    if now.work.keeps_out and not self._goes_on(now.work, plan, outcome.error):
                        removals.append(partial.put_away(self.store, plan.checkpoint))
                yield outcome
        finally:
            if ahead is not None:
                ahead.stack.close()
            for removal in removals:
                removal.result()
            partial.remove_if_empty(self.store)

    def _without(self, checkpoint: Checkpoint, error: PythiaError) -> Outcome:
        """The outcome of a checkpoint that we failed to install.

        A computer that does not see our lock may have installed it, and removed our files.
        """
        installed = self.store.find(checkpoint)
        if installed is None or self.replace:
            return Outcome(checkpoint, None, is_new=False, error=error)
        return present_outcome(installed)

    def _goes_on(self, work: Workspace, plan: FetchPlan, error: PythiaError | None) -> bool:
        """Whether the next download goes on with what is here: one of several files is damaged."""
        is_damaged = isinstance(error, DamagedDownload) and len(plan.weights) > 1
        return is_damaged and self._kept_bytes(work, plan) > 0

    def _note_kept(self, work: Workspace, plan: FetchPlan) -> None:
        """Say, when the download breaks off, that the next one need not begin at byte 0."""
        if kept := self._kept_bytes(work, plan):
            self.reporter.note(
                f"{kept / 1e6:,.1f} MB of {plan.checkpoint} are kept;"
                " the same download goes on from there"
            )

    def _start(
        self, plan: FetchPlan, overall: Task, wait_seconds: float, waiting: Reporter
    ) -> _Started:
        """Lock a checkpoint and start its transfer, unless it is installed by now.

        waiting: the reporter to notify if another process holds the lock.
        """
        checkpoint, reporter = plan.checkpoint, self.reporter
        with ExitStack() as stack:
            work = stack.enter_context(
                workspace(self.store, checkpoint, wait_seconds=wait_seconds, reporter=waiting)
            )
            installed = self.store.find(checkpoint)
            if installed is not None and not self.replace:
                return _Started(stack.pop_all(), work, installed)
            kept = self._kept_bytes(work, plan)
            so_far = f", of which {kept / 1e6:,.1f} MB are here" if kept else ""
            reporter.note(f"fetching {plan.revision}: {plan.n_bytes / 1e6:,.1f} MB{so_far}")
            label = f"fetching {checkpoint}"
            task = stack.enter_context(reporter.task(label, plan.n_bytes - kept, "B"))
            transfer = Transfer(
                plan,
                work.folder / "original",
                self._arriving(work),
                keep=self.keep_original,
                task=_Both(task, overall),
                reporter=reporter,
            )
            stack.callback(transfer.stop)  # before the workspace is removed
            transfer.start()
            return _Started(stack.pop_all(), work, transfer)
        raise AssertionError("the exit stack suppressed an exception")

    def _kept_bytes(self, work: Workspace, plan: FetchPlan) -> int:
        return partial.kept_bytes(self.store, plan) if work.keeps_out else 0

    def _arriving(self, work: Workspace) -> Path:
        """The folder where files arrive: one that is kept, unless another process may use it."""
        if work.keeps_out:
            return partial.folder_for(self.store, work.checkpoint)
        folder = work.folder / "arriving"
        folder.mkdir()
        return folder

    def _publish(self, work: Workspace, transfer: Transfer, small: SmallFiles) -> Outcome:
        plan, folder = transfer.plan, transfer.folder
        with _named(transfer, folder):
            source = open_source(folder, plan.checkpoint, small)
            transfer.check_small_files(source)
            if self.certifier is not None:
                self.certifier.check(source)
            installed = publish_source(
                work,
                source,
                reporter=self.reporter,
                certifier=self.certifier,
                n_threads=self.n_threads,
                repo=plan.revision.answered_by,
                commit=plan.revision.commit,
                hashes=transfer.sha256,
                hash_again=transfer.must_be_hashed_again(source),
                keep=folder if self.keep_original and transfer.is_ours else None,
            )
        return Outcome(plan.checkpoint, installed, is_new=True, error=None)


def _small_files(transfer: Transfer) -> SmallFiles:
    """Checked while the weights arrive."""
    transfer.wait_for_small_files()
    folder = transfer.folder  # read once: it may be changed when all files are there
    with _named(transfer, folder):
        return check_small_files(folder, transfer.plan.checkpoint)


@contextlib.contextmanager
def _named(transfer: Transfer, folder: Path) -> Iterator[None]:
    """Errors name the revision and its file, because the temporary folder is removed.

    If what has arrived was removed, that is the cause of whatever else failed.
    """
    plan = transfer.plan
    try:
        yield
    except PythiaError as error:
        transfer.check_present()
        if isinstance(error, IntegrityError) and Path(error.path).is_relative_to(folder):
            where = f"{plan.revision} {Path(error.path).name}"
            raise type(error)(where, error.reason) from error
        if isinstance(error, UnsupportedModel):
            where = f"{plan.revision} config.json"
            raise UnsupportedModel(where, error.field, error.value, error.expected) from error
        if isinstance(error, NotFound):
            text = str(error).replace(f"{folder}{os.sep}", f"{plan.revision} ")
            raise NotOnHub(text, checkpoint=plan.checkpoint) from error
        raise
