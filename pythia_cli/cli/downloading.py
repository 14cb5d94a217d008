"""Several checkpoints downloaded: what is told of each, and which failure counts."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from pythia_cli.cli import engine, installing
from pythia_cli.cli.render import Notices

if TYPE_CHECKING:
    from pythia_cli.checkpoints.download import Fetched
    from pythia_cli.checkpoints.plan import Wanted
    from pythia_cli.checkpoints.publish import Making
    from pythia_cli.checkpoints.store import Installed, Store
    from pythia_cli.suite.checkpoint import Checkpoint


class Downloading:
    """One download of several checkpoints: what is told of each, and the first failure."""

    def __init__(
        self,
        store: Store,
        notices: Notices,
        certifying: installing.Certifying,
        as_json: bool,
        keep_original: bool,
    ) -> None:
        self.failure: Exception | None = None
        self._several = False
        self._store = store
        self._notices = notices
        self._certifying = certifying
        self._as_json = as_json
        self._keep_original = keep_original

    def tell_present(self, installed: Installed) -> None:
        """That a checkpoint was there already. Raises IntegrityError where it is damaged."""
        _ = installed.manifest
        self._record("present", installed)
        self._notices.say(f"{installed.checkpoint} is installed already")

    def fetch(
        self,
        checkpoints: list[Checkpoint],
        *,
        offline: bool,
        replace: bool,
        wait: float,
        dry_run: bool,
    ) -> None:
        """Look them up, then print or do what there is to do."""
        from pythia_cli.checkpoints.download import download
        from pythia_cli.checkpoints.hub import is_offline
        from pythia_cli.checkpoints.plan import check_disk, look_up_all
        from pythia_cli.errors import IntegrityError, NotFound, PythiaError

        self._several = len(checkpoints) > 1
        found = look_up_all(checkpoints, offline=offline or is_offline())
        wanted: list[Wanted] = []
        for checkpoint, what in found.items():
            if not isinstance(what, PythiaError):
                wanted.append(what)
            elif isinstance(what, NotFound | IntegrityError):
                self._fail(checkpoint, what)
            else:
                raise what
        if dry_run:
            self._print_plan(wanted)
            return
        if not wanted:
            return
        check_disk(self._store, wanted, keep_original=self._keep_original)
        engine.load_kernels(self._notices)
        self._say_doubts(wanted)
        n_bytes = sum(one.n_fetch for one in wanted)
        several = len(wanted) > 1
        label = f"{len(wanted)} checkpoints"
        alone = contextlib.nullcontext(lambda amount: None)  # one bar is enough for one
        with self._notices.progress(label, n_bytes, "B") if several else alone as overall:

            @contextlib.contextmanager
            def progress_of(one: Wanted) -> Iterator[Callable[[int], None]]:
                self._notices.say(f"fetching {one.revision}: {one.n_fetch / 1e6:,.1f} MB")
                label = f"fetching {one.checkpoint}"
                with self._notices.progress(label, one.n_fetch, "B") as advance:

                    def both(amount: int) -> None:
                        advance(amount)
                        overall(amount)

                    yield both

            for outcome in download(
                self._store,
                wanted,
                self._publish,
                progress_of,
                replace=replace,
                keep=self._keep_original,
                wait_seconds=wait,
                waiting=self._notices.waiting,
            ):
                if outcome.error is not None:
                    self._fail(outcome.checkpoint, outcome.error)
                elif outcome.installed is not None and outcome.is_new:
                    self._record("installed", outcome.installed)
                    installing.say_installed(outcome.installed, self._notices)
                elif outcome.installed is not None:
                    self.tell_present(outcome.installed)

    def _publish(self, work: Making, one: Wanted, fetched: Fetched) -> Installed:
        with _named(one):
            source = installing.open_source(fetched.folder, one.checkpoint)
        self._certifying.check(source)
        return installing.publish_source(
            work,
            source,
            self._notices,
            self._certifying,
            commit=one.revision.commit,
            hashes=fetched.sha256,
            keep=fetched.folder if self._keep_original and fetched.ours else None,
        )

    def _say_doubts(self, wanted: list[Wanted]) -> None:
        """What is known or seen to be wrong with branches, before their bytes are fetched."""
        from pythia_cli.checkpoints.plan import same_weights
        from pythia_cli.suite.known_problems import known_problem

        for one in wanted:
            if problem := known_problem(one.checkpoint):
                self._notices.say(f"{one.revision}: reported: {problem}; see checkpoint audit")
        for one, other in same_weights(self._store, wanted):
            self._notices.say(
                f"{one.revision}: {one.weights[0]} is the same file as that of {other}"
            )

    def _print_plan(self, wanted: list[Wanted]) -> None:
        for one in wanted:
            if self._as_json:
                record = {
                    "status": "planned",
                    "model": one.checkpoint.model,
                    "checkpoint": one.checkpoint.revision,
                    "step": one.checkpoint.step,
                    "repo": one.revision.repo,
                    "commit": one.revision.commit,
                    "files": {n: one.origin(n).files[n].size for n in one.names},
                    "cached": sorted(one.cached),
                    "n_bytes_to_fetch": one.n_fetch,
                }
                typer.echo(json.dumps(record))
            else:
                typer.echo(
                    f"{one.checkpoint}  {one.n_fetch / 1e6:,.1f} MB"
                    f"  {one.revision.repo}@{one.revision.commit[:12]}  {' '.join(one.weights)}"
                )
        if not self._as_json and wanted:
            total = sum(one.n_fetch for one in wanted)
            typer.echo(f"{len(wanted)} to fetch, {total / 1e6:,.1f} MB")

    def _record(self, status: str, installed: Installed) -> None:
        if self._as_json:
            with self._notices.aside():
                typer.echo(json.dumps({"status": status, **installing.record(installed)}))

    def _fail(self, checkpoint: Checkpoint, error: Any) -> None:
        """The first one is raised at the end; the others go on meanwhile."""
        if self._as_json:
            record = {
                "status": "failed",
                "model": checkpoint.model,
                "checkpoint": checkpoint.revision,
                "step": checkpoint.step,
                "error": str(error),
            }
            with self._notices.aside():
                typer.echo(json.dumps(record))
        if self._several:
            self._notices.say(f"failed: {error}")
        self.failure = self.failure or error


@contextlib.contextmanager
def _named(one: Wanted) -> Iterator[None]:
    """Errors name what a file was fetched as: where it lies now, it will be gone."""
    from pythia_cli.errors import IntegrityError, UnsupportedModel

    hint = f"another step, or report it to {one.revision.repo}"
    try:
        yield
    except IntegrityError as error:
        where = f"{one.revision} {Path(error.path).name}"
        raise type(error)(where, error.reason, hint=hint) from error
    except UnsupportedModel as error:
        where = f"{one.revision} config.json"
        raise UnsupportedModel(where, error.field, error.value, error.expected) from error
