"""Tasks of lm-eval: the figures of its `hf` model, and what may go wrong."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pythia_cli.errors import InputError, InvalidValue, NotFound, UnknownName, UsageError
from pythia_cli.library.model import Model
from pythia_cli.measures.quantization_error import near_tie
from pythia_cli.suite.published_results import PublishedResult
from tests.conftest import GOLDEN
from tests.integrations.task_files import DOCUMENTS, write_tasks

pytest.importorskip("lm_eval", reason='needs lm-eval: pip install "pythia-cli[eval]"')

import lm_eval
from lm_eval.tasks import TaskManager

from pythia_cli.integrations import evaluate as module
from pythia_cli.integrations.evaluate import FIELDS, EvalFigure, evaluate, run_task
from pythia_cli.integrations.lm_eval import PythiaLM
from pythia_cli.integrations.lm_eval_tasks import load_tasks
from pythia_cli.integrations.response_cache import file_of

pytestmark = pytest.mark.filterwarnings("default")  # of datasets and what it brings


@pytest.fixture(scope="module")
def tasks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tasks(tmp_path_factory.mktemp("tasks"))


def run(model: Model, folder: Path, *names: str, **how: Any) -> dict[Any, float | None]:
    found = evaluate(model, names, include_path=folder, **how)
    return {(f.subtask or f.task, f.metric): f.value for f in found}


def accuracy(model: Model) -> float:
    """The share of DOCUMENTS whose right ending is the most probable one."""
    correct = 0
    for document in DOCUMENTS:
        endings = [model.loglikelihood(document["context"], f" {e}") for e in document["endings"]]
        correct += int(np.argmax([e.logprob for e in endings])) == document["gold"]
    return correct / len(DOCUMENTS)


def test_a_figure(opened: Callable[..., Model], tasks: Path) -> None:
    (found,) = evaluate(opened(), ["first"], include_path=tasks)
    assert (found.task, found.subtask, found.metric, found.filter) == ("first", None, "acc", "none")
    assert found.value == pytest.approx(accuracy(opened()))
    assert found.stderr == pytest.approx(1 / 3)  # of one of three: sqrt(1/3 * 2/3 / 2)
    assert (found.n_documents, found.n_total, found.n_fewshot) == (3, 3, 0)
    assert (found.task_version, found.lm_eval, found.higher_is_better) == ("2.5", "0.4.13", True)
    assert found.published is None
    assert set(found.to_dict()) == set(FIELDS)
    json.dumps(found.to_dict())


def test_groups_tags_and_patterns(opened: Callable[..., Model], tasks: Path) -> None:
    value = pytest.approx(accuracy(opened()))
    one = {("first", "acc"): value, ("second", "acc"): value}
    assert run(opened(), tasks, "both") == {("both", "acc"): value, **one}
    assert run(opened(), tasks, "pair") == one
    assert run(opened(), tasks, "*s*d", "f?rst", "first") == one


def test_a_group_says_which_figure_is_whose(opened: Callable[..., Model], tasks: Path) -> None:
    found = evaluate(opened(), ["both"], include_path=tasks)
    assert {f.task for f in found} == {"both"}
    assert {f.subtask: f.task_hash is None for f in found} == {
        None: True, "first": False, "second": False
    }  # fmt: skip


def test_a_limit(opened: Callable[..., Model], tasks: Path) -> None:
    (found,) = evaluate(opened(), ["first"], include_path=tasks, limit=2)
    assert (found.n_documents, found.n_total) == (2, 3)


def test_no_standard_errors(opened: Callable[..., Model], tasks: Path) -> None:
    (found,) = evaluate(opened(), ["first"], include_path=tasks, bootstrap=0)
    assert found.stderr is None


def test_examples_are_the_same_for_each_checkpoint(
    opened: Callable[..., Model], tasks: Path
) -> None:
    loaded = load_tasks(["shots"], include_path=tasks)
    hashes = [run_task(opened(step), loaded[0])[0].task_hash for step in (64, 3000, 64)]
    (fresh,) = evaluate(opened(), ["shots"], include_path=tasks)
    assert set(hashes) == {fresh.task_hash}
    assert fresh.n_fewshot == 1
    (two,) = evaluate(opened(), ["shots"], include_path=tasks, num_fewshot=2)
    assert two.n_fewshot == 2
    assert two.task_hash != fresh.task_hash


def test_a_task_has_a_hash(tasks: Path, tmp_path: Path) -> None:
    def hashed(folder: Path, **how: Any) -> str:
        return load_tasks(["shots"], include_path=folder, **how)[0].sha256

    assert hashed(tasks) == hashed(tasks)
    assert hashed(tasks, num_fewshot=2) != hashed(tasks)
    other = write_tasks(tmp_path / "other")
    assert hashed(other) == hashed(tasks)
    text = (other / "shots.yaml").read_text()
    (other / "shots.yaml").write_text(text.replace("{{context}}", "{{context}} "))
    assert hashed(other) != hashed(tasks)
    (other / "shots.yaml").write_text(text)
    with (other / "documents.jsonl").open("a") as file:
        file.write("\n" + json.dumps(DOCUMENTS[0]))
    assert hashed(other) != hashed(tasks)


def test_published_figures(
    opened: Callable[..., Model], tasks: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def known(*names: Any) -> PublishedResult:
        asked.append(names)
        return PublishedResult(0.75, 0.01)

    monkeypatch.setattr(module, "published_result", known)
    (found,) = evaluate(opened(), ["first"], include_path=tasks)
    assert asked == [("demo", 3000, "first", "acc")]
    assert (found.published, found.difference) == ((0.75, 0.01), (found.value or 0) - 0.75)
    shown = found.to_dict()
    assert (shown["published"], shown["published_stderr"], shown["difference"]) == (
        0.75, 0.01, found.difference
    )  # fmt: skip
    # Figures of some documents only, or with examples, are not comparable.
    assert evaluate(opened(), ["first"], include_path=tasks, limit=2)[0].published is None
    assert evaluate(opened(), ["shots"], include_path=tasks)[0].published is None


def test_random_numbers_of_others_stay_as_they_are(
    opened: Callable[..., Model], tasks: Path
) -> None:
    before = random.getstate(), np.random.get_state()[1].tolist()  # type: ignore[union-attr, index]
    run(opened(), tasks, "shots")
    after = random.getstate(), np.random.get_state()[1].tolist()  # type: ignore[union-attr, index]
    assert before == after


def test_responses_are_cached(
    opened: Callable[..., Model], tasks: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = [run(opened(step), tasks, "first", cache=tmp_path) for step in (64, 3000)]
    assert found == [run(opened(step), tasks, "first") for step in (64, 3000)]
    assert len(list(tmp_path.glob("demo-step*.db"))) == 2
    monkeypatch.setattr(opened().scorer, "score", None)
    assert run(opened(), tasks, "first", cache=tmp_path) == found[1]


class OwnTasks(TaskManager):
    """Without those of lm-eval, which take ten seconds to read."""

    def __init__(self, include_path: str, include_defaults: bool = False) -> None:
        super().__init__(include_path=include_path, include_defaults=False)


def test_what_cannot_be_loaded(
    opened: Callable[..., Model], tasks: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lm_eval.tasks.TaskManager", OwnTasks)
    model = opened()
    with pytest.raises(UnknownName, match=r"unknown task 'frist'; did you mean first\?"):
        evaluate(model, ["frist"], include_path=tasks)
    with pytest.raises(NotFound, match="there is not a folder of tasks"):
        evaluate(model, ["first"], include_path="there")
    with pytest.raises(NotFound, match="the data of task 'no_data' cannot be found: FileNotFound"):
        evaluate(model, ["no_data"], include_path=tasks)
    with pytest.raises(UsageError, match="task 'unsafe' runs code that the model writes"):
        evaluate(model, ["unsafe"], include_path=tasks)
    (tmp_path / "bad.yaml").write_text("task: bad\noutput_type: [")
    with pytest.raises(InputError, match=r"bad.yaml: is not a task file \(ParserError"):
        evaluate(model, ["bad"], include_path=tmp_path)
    (tmp_path / "bad.yaml").write_text("task: bad\noutput_type: poetry\n")
    with pytest.raises(InputError, match="task 'bad': cannot be loaded"):
        evaluate(model, ["bad"], include_path=tmp_path)


def test_a_task_that_fails(opened: Callable[..., Model], tasks: Path) -> None:
    with pytest.raises(UsageError, match=r"task 'broken' fails \(ValueError: this task is broken"):
        evaluate(opened(), ["broken"], include_path=tasks)


@pytest.mark.parametrize(
    ("how", "name"),
    [
        ({"limit": 0}, "limit"),
        ({"bootstrap": -1}, "bootstrap"),
        ({"num_fewshot": -1}, "num_fewshot"),
        ({"tasks": []}, "tasks"),
        ({"tasks": "first"}, "tasks"),
    ],
)
def test_bad_values(
    opened: Callable[..., Model], tasks: Path, how: dict[str, Any], name: str
) -> None:
    with pytest.raises(InvalidValue, match=name):
        evaluate(opened(), **{"tasks": ["first"], "include_path": tasks, **how})


def test_the_task_on_the_page(opened: Callable[..., Model], tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs/lm-eval.md").read_text()
    (yaml,) = re.findall("```yaml\n(.*?)```", page, re.S)
    data = tmp_path / "my_task.jsonl"
    data.write_text("".join(json.dumps({**d, "question": d["context"]}) + "\n" for d in DOCUMENTS))
    (tmp_path / "my_task.yaml").write_text(yaml.replace("/data/my_task.jsonl", str(data)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
        found = run(opened(), tmp_path, "my_task")
    assert found == {("my_task", "acc"): pytest.approx(accuracy(opened()))}


def test_lm_eval_itself(opened: Callable[..., Model], tasks: Path, tmp_path: Path) -> None:
    """simple_evaluate gives the same figures, and its results say which model it was."""
    manager = TaskManager(include_path=str(tasks), include_defaults=False)
    for step in (64, 3000):
        lm = PythiaLM(opened(step))
        found = lm_eval.simple_evaluate(
            model=lm, tasks=["shots"], task_manager=manager, use_cache=lm.cache_path(tmp_path)
        )
        assert found is not None
        (ours,) = evaluate(opened(step), ["shots"], include_path=tasks)
        assert found["results"]["shots"]["acc,none"] == ours.value
        assert found["results"]["shots"]["acc_stderr,none"] == pytest.approx(ours.stderr)
        assert found["config"]["step"] == step
    assert len(list(tmp_path.glob(file_of("*")))) == 2
    by_name = lm_eval.simple_evaluate(
        model="pythia", model_args="model=demo,step=64", tasks=["shots"], task_manager=manager,
        device="cuda:0", batch_size=1,
    )  # fmt: skip
    assert by_name is not None
    assert (by_name["config"]["model"], by_name["config"]["step"]) == ("demo", 64)


def golden() -> dict[str, Any]:
    path = GOLDEN / "lm_eval" / "results.json"
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))["tasks"]
    return content


def figures(task: str, step: int) -> dict[str, float]:
    found: dict[str, float] = golden()[task]["steps"][str(step)]["metrics"]
    return found


def ours(model: Model, task: str) -> dict[str, float]:
    found: list[EvalFigure] = evaluate(model, [task], include_path=GOLDEN / "lm_eval", bootstrap=0)
    return {f"{figure.metric},{figure.filter}": figure.value or 0.0 for figure in found}


@pytest.mark.parametrize("step", [64, 3000])
@pytest.mark.parametrize("task", ["golden_choices", "golden_last_word", "golden_rolling"])
def test_float32_gives_the_figures_of_hf(
    opened: Callable[..., Model], task: str, step: int
) -> None:
    """Accuracies are equal, and perplexities but for the last bits."""
    assert ours(opened(step, "float32"), task) == pytest.approx(figures(task, step), rel=1e-5)


def test_int8_decides_the_same_but_for_near_ties(
    opened: Callable[..., Model], nats_a_token: float
) -> None:
    """A near tie: the log-likelihoods of two endings differ by less than int8 may move them."""
    asked, answers = golden()["golden_choices"]["requests"], []
    near_ties = []
    for step in (64, 3000):
        expected = golden()["golden_choices"]["steps"][str(step)]["answers"]
        requests = [(None, each["context"], each["continuation"]) for each in asked]
        found = PythiaLM(opened(step))._loglikelihood_tokens(requests)
        for document in {each["document"]: None for each in asked}:
            its = [i for i, each in enumerate(asked) if each["document"] == document]
            exact = np.array([expected[i]["loglikelihood"] for i in its])
            ours = np.array([found[i][0] for i in its])
            answers.append(int(ours.argmax()) == int(exact.argmax()))
            if not answers[-1]:
                n_tokens = sum(len(asked[its[k]]["continuation"]) for k in
                               (ours.argmax(), exact.argmax()))  # fmt: skip
                assert exact.max() - exact[ours.argmax()] < near_tie(nats_a_token**2 / 2, n_tokens)
                near_ties.append((step, document))
    assert len(answers) == 60
    assert near_ties == []


def test_perplexities_in_int8(opened: Callable[..., Model]) -> None:
    """Within 0.1 %; of 30 last words, of which each counts much, within 2 %."""
    for step in (64, 3000):
        exact = figures("golden_rolling", step)
        assert ours(opened(step), "golden_rolling") == pytest.approx(exact, rel=1e-3)
        exact = figures("golden_last_word", step)
        assert ours(opened(step), "golden_last_word") == pytest.approx(exact, rel=0.02)


def test_texts_in_int8(opened: Callable[..., Model]) -> None:
    for step in (64, 3000):
        assert ours(opened(step), "golden_generate") == figures("golden_generate", step)
