"""The check of content, on the demo's weights under a Pythia's names."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path

import pytest

from pythia_cli.checkpoints.from_folder import install_demo, install_folder
from pythia_cli.checkpoints.store import Store
from pythia_cli.errors import InvalidValue, NotInstalled
from pythia_cli.library.load import load
from pythia_cli.measures.content import ContentCheck, check_content, sample_text
from pythia_cli.suite.checkpoint import Checkpoint
from pythia_cli.text.tokenizer import PythiaTokenizer
from tests.conftest import DEMO
from tests.fakes.suite import MODEL, make_checkpoint


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Callable[[int], Path]:
    """published(step): the demo's step, in the shape of a Pythia."""
    folder = tmp_path_factory.mktemp("published")
    made: dict[int, Path] = {}

    def make(step: int) -> Path:
        if step not in made:
            made[step] = make_checkpoint(folder / str(step), DEMO / f"step{step}")
        return made[step]

    return make


@pytest.mark.parametrize(
    ("demo_step", "name", "bound"),
    [
        (0, 0, None),
        (64, 64, None),
        (3000, 143000, None),
        (3000, 0, "at least 9.5"),  # the end of training under early names, as in pythia-2.8b
        (3000, 8, "at least 9.5"),
        (3000, 256, "at least 5.5"),
        (0, 1000, "at most 8.5"),  # and the beginning under late ones
        (0, 143000, "at most 6"),
    ],
)
def test_whether_weights_can_be_those_of_the_name(
    published: Callable[[int], Path],
    store: Store,
    demo_step: int,
    name: int,
    bound: str | None,
) -> None:
    checkpoint = Checkpoint(MODEL, name)
    install_folder(published(demo_step), checkpoint, store)
    found = check_content(store, checkpoint)
    if bound is None:
        assert found.problem is None
    else:
        assert f"step {name} should have {bound}: probably the weights" in str(found.problem)
    if demo_step == 0:
        assert found.nll == pytest.approx(math.log(50304), abs=0.2)
    assert json.loads(json.dumps(found.to_dict()))["problem"] == found.problem


def test_the_figure_is_the_mean_nll_of_the_sample(store: Store) -> None:
    checkpoint = Checkpoint("demo", 3000)
    install_demo(checkpoint, store)
    with load("demo", store=store) as model:
        totals = model.score(sample_text()).totals
    found = check_content(store, checkpoint)
    assert found.nll == totals.nll / totals.n_tokens
    assert (found.expected, found.problem) == (None, None)  # nothing is expected of the demo


def test_the_sample_is_short_plain_english(neox_tokenizer: PythiaTokenizer) -> None:
    text = sample_text()
    assert text.startswith("It is a truth universally acknowledged")
    assert text.endswith('"have you heard that Netherfield Park is let at last?"')
    assert 100 < len(neox_tokenizer.encode(text)) < 150


def test_damage_is_a_finding(store: Store) -> None:
    checkpoint = Checkpoint("demo", 3000)
    installed = install_demo(checkpoint, store)
    installed.weights.write_bytes(b"")
    found = check_content(store, checkpoint)
    assert found.nll is None
    assert found.problem is not None
    assert found.to_dict()["nll"] is None


def test_a_bound_is_allowed_itself() -> None:
    at_the_bound = ContentCheck(Checkpoint(MODEL, 0), 9.5, (9.5, math.inf))
    assert at_the_bound.problem is None
    assert at_the_bound.to_dict() == {
        "nll": 9.5,
        "lowest_expected": 9.5,
        "highest_expected": None,
        "problem": None,
    }


def test_what_is_not_installed(store: Store) -> None:
    with pytest.raises(NotInstalled):
        check_content(store, Checkpoint("demo", 64))


def test_arguments_of_another_type(store: Store) -> None:
    demo = Checkpoint("demo", 3000)
    for name, arguments in (("checkpoint", (store, "demo@3000")), ("store", ("folder", demo))):
        with pytest.raises(InvalidValue, match=name):
            check_content(*arguments)  # type: ignore[arg-type]
