"""Runs tasks of lm-evaluation-harness on a model, with the published figures beside ours."""

from __future__ import annotations

import hashlib
import numbers
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pythia_cli.engine.checks import check_whole, listed
from pythia_cli.errors import PythiaError, UsageError
from pythia_cli.integrations.lm_eval_tasks import EvalTask, check_lm_eval, load_tasks, seeded
from pythia_cli.library.model import Model
from pythia_cli.suite.published_results import PublishedResult, published_result

BOOTSTRAP = 1000
"""Resamples for standard errors that have no formula, such as that of a perplexity."""


@dataclass(frozen=True)
class EvalFigure:
    """A figure of a task, or of a group or a task in it (`subtask`; None: of the task itself).

    stderr: None if lm-eval gives none. n_documents: that were used, of n_total. task_hash: sha256
    over the documents, prompts and targets, as lm-eval's logs have it; None for a group. published:
    what EleutherAI published for this checkpoint and task.
    """

    task: str
    subtask: str | None
    metric: str
    filter: str
    value: float | None
    stderr: float | None
    higher_is_better: bool | None
    n_fewshot: int | None
    n_documents: int | None
    n_total: int | None
    task_version: str | None
    task_hash: str | None
    lm_eval: str
    published: PublishedResult | None

    @property
    def difference(self) -> float | None:
        """Ours minus the published value."""
        if self.published is None or self.value is None:
            return None
        return self.value - self.published.value

    def to_dict(self) -> dict[str, Any]:
        """For JSON, flat: the fields of docs/output.md, without those of the model."""
        fields = {name: getattr(self, name) for name in FIELDS if name in self.__dict__}
        value, stderr = self.published or (None, None)
        own = {"published": value, "published_stderr": stderr, "difference": self.difference}
        return {**fields, **own}


FIELDS: dict[str, type] = {
    "task": str,
    "subtask": str,
    "metric": str,
    "filter": str,
    "value": float,
    "stderr": float,
    "published": float,
    "published_stderr": float,
    "difference": float,
    "higher_is_better": bool,
    "n_fewshot": int,
    "n_documents": int,
    "n_total": int,
    "task_version": str,
    "task_hash": str,
    "lm_eval": str,
}
"""The fields of EvalFigure.to_dict, and what each holds."""


def evaluate(
    model: Model,
    tasks: Sequence[str],
    *,
    include_path: str | Path | None = None,
    limit: int | None = None,
    num_fewshot: int | None = None,
    cache: str | Path | None = None,
    bootstrap: int = BOOTSTRAP,
) -> list[EvalFigure]:
    """Run tasks of lm-eval on a model. docs/lm-eval.md says what they ask.

    tasks, include_path, num_fewshot: as for `load_tasks`. limit: use only the first documents of
    each task. cache: a folder in which responses are kept, apart for each checkpoint, precision and
    dtype. bootstrap: resamples for standard errors without a formula; 0: no standard errors at all.
    lm-eval prints bars on stderr; `model.reporter` gets ours.

    Raises what `load_tasks` raises, InvalidValue, and UsageError if a task fails.
    """
    check_options(limit, bootstrap)
    loaded = load_tasks(
        listed("tasks", tasks),
        include_path=include_path,
        num_fewshot=num_fewshot,
        reporter=model.reporter,
    )
    found = [
        run_task(model, task, limit=limit, cache=cache, bootstrap=bootstrap) for task in loaded
    ]
    return [figure for figures in found for figure in figures]


def check_options(limit: int | None, bootstrap: int) -> None:
    """Raises InvalidValue for numbers out of range."""
    if limit is not None:
        check_whole("limit", limit, 1)
    check_whole("bootstrap", bootstrap, 0)


def run_task(
    model: Model,
    task: EvalTask,
    *,
    limit: int | None = None,
    cache: str | Path | None = None,
    bootstrap: int = BOOTSTRAP,
) -> list[EvalFigure]:
    """The figures of a loaded task. Arguments as for `evaluate`. Raises UsageError if it fails."""
    check_lm_eval()
    from lm_eval.api.model import CachingLM
    from lm_eval.evaluator import evaluate as run

    from pythia_cli.integrations.lm_eval import PythiaLM
    from pythia_cli.integrations.response_cache import file_of

    lm: Any = PythiaLM(model)
    if cache is not None:
        lm = CachingLM(lm, file_of(lm.cache_path(cache)))
    try:
        with seeded():
            task.prepare()
            results = run(lm, task.loaded, limit=limit, bootstrap_iters=bootstrap, log_samples=True)
    except PythiaError:
        raise
    except Exception as error:  # of a task's own code, or of lm-eval
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise UsageError(f"task {task.name!r} fails ({reason})") from error
    finally:
        if cache is not None:
            lm.dbdict.close()
    is_whole = limit is None
    return list(_figures(model, task.name, results, is_whole=is_whole))


def _figures(
    model: Model, name: str, results: Mapping[str, Any], *, is_whole: bool
) -> Iterator[EvalFigure]:
    """What lm-eval found: of a group first the group, then its tasks."""
    import importlib.metadata

    version = importlib.metadata.version("lm_eval")
    found: dict[str, Any] = {**results.get("groups", {}), **results["results"]}
    named = model.opened.identity()
    for part, metrics in found.items():
        n_fewshot = results["n-shot"].get(part)
        counts = results["n-samples"].get(part, {})
        for key, value in metrics.items():
            metric, comma, chosen = key.partition(",")
            if not comma or metric.endswith("_stderr"):
                continue
            published = None
            if is_whole and n_fewshot == 0 and chosen == "none":
                published = published_result(named["model"], named["step"], part, metric)
            task_version = results["versions"].get(part)
            yield EvalFigure(
                task=name,
                subtask=None if part == name else part,
                metric=metric,
                filter=chosen,
                value=_number(value),
                stderr=_number(metrics.get(f"{metric}_stderr,{chosen}")),
                higher_is_better=results["higher_is_better"].get(part, {}).get(metric),
                n_fewshot=n_fewshot,
                n_documents=counts.get("effective"),
                n_total=counts.get("original"),
                task_version=None if task_version is None else str(task_version),
                task_hash=_hash(results["samples"].get(part)),
                lm_eval=version,
                published=published,
            )


def _number(value: object) -> float | None:
    """A figure; None for lm-eval's "N/A", and for what is no number."""
    return float(value) if isinstance(value, numbers.Real) else None


def _hash(samples: Sequence[Mapping[str, str]] | None) -> str | None:
    """As `task_hashes` of the result files that lm-eval writes."""
    if samples is None:
        return None
    hashes = (s["doc_hash"] + s["prompt_hash"] + s["target_hash"] for s in samples)
    return hashlib.sha256("".join(hashes).encode()).hexdigest()
