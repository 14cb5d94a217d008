"""The public `install`: from a folder, the demo, or (test_download.py) the Hub."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pythia_cli.checkpoints.install import install
from pythia_cli.checkpoints.store import Store
from pythia_cli.errors import (
    AlreadyInstalled,
    InvalidName,
    InvalidValue,
    PythiaError,
    UnknownName,
    UsageError,
)
from pythia_cli.measures.certificate import TextCertifier
from pythia_cli.weights.float_checkpoint import FloatCheckpoint
from tests.reporting import Recording


def test_a_folder_under_a_name(store: Store, demo_folder: Callable[[int], Path]) -> None:
    folder, reporter = demo_folder(0), Recording()
    (made,) = install("mine@1", folder=folder, store=store, reporter=reporter)
    assert str(made.checkpoint) == "mine@1"
    assert {"hashing", "quantizing mine@1"} <= {task.label for task in reporter.tasks}
    name = made.weights.name
    with pytest.raises(AlreadyInstalled):
        install("mine", 1, folder=folder, store=store)
    (again,) = install("mine", 1, folder=folder, store=store, replace=True)
    assert again.weights.name != name
    assert again.to_dict()["model"] == "mine"


def test_with_a_certificate(
    store: Store, demo_folder: Callable[[int], Path], eval_text: str
) -> None:
    certifier = TextCertifier(eval_text[:2000], "eval.txt")
    (made,) = install("mine@1", folder=demo_folder(512), store=store, certifier=certifier)
    assert made.certificate is not None
    assert made.certificate["text_name"] == "eval.txt"
    assert 0 < made.certificate["kl_mean"] < 1e-2


def test_the_demo(store: Store) -> None:
    made = install("demo", [0, 64], store=store)
    assert [str(installed.checkpoint) for installed in made] == ["demo@0", "demo@64"]
    assert install("demo", "0,64", store=store) == made


@pytest.mark.parametrize(
    ("arguments", "folder", "error"),
    [
        (("mine@1", 2), False, UsageError),
        (("mine", "1,2"), True, InvalidName),
        (("mine", [1, 2]), True, UsageError),
        (("demo", 1), True, InvalidName),
        (("pythia-411m",), False, UnknownName),
        (("mine",), True, InvalidName),
    ],
)
def test_what_makes_no_sense(
    store: Store, small: FloatCheckpoint, arguments: tuple, folder: bool, error: type
) -> None:
    with pytest.raises(error):
        install(*arguments, folder=small.folder if folder else None, store=store)
    assert store.installed() == []


def test_an_unknown_model_is_named_with_the_nearest(store: Store) -> None:
    with pytest.raises(UnknownName, match=r"model 'pythia-410'; did you mean pythia-410m"):
        install("pythia-410", store=store)


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        ({"commit": "xx"}, "commit"),
        ({"commit": ""}, "commit"),
        ({"commit": 5}, "commit"),
        ({"n_threads": -1}, "n_threads"),
        ({"n_threads": 0}, "n_threads"),
        ({"n_threads": 1.5}, "n_threads"),
        ({"folder": b"folder"}, "folder"),
        ({"steps": 1.0}, "steps"),
        ({"store": 5}, "folder"),
    ],
)
def test_arguments_that_are_none(
    store: Store, small: FloatCheckpoint, arguments: dict[str, Any], name: str
) -> None:
    given = {"steps": 1, "folder": small.folder, "store": store, **arguments}
    with pytest.raises(InvalidValue) as raised:
        install("mine", **given)
    assert raised.value.name == name
    assert store.installed() == []


@pytest.mark.parametrize("model", ["demo", "pythia-14m"])
def test_a_number_of_threads_that_is_none(store: Store, model: str) -> None:
    with pytest.raises(InvalidValue, match="n_threads is -1"):
        install(model, n_threads=-1, store=store)


@pytest.mark.parametrize("place", ["folder", "store"])
def test_a_name_with_a_zero_byte(store: Store, small: FloatCheckpoint, place: str) -> None:
    with pytest.raises(PythiaError):
        install("mine@1", **{"folder": small.folder, "store": store, place: "a\0b"})
