"""Plans from options and from TOML: what is wrong is found before anything is fetched."""

from __future__ import annotations

from pathlib import Path

import pytest

from pythia_cli.checkpoints.store import Store
from pythia_cli.errors import (
    InputError,
    InvalidValue,
    NotFound,
    PythiaError,
    UnknownName,
    UsageError,
)
from pythia_cli.sweeps.making import WantedMeasure, WantedSweep, make_plan, read_plan_file
from pythia_cli.sweeps.problems import MissingMeasureColumn, NothingPlanned
from pythia_cli.sweeps.tasks import SweptTask

PLAN = """
models = ["demo@0", "demo@64:512"]
precision = "fast"
certify = "text.txt"
keep_under = "3GB"

[[measures]]
measure = "pairs"
inputs = "pairs.jsonl"

[[measures]]
measure = "surprisal"
label = "reading"
inputs = ["words.tsv"]
base = 10
"""


def test_patterns_and_paths(inputs: Path, demo_store: Store) -> None:
    (inputs / "more.jsonl").write_text((inputs / "pairs.jsonl").read_text() * 2)
    wanted = WantedMeasure("pairs", ["*.jsonl", "pairs.jsonl"], folder=inputs)
    plan = make_plan(WantedSweep(["demo"], "0,64", [wanted]), demo_store)
    (measure,) = plan.measures
    assert [one.name for one in measure.inputs] == ["more.jsonl", "pairs.jsonl"]
    assert all(Path(one.source).is_absolute() for one in measure.inputs)
    assert [str(one) for one in plan.checkpoints] == ["demo@0", "demo@64"]


def test_a_plan_file(inputs: Path, demo_store: Store) -> None:
    (inputs / "plan.toml").write_text(PLAN)
    wanted, beside = read_plan_file(inputs / "plan.toml")
    plan = make_plan(wanted, demo_store)
    assert [str(one) for one in plan.checkpoints] == ["demo@0", "demo@64", "demo@512"]
    assert [one.label for one in plan.measures] == ["pairs", "reading"]
    assert plan.measures[1].to_dict()["options"]["base"] == 10.0
    assert plan.precision == "fast"
    assert beside == {"certify": inputs / "text.txt", "keep_under": "3GB"}


@pytest.mark.parametrize(
    ("change", "kind", "says"),
    [
        (("[[measures]]", "[[measures"), InputError, "is not TOML"),
        (('precision = "fast"', "colour = 3"), InputError, "has 'colour'; a plan has"),
        (('measure = "pairs"', ""), InputError, "a measure without `measure`"),
        (('measure = "pairs"', 'measure = "pears"'), UnknownName, "did you mean pairs"),
        (('inputs = "pairs.jsonl"', ""), InputError, "no inputs for measure 'pairs'"),
        (('inputs = "pairs.jsonl"', "inputs = [3]"), InvalidValue, "a list of texts"),
        (('"pairs.jsonl"', '"gone.jsonl"'), NotFound, "gone.jsonl does not exist"),
        (('"pairs.jsonl"', '"gone*"'), NotFound, "no file matches 'gone"),
        (('"pairs.jsonl"', '"."'), InputError, "is no file"),
        (('"pairs.jsonl"', '"words.tsv"'), PythiaError, "sentence_good"),
        (('"demo@0"', '"demmo@0"'), PythiaError, "demmo"),
        (('"demo@0"', '"demo@7"'), UnknownName, "demo"),
        (("base = 10", 'base = "ten"'), InvalidValue, "base is 'ten'"),
        (("base = 10", "bass = 10"), UnknownName, "did you mean base"),
        (('label = "reading"', 'label = "pairs"'), UsageError, "two measures are labelled 'pairs'"),
        (('models = ["demo@0",', 'steps = "0"\nmodels = ["demo@0",'), UsageError, "only one"),
        (('precision = "fast"', "precision = 5"), InvalidValue, "precision is 5"),
        (('precision = "fast"', 'dtype = "float16"'), InvalidValue, "dtype is 'float16'"),
        (('precision = "fast"', 'precision = "fast"\ndtype = "float32"'), UsageError, "int8"),
        (('precision = "fast"', 'plain_text = "no"'), InvalidValue, "plain_text is 'no'"),
        (('["demo@0", "demo@64:512"]', "5"), InvalidValue, "models is 5"),
        (('["demo@0", "demo@64:512"]', "[5]"), InvalidValue, "models is .5.; expected a list"),
        (('["demo@0", "demo@64:512"]', '["demo"]\nsteps = 3.5'), InvalidValue, "steps is 3.5"),
        (('["demo@0", "demo@64:512"]', '["demo"]\nsteps = [3.5]'), InvalidValue, "steps is"),
        (('["demo@0", "demo@64:512"]', '["demo"]\nsteps = true'), InvalidValue, "steps is True"),
        (("base = 10", "context = inf"), InvalidValue, "context is inf"),
        (('label = "reading"', "label = 5"), InvalidValue, "label is 5"),
        (('label = "reading"', 'label = ""'), InvalidValue, "label is ''"),
        (('label = "reading"', 'label = "certificate"'), InvalidValue, "label is 'certificate'"),
        (('"text.txt"', "5"), InputError, "a `certify` that is no text"),
        (('inputs = "pairs.jsonl"', 'inputs = [""]'), InputError, "the name of an input: is empty"),
    ],
)
def test_what_is_wrong_in_a_plan(
    inputs: Path, demo_store: Store, change: tuple[str, str], kind: type[Exception], says: str
) -> None:
    (inputs / "plan.toml").write_text(PLAN.replace(*change, 1))
    with pytest.raises(kind, match=says.replace("*", r"\*").replace("[", r"\[")):
        make_plan(read_plan_file(inputs / "plan.toml")[0], demo_store)


def test_nothing_to_measure(inputs: Path, demo_store: Store) -> None:
    with pytest.raises(NothingPlanned, match="no measures"):
        make_plan(WantedSweep(["demo"], "0", []), demo_store)
    empty = Store(inputs / "store")
    wanted = WantedMeasure("pairs", ["pairs.jsonl"], folder=inputs)
    with pytest.raises(NothingPlanned, match="no checkpoints"):
        make_plan(WantedSweep(["demo"], "installed", [wanted]), empty)


def test_inputs_and_steps_from_python(inputs: Path, demo_store: Store) -> None:
    wanted = [
        WantedMeasure("perplexity", inputs / "text.txt"),
        WantedMeasure("pairs", [inputs / "pairs.jsonl"]),
        WantedMeasure("surprisal", str(inputs / "words.tsv")),
    ]
    plan = make_plan(WantedSweep(["demo", "demo"], iter([0, 64]), wanted), demo_store)
    assert plan.n_cells == 6
    with pytest.raises(InvalidValue, match="inputs is"):
        make_plan(WantedSweep(["demo"], 0, [WantedMeasure("pairs", [5])]), demo_store)  # type: ignore[list-item]


def test_a_missing_column_names_the_measure_and_its_option(inputs: Path, demo_store: Store) -> None:
    (inputs / "stim.tsv").write_text("texts\tk\nThe dogs bark.\t1\n")
    for measure, options, option in (
        ("surprisal", {}, "column"),
        ("surprisal", {"column": "texts", "group": "kk"}, "group"),
        ("pairs", {"bad": "k"}, "good"),
        ("choices", {"context": "texts", "choices": "k,kk"}, "choices"),
        ("choices", {"context": "texts", "choices": "k"}, "label"),
    ):
        wanted = WantedMeasure(measure, ["stim.tsv"], options, folder=inputs)
        with pytest.raises(MissingMeasureColumn) as caught:
            make_plan(WantedSweep(["demo"], 0, [wanted]), demo_store)
        assert (caught.value.measure, caught.value.option) == (measure, option)


def test_errors_name_a_file_as_it_was_given(
    inputs: Path, demo_store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(inputs.parent)
    for folder, name in ((Path(), "inputs/words.tsv"), (Path("inputs"), "words.tsv")):
        wanted = WantedMeasure("pairs", [name], folder=folder)
        with pytest.raises(InputError, match=r"^inputs/words\.tsv: has no column"):
            make_plan(WantedSweep(["demo"], 0, [wanted]), demo_store)


def test_paths_in_options_are_of_the_folder_of_the_plan(
    inputs: Path, demo_store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SweptTask, "check", lambda self, source, reporter: None)
    monkeypatch.setattr(SweptTask, "sha256", lambda self, source: "0")
    plans = []
    for spelling in ("tasks", "../inputs/tasks"):
        (inputs / "plan.toml").write_text(
            'models = "demo@0"\n[[measures]]\nmeasure = "eval"\ninputs = "mine"\n'
            f'include_path = "{spelling}"\n'
        )
        plans.append(make_plan(read_plan_file(inputs / "plan.toml")[0], demo_store))
    assert plans[0].measures[0].options["include_path"] == str(inputs / "tasks")
    names = {plan.cells_of(plan.checkpoints[0])[0].name for plan in plans}
    assert len(names) == 1


def test_the_same_content_twice_is_one_cell(inputs: Path, demo_store: Store) -> None:
    (inputs / "copy.jsonl").write_bytes((inputs / "pairs.jsonl").read_bytes())
    wanted = WantedMeasure("pairs", ["copy.jsonl", "pairs.jsonl"], folder=inputs)
    with pytest.raises(InputError, match="has the same content as another input"):
        make_plan(WantedSweep(["demo"], "0", [wanted]), demo_store)
