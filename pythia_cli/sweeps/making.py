"""Makes the plan of a sweep, from options or from a TOML file."""

from __future__ import annotations

import glob
import os
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, get_args

from pythia_cli.checkpoints.store import Store
from pythia_cli.engine.byte_parts import PRECISIONS
from pythia_cli.engine.checks import is_whole, listed
from pythia_cli.errors import InputError, InvalidValue, NotFound, UsageError
from pythia_cli.files.reading import read_bytes
from pythia_cli.library.load import checkpoints_of
from pythia_cli.library.model import Dtype
from pythia_cli.reporting import SILENT, Reporter
from pythia_cli.suite.checkpoint import Checkpoint, split_name
from pythia_cli.sweeps.measure import options_of
from pythia_cli.sweeps.measures import measure_of, path_options
from pythia_cli.sweeps.plan import PlannedMeasure, SweepInput, SweepPlan
from pythia_cli.sweeps.problems import MissingMeasureColumn, NothingPlanned
from pythia_cli.sweeps.table import CERTIFICATE
from pythia_cli.tables.problems import MissingColumn

_OWN = {"measure", "inputs", "label"}
_PLAN = {"models", "steps", "measures", "precision", "dtype", "plain_text", "certify", "keep_under"}

Inputs = str | os.PathLike[str] | Sequence[str | os.PathLike[str]]


@dataclass(frozen=True)
class WantedMeasure:
    """A measure that is asked for. inputs: files (or patterns such as blimp/*.jsonl), or tasks.

    label: its name in the table; None: that of the measure. folder: where the inputs are.
    """

    measure: str
    inputs: Inputs
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

    def check(self) -> None:
        """Raises InvalidValue and UsageError for what can be known without a store or files."""
        if not all(isinstance(name, str) for name in listed("models", self.models)):
            raise InvalidValue("models", self.models, "a list of texts")
        if not isinstance(self.steps, str | None):
            steps = self.steps if isinstance(self.steps, Iterable) else [self.steps]
            if not all(isinstance(one, str) or is_whole(one) for one in steps):
                expected = "a text, a whole number, or several of them"
                raise InvalidValue("steps", self.steps, expected)
        _check_one_of("precision", self.precision, PRECISIONS)
        _check_one_of("dtype", self.dtype, get_args(Dtype))
        if (self.dtype, self.precision) == ("float32", "fast"):
            raise UsageError("precision fast is for dtype int8; float32 rounds no activations")
        if not isinstance(self.plain_text, bool):
            raise InvalidValue("plain_text", self.plain_text, "true or false")
        for one in self.measures:
            if one.label is not None and not (isinstance(one.label, str) and one.label):
                raise InvalidValue("label", one.label, "a text that is not empty")
            if one.label == CERTIFICATE:
                raise InvalidValue("label", one.label, "another one: rows of certificates have it")


def _check_one_of(name: str, value: object, possible: Sequence[str]) -> None:
    if value not in possible:
        raise InvalidValue(name, value, " or ".join(possible))


def make_plan(wanted: WantedSweep, store: Store, reporter: Reporter = SILENT) -> SweepPlan:
    """The plan: all names are known, and all inputs can be read, before anything is fetched.

    Raises NothingPlanned, UnknownName, InvalidValue, NotFound, InputError and its kinds.
    """
    if isinstance(wanted.steps, Iterable) and not isinstance(wanted.steps, str):
        wanted = replace(wanted, steps=list(wanted.steps))  # each model needs them
    wanted.check()
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
    measure = measure_of(wanted.measure, _with_full_paths(wanted))
    names = _names(wanted)
    found: dict[str, SweepInput] = {}
    for name in _expanded(names, wanted.folder) if measure.takes_files else names:
        # Errors name a file as it was given, where it can be found from the working folder.
        given = wanted.folder / name
        source = str(given.absolute()) if measure.takes_files else name
        if source in found:
            continue
        if measure.takes_files and not given.exists():
            raise NotFound(f"{name} does not exist")
        if measure.takes_files and not given.is_file():
            raise InputError(name, "is no file; a sweep reads its inputs once for each checkpoint")
        try:
            measure.check(str(given) if measure.takes_files else name, reporter)
        except MissingColumn as error:
            options = options_of(measure)
            raise MissingMeasureColumn(error, wanted.measure, options) from error
        found[source] = SweepInput(name, source, measure.sha256(source))
    hashes = [one.sha256 for one in found.values()]
    if len(set(hashes)) < len(hashes):
        twice = next(one for one in found.values() if hashes.count(one.sha256) > 1)
        raise InputError(twice.name, "has the same content as another input of this measure")
    label = wanted.label or wanted.measure
    return PlannedMeasure(label, wanted.measure, options_of(measure), tuple(found.values()))


def _with_full_paths(wanted: WantedMeasure) -> dict[str, Any]:
    """The options, with paths that hold in any working folder."""
    options = dict(wanted.options)
    for name in path_options(wanted.measure):
        if options.get(name) is not None:
            if not isinstance(options[name], str | os.PathLike):
                raise InvalidValue(name, options[name], "a path")
            options[name] = str((wanted.folder / options[name]).absolute())
    return options


def _names(wanted: WantedMeasure) -> list[str]:
    """The inputs as texts. Raises InvalidValue."""
    given = wanted.inputs
    given = [given] if isinstance(given, str | os.PathLike) else given
    if not all(isinstance(one, str | os.PathLike) for one in given):
        raise InvalidValue("inputs", given, "a list of texts")
    if "" in given:
        raise InputError("the name of an input", "is empty")
    return [os.fspath(one) for one in given]


def _expanded(given: Sequence[str], folder: Path) -> list[str]:
    """The inputs, with patterns replaced by what they match, in order."""
    names: list[str] = []
    for name in given:
        if (folder / name).exists() or not glob.has_magic(name):
            names.append(name)
            continue
        matches = sorted(glob.glob(name, root_dir=os.fspath(folder), recursive=True))
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
        if not isinstance(beside["certify"], str):
            raise InputError(path, "has a `certify` that is no text")
        beside["certify"] = path.parent / beside["certify"]
    if "keep_under" in beside:
        beside["keep_under"] = str(beside["keep_under"])
    return wanted, beside


def _measure_in(content: Mapping[str, Any], path: Path) -> WantedMeasure:
    name, inputs = content.get("measure"), content.get("inputs", [])
    inputs = [inputs] if isinstance(inputs, str) else inputs
    if not isinstance(name, str) or not isinstance(inputs, list):
        raise InputError(path, "has a measure without `measure`, its name, or `inputs`")
    if not inputs:
        raise InputError(path, f"has no inputs for measure {name!r}")
    options = {key: value for key, value in content.items() if key not in _OWN}
    return WantedMeasure(name, inputs, options, content.get("label"), path.parent)
