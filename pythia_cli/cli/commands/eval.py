"""`pythia eval`: runs tasks of lm-evaluation-harness on checkpoints."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pythia_cli import settings
from pythia_cli.cli import item_options, options
from pythia_cli.cli.grouped import OUTPUT
from pythia_cli.cli.item_choices import OutputChoice
from pythia_cli.cli.output import Notices
from pythia_cli.errors import PythiaError

if TYPE_CHECKING:
    from pythia_cli.integrations.lm_eval_tasks import EvalTask
    from pythia_cli.library.model import Model

_TASKS = "Tasks"


def evaluate(
    tasks: Annotated[
        str,
        typer.Option("--tasks", metavar="NAMES", rich_help_panel=_TASKS,
                     help="Tasks and groups of lm-eval, separated by commas; patterns such as"
                     " 'blimp_*'."),
    ],
    model: options.Model = None,
    checkpoint: item_options.Steps = None,
    include_path: Annotated[
        Path | None,
        typer.Option(metavar="DIR", rich_help_panel=_TASKS,
                     help="A folder of task files (YAML) of your own."),
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, rich_help_panel=_TASKS,
                     help="Use only the first N documents of each task."),
    ] = None,
    num_fewshot: Annotated[
        int | None,
        typer.Option(metavar="N", min=0, rich_help_panel=_TASKS,
                     help="Examples in each prompt. Default: the task's, or 0."),
    ] = None,
    bootstrap: Annotated[
        int,
        typer.Option(metavar="N", min=0, rich_help_panel=_TASKS,
                     help="Resamples for standard errors that have no formula; 0: no standard"
                     " errors."),
    ] = 1000,
    cache: Annotated[
        Path | None,
        typer.Option(metavar="DIR", rich_help_panel=_TASKS,
                     help="Keep the model's responses here, apart for each checkpoint, so that an"
                     " interrupted task goes on."),
    ] = None,
    offline: Annotated[
        bool,
        typer.Option("--offline", rich_help_panel=_TASKS,
                     help="Use only data that are in the Hugging Face cache, or local."),
    ] = False,
    dtype: options.Dtype = "int8",
    precision: options.Precision = "exact",
    output: item_options.Output = None,
    format: item_options.Format = None,
    resume: item_options.Resume = False,
    skip_errors: Annotated[
        bool,
        typer.Option("--skip-errors", rich_help_panel=OUTPUT,
                     help="Write a row with an error for a task that fails, and go on."),
    ] = False,
    plain_text: options.PlainText = False,
    store: options.StoreFolder = None,
    threads: options.Threads = None,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:  # fmt: skip
    """Run tasks of lm-evaluation-harness (lm-eval) on checkpoints.

    Published figures are shown beside ours. Needs pip install "pythia-cli[eval]".

    Examples:

      pythia eval --tasks lambada_openai,piqa -m pythia-410m -c 3000,main

      pythia eval --tasks my_task --include-path tasks --limit 100 --json

      pythia eval --tasks piqa -m pythia-410m -c 512,1000,main -o piqa.tsv --resume
    """
    if offline:
        settings.go_offline()
    settings.bootstrap_in_this_process()
    from pythia_cli.cli.item_runs import openers_of, run_command
    from pythia_cli.cli.quiet_library import quietly
    from pythia_cli.integrations.evaluate import FIELDS
    from pythia_cli.integrations.lm_eval_tasks import check_lm_eval, load_tasks
    from pythia_cli.tables.batch_size import Limits
    from pythia_cli.tables.text_items import TextItems

    notices = Notices(quiet=quiet, verbose=verbose)
    written = OutputChoice(output, format, as_json, resume, skip_errors)
    check_lm_eval()
    openers = openers_of(
        model, checkpoint, options.open_store(store), notices,
        dtype=dtype, precision=precision, threads=threads, plain_text=plain_text,
    )  # fmt: skip
    with quietly(notices):
        loaded = load_tasks(
            [name for name in tasks.split(",") if name],
            include_path=include_path, num_fewshot=num_fewshot, reporter=notices,
        )  # fmt: skip
    measure = _measure(loaded, notices, limit=limit, cache=cache, bootstrap=bootstrap)
    items = TextItems([{"task": task.name} for task in loaded], "task", "--tasks")
    measured = {name: kind for name, kind in FIELDS.items() if name != "task"} | _MODEL_FIELDS
    hashes = {task.name: task.sha256 for task in loaded}
    identity = {"measure": "eval", "tasks": hashes, "limit": limit, "bootstrap": bootstrap}
    is_table = written.chosen_format is None and str(output) != "-"
    with _FigureTable() as figures:
        run_command(
            items, openers, measure, measured, written, notices,
            identity=identity, label="tasks", limits=Limits(items=1),
            summary=figures if is_table or written.path is not None else None,
        )  # fmt: skip


_MODEL_FIELDS: dict[str, type] = {
    "checkpoint": str,
    "tokens_seen": int,
    "source": object,
    "quantization": str,
    "tokenizer_sha256": str,
    "dtype": str,
    "plain_text": bool,
}
"""Fields of a model's provenance, but for those that begin each row."""


def _measure(
    loaded: Sequence[EvalTask], notices: Notices, **how: Any
) -> Callable[[Model, Sequence[Any]], list[Any]]:
    """A measure of items that name tasks."""
    from pythia_cli.cli.quiet_library import quietly
    from pythia_cli.integrations.evaluate import run_task

    tasks = {task.name: task for task in loaded}

    def rows(model: Model, name: str) -> list[dict[str, Any]] | PythiaError:
        notices.detail(f"{model.checkpoint}: {name}")
        its = model.provenance()
        known = {field: its.get(field) for field in _MODEL_FIELDS}
        try:
            with quietly(notices):
                figures = run_task(model, tasks[name], **how)
        except PythiaError as error:
            return error
        return [{**figure.to_dict(), **known} for figure in figures]

    return lambda model, items: [rows(model, item.text()) for item in items]


_HEADS = ("task", "step", "metric", "value", "stderr", "published", "its stderr", "difference")


class _FigureTable:
    """Prints all figures as a table; also those before a failure, if they are in no file."""

    def __init__(self) -> None:
        self._rows: list[Mapping[str, Any]] = []

    def __enter__(self) -> _FigureTable:
        return self

    def __exit__(self, *details: object) -> None:
        self.print(())

    def begin(self, layout: object) -> None:
        """The columns have the same names in all rows."""

    def add_all(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Add rows; those of tasks that failed have no figures."""
        self._rows += [row for row in rows if row.get("metric") is not None]

    def print(self, checkpoints: object) -> None:
        """Print what was added since it was last printed."""
        from pythia_cli.cli.tables import print_table

        rows, self._rows = self._rows, []
        if rows:
            print_table(_HEADS, [_cells(row) for row in rows], ("its stderr", "stderr"))


def _cells(row: Mapping[str, Any]) -> list[str]:
    name = row["task"] if row["subtask"] is None else f"{row['task']}/{row['subtask']}"
    metric = row["metric"] if row["filter"] == "none" else f"{row['metric']} ({row['filter']})"
    figures = (row[n] for n in ("value", "stderr", "published", "published_stderr", "difference"))
    step = "" if row["step"] is None else str(row["step"])
    value, stderr, published, its, difference = ("" if f is None else f"{f:.4f}" for f in figures)
    sign = "+" if difference and not difference.startswith("-") else ""
    return [name, step, metric, value, stderr, published, its, sign + difference]
