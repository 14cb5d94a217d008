"""Tasks of lm-evaluation-harness, as a sweep takes them. Their names are the inputs."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import ClassVar

from pythia_cli.engine.checks import check_whole
from pythia_cli.errors import UsageError
from pythia_cli.integrations.evaluate import BOOTSTRAP, check_options, run_task
from pythia_cli.integrations.lm_eval_tasks import EvalTask, load_tasks
from pythia_cli.library.model import Model
from pythia_cli.reporting import SILENT, Reporter
from pythia_cli.sweeps.figures import Figure


@dataclass(frozen=True)
class SweptTask:
    """`pythia eval`, with its options. A figure's name is its metric; its group, a task in a group.

    n: the documents that were used.
    """

    name: ClassVar[str] = "eval"
    takes_files: ClassVar[bool] = False

    include_path: str | None = None
    limit: int | None = None
    num_fewshot: int | None = None
    bootstrap: int = BOOTSTRAP

    def check(self, source: str, reporter: Reporter) -> None:
        """As SweepMeasure.check: loads the task and its data."""
        check_options(self.limit, self.bootstrap)
        if self.num_fewshot is not None:
            check_whole("num_fewshot", self.num_fewshot, 0)
        with reporter.others_silenced():
            self._task(source)

    def sha256(self, source: str) -> str:
        """As SweepMeasure.sha256: over the task's configuration and documents."""
        return self._task(source).sha256

    def take(self, model: Model, source: str, rows: Path, reporter: Reporter) -> list[Figure]:
        """As SweepMeasure.take. There are no rows."""
        with reporter.others_silenced():
            found = run_task(model, self._task(source), limit=self.limit, bootstrap=self.bootstrap)
        return [
            Figure(
                one.subtask,
                one.metric if one.filter == "none" else f"{one.metric}/{one.filter}",
                one.value,
                one.stderr,
                one.n_documents,
            )
            for one in found
        ]

    def _task(self, name: str) -> EvalTask:
        return _loaded(name, self.include_path, self.num_fewshot)


@cache
def _loaded(name: str, include_path: str | None, num_fewshot: int | None) -> EvalTask:
    folder = None if include_path is None else Path(include_path)
    found = load_tasks([name], include_path=folder, num_fewshot=num_fewshot, reporter=SILENT)
    if len(found) != 1:
        raise UsageError(f"{name!r} names {len(found)} tasks; name each, or their group")
    return found[0]
