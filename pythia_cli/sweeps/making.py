"""Makes the plan of a sweep, from options or from a TOML file."""

from __future__ import annotations

import glob
import os
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pythia_cli.checkpoints.store import Store
from pythia_cli.errors import InputError, InvalidValue, NotFound, UsageError
from pythia_cli.files.reading import read_bytes
from pythia_cli.library.load import checkpoints_of
from pythia_cli.reporting import SILENT, Reporter
from pythia_cli.suite.checkpoint import Checkpoint, split_name
from pythia_cli.sweeps.measure import options_of
from pythia_cli.sweeps.measures import measure_of
from pythia_cli.sweeps.plan import PlannedMeasure, SweepInput, SweepPlan
from pythia_cli.sweeps.problems import NothingPlanned

_OWN = {"measure", "inputs", "label"}
_PLAN = {"models", "steps", "measures", "precision", "dtype", "plain_text", "certify", "keep_under"}


@dataclass(frozen=True)
class WantedMeasure:
    """A measure that is asked for. inputs: files (or patterns such as blimp/*.jsonl), or tasks.

    label: its name in the table; None: that of the measure. folder: where the inputs are.
    """

    measure: str
    inputs: Sequence[str]
    options: Mapping[str, Any] = field(default_factory=dict)
    label: str | None = None
    folder: Path = Path()


@dataclass(frozen=True)
class WantedSweep:
    """What is asked for, before names are looked up and inputs are read.

    models: names, or MODEL@STEP. steps: a set, as for `checkpoints`; None: the last one.
    """

    models: Sequence[str]
    steps: str | int | Iterable[int] | None
    measures: Sequence[WantedMeasure]
    precision: str = "exact"
    dtype: str = "int8"
    plain_text: bool = False


def make_plan(wanted: WantedSweep, store: Store, reporter: Reporter = SILENT) -> SweepPlan:
    """The plan: all names are known, and all inputs can be read, before anything is fetched.

    Raises NothingPlanned, UnknownName, InvalidValue, NotFound, InputError and its kinds.
    """
    checkpoints = _checkpoints(wanted, store)
    measures = [_planned(one, reporter) for one in wanted.measures if one.inputs]
    if not measures:
        raise NothingPlanned("measures")
    labels = [one.label for one in measures]
    for label in labels:
        if labels.count(label) > 1:
            raise UsageError(f"two measures are labelled {label!r}; give one another label")
    return SweepPlan(
        tuple(checkpoints), tuple(measures), wanted.precision, wanted.dtype, wanted.plain_text
    )


def _checkpoints(wanted: WantedSweep, store: Store) -> list[Checkpoint]:
    found: dict[Checkpoint, None] = {}
    active: list[str | None] = [None]
    for named in wanted.models or active:
        model, step = (None, None) if named is None else split_name(named)
        if step is not None and wanted.steps is not None:
            raise UsageError(f"{named} names one step, and there are others; name only one")
        steps = wanted.steps if step is None else step
        found.update(
            dict.fromkeys(checkpoints_of(model, "main" if steps is None else steps, store))
        )
    if not found:
        raise NothingPlanned("checkpoints")
    return list(found)


def _planned(wanted: WantedMeasure, reporter: Reporter) -> PlannedMeasure:
    measure = measure_of(wanted.measure, wanted.options)
    found: dict[str, SweepInput] = {}
    for name in _expanded(wanted) if measure.takes_files else wanted.inputs:
        source = str((wanted.folder / name).absolute()) if measure.takes_files else name
        if source in found:
            continue
        if measure.takes_files and not Path(source).exists():
            raise NotFound(f"{name} does not exist")
        if measure.takes_files and not Path(source).is_file():
            raise InputError(name, "is no file; a sweep reads its inputs once for each checkpoint")
        measure.check(source, reporter)
        found[source] = SweepInput(name, source, measure.sha256(source))
    hashes = [one.sha256 for one in found.values()]
    if len(set(hashes)) < len(hashes):
        twice = next(one for one in found.values() if hashes.count(one.sha256) > 1)
        raise InputError(twice.name, "has the same content as another input of this measure")
    label = wanted.label or wanted.measure
    return PlannedMeasure(label, wanted.measure, options_of(measure), tuple(found.values()))


def _expanded(wanted: WantedMeasure) -> list[str]:
    """The inputs, with patterns replaced by what they match, in order."""
    names: list[str] = []
    for name in wanted.inputs:
        if (wanted.folder / name).exists() or not glob.has_magic(name):
            names.append(name)
            continue
        matches = sorted(glob.glob(name, root_dir=os.fspath(wanted.folder), recursive=True))
        if not matches:
            raise NotFound(f"no file matches {name!r}")
        names += matches
    return names


def read_plan_file(path: str | Path) -> tuple[WantedSweep, dict[str, Any]]:
    """A plan that is written as TOML; also `certify` and `keep_under`, if it has them.

    Paths in it are relative to its folder. Raises NotFound, ResourceError, and InputError for what
    is no plan.
    """
    path = Path(path)
    try:
        content = tomllib.loads(read_bytes(path).decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(path, f"is not TOML ({error})") from error
    models = content.pop("models", content.pop("model", []))
    content["models"] = [models] if isinstance(models, str) else models
    if unknown := set(content) - _PLAN:
        raise InputError(path, f"has {sorted(unknown)[0]!r}; a plan has {', '.join(sorted(_PLAN))}")
    measures = content.get("measures", [])
    if not isinstance(measures, list) or not all(isinstance(one, dict) for one in measures):
        raise InputError(path, "has no list of [[measures]]")
    steps = content.get("steps")
    wanted = WantedSweep(
        models=content["models"],
        steps=steps,
        measures=[_measure_in(one, path) for one in measures],
        **{name: content[name] for name in ("precision", "dtype", "plain_text") if name in content},
    )
    beside: dict[str, Any] = {n: content[n] for n in ("certify", "keep_under") if n in content}
    if "certify" in beside:
        beside["certify"] = path.parent / str(beside["certify"])
    return wanted, beside


def _measure_in(content: Mapping[str, Any], path: Path) -> WantedMeasure:
    name, inputs = content.get("measure"), content.get("inputs", [])
    inputs = [inputs] if isinstance(inputs, str) else inputs
    if not isinstance(name, str) or not isinstance(inputs, list):
        raise InputError(path, "has a measure without `measure`, its name, or `inputs`")
    if not inputs:
        raise InputError(path, f"has no inputs for measure {name!r}")
    if not all(isinstance(one, str) for one in inputs):
        raise InvalidValue("inputs", inputs, "a list of texts")
    options = {key: value for key, value in content.items() if key not in _OWN}
    return WantedMeasure(name, inputs, options, content.get("label"), path.parent)
