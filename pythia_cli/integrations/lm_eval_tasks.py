"""Tasks of lm-evaluation-harness, by name, with their data."""

from __future__ import annotations

import contextlib
import difflib
import fnmatch
import hashlib
import importlib.util
import json
import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import numpy as np

from pythia_cli.errors import (
    InputError,
    InvalidValue,
    NetworkError,
    NotAuthorised,
    NotCached,
    NotFound,
    PythiaError,
    UnknownName,
    UsageError,
)
from pythia_cli.reporting import SILENT, Reporter
from pythia_cli.tables.problems import MissingExtra

_FEWSHOT_SEED = 1234
"""lm-eval's default, which chooses the examples in prompts."""


_RANDOM_SEED, _NUMPY_SEED = 0, 1234  # lm-eval's defaults

_ADDRESS = re.compile(" at 0x[0-9a-f]+")  # of a function without source text


@dataclass(frozen=True, repr=False)
class EvalTask:
    """A task, or a group of tasks, with its data. `loaded` is what lm-eval's `evaluate` takes."""

    name: str
    loaded: dict[str, Any]

    def __repr__(self) -> str:
        return f"EvalTask({self.name})"

    @property
    def parts(self) -> dict[str, Any]:
        """lm-eval's tasks by name: one, but for a group."""
        parts: dict[str, Any] = self.loaded["tasks"]
        return parts

    @cached_property
    def sha256(self) -> str:
        """sha256 over the configuration, wherever its files lie, and the documents."""
        digest = hashlib.sha256()
        with seeded():
            for name, task in self.parts.items():
                config = task.dump_config()
                config.get("metadata", {}).pop("config_source", None)
                for content in (name, config, *task.eval_docs):
                    written = json.dumps(content, sort_keys=True, default=str)
                    digest.update(_ADDRESS.sub("", written).encode() + b"\n")
        return digest.hexdigest()

    def prepare(self) -> None:
        """Let the next prompts have the same examples as those of the first checkpoint."""
        for task in self.parts.values():
            task.set_fewshot_seed(seed=_FEWSHOT_SEED)


def check_lm_eval() -> None:
    """Raises MissingExtra if lm-eval is not installed."""
    if importlib.util.find_spec("lm_eval") is None:
        raise MissingExtra("lm-eval", "evaluation", "eval")


@contextlib.contextmanager
def seeded() -> Iterator[None]:
    """Within the block, Python's and numpy's random numbers are those of lm-eval's own runs."""
    before, numpy_before = random.getstate(), np.random.get_state()
    random.seed(_RANDOM_SEED)
    np.random.seed(_NUMPY_SEED)
    try:
        yield
    finally:
        random.setstate(before)
        np.random.set_state(numpy_before)


def load_tasks(
    names: Sequence[str],
    *,
    include_path: str | Path | None = None,
    num_fewshot: int | None = None,
    reporter: Reporter = SILENT,
) -> list[EvalTask]:
    """Load tasks and their data, each once, in order.

    names: of tasks, groups and tags of lm-eval, or patterns such as blimp_*. include_path: a folder
    of YAML files, whose tasks go before those of lm-eval. num_fewshot: examples in each prompt; a
    task that is defined for none keeps that, which is noted.

    Raises MissingExtra without lm-eval; UnknownName with the nearest names; NotFound for a folder
    that does not exist; and where the data cannot be read NotCached, NetworkError, NotAuthorised,
    NotFound, or InputError with what lm-eval says.
    """
    check_lm_eval()
    if include_path is not None and not Path(include_path).is_dir():
        raise NotFound(f"{include_path} is not a folder of tasks")
    if num_fewshot is not None and num_fewshot < 0:
        raise InvalidValue("num_fewshot", num_fewshot, "a whole number, 0 or more")
    if not names:
        raise InvalidValue("tasks", list(names), "at least one name")
    with seeded():
        tasks = _found(list(names), include_path)
    for task in tasks:
        _check_runnable(task)
        _set_examples(task, num_fewshot, reporter)
    return tasks


def _found(names: Sequence[str], include_path: str | Path | None) -> list[EvalTask]:
    """The tasks, with their data. Reading what lm-eval itself has takes ten seconds."""
    from lm_eval.tasks import TaskManager

    if include_path is None:
        return _loaded(_all_of_lm_eval(), names)
    path = str(include_path)
    own = TaskManager(include_path=path, include_defaults=False)
    if all(fnmatch.filter(own.all_tasks, name) for name in names):
        try:
            return _loaded(own, names)
        except PythiaError:
            if not set(_matches(names, own.all_tasks)) & set(own.all_groups):
                raise
            # A group may have tasks of lm-eval.
    try:
        return _loaded(TaskManager(include_path=path), names)
    except UnknownName:
        _check_files(Path(path))
        raise


@cache
def _all_of_lm_eval() -> Any:
    from lm_eval.tasks import TaskManager

    return TaskManager()


def _check_files(folder: Path) -> None:
    """Raises InputError for the first file of tasks that lm-eval skips, as it is not YAML."""
    from lm_eval.tasks._yaml_loader import load_yaml

    for path in sorted(folder.glob("**/*.yaml")):
        try:
            load_yaml(path, resolve_func=False)
        except Exception as error:  # of YAML
            raise InputError(path, f"is not a task file ({_said(error)})") from error


def _loaded(manager: Any, names: Sequence[str]) -> list[EvalTask]:
    return [_load(manager, name) for name in _matches(names, manager.all_tasks)]


def _matches(names: Sequence[str], known: Sequence[str]) -> list[str]:
    found: dict[str, None] = {}
    for name in names:
        matches = [name] if name in known else fnmatch.filter(known, name)
        if not matches:
            raise UnknownName("task", name, difflib.get_close_matches(name, known, 3, 0.7))
        found.update(dict.fromkeys(matches))
    return list(found)


def _load(manager: Any, name: str) -> EvalTask:
    try:
        return EvalTask(name, manager.load([name]))
    except Exception as error:  # of datasets, huggingface_hub, YAML, or a task's own code
        raise _failure(name, error) from error


def _failure(name: str, error: Exception) -> PythiaError:
    """The error of a task that cannot be loaded."""
    from pythia_cli.checkpoints.hub import is_offline

    data, kinds = f"the data of task {name!r}", {type(e).__name__ for e in _causes(error)}
    if isinstance(error, ModuleNotFoundError):
        return MissingExtra(str(error.name), f"task {name!r}")
    if "GatedRepoError" in kinds or "gated" in str(error):
        return NotAuthorised(f"the Hub refuses access to {data}: {_said(error)}", 403)
    if "OfflineModeIsEnabled" in kinds or (is_offline() and "ConnectionError" in kinds):
        return NotCached(data)
    if kinds & {"ConnectionError", "ConnectError", "HfHubHTTPError"}:
        return NetworkError(f"{data} cannot be fetched: {_said(error)}")
    if isinstance(error, FileNotFoundError):
        return NotFound(f"{data} cannot be found: {_said(error)}")
    return InputError(f"task {name!r}", f"cannot be loaded: {_said(error)}")


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _said(error: BaseException) -> str:
    """An exception of somebody else's code in one line."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _check_runnable(task: EvalTask) -> None:
    """Raises UsageError for what our models cannot do, or we do not."""
    for name, part in task.parts.items():
        if getattr(part, "UNSAFE_CODE", False):
            raise UsageError(
                f"task {name!r} runs code that the model writes; that is not done here"
            )
        if getattr(part, "MULTIMODAL", False):
            raise UsageError(f"task {name!r} needs images or sounds; Pythia models read text only")


def _set_examples(task: EvalTask, num_fewshot: int | None, reporter: Reporter) -> None:
    """Set the number of examples in prompts as lm-eval's `simple_evaluate` does."""
    for name, part in task.parts.items():
        default = part.get_config("num_fewshot")
        if num_fewshot is None:
            if default is None:
                part.set_config(key="num_fewshot", value=0)
        elif default != 0:
            part.set_config(key="num_fewshot", value=num_fewshot)
        elif num_fewshot:
            reporter.note(f"{name}: is defined without examples, so it is run without")
