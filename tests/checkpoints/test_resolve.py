"""Which checkpoint a name means, in all the ways in which one may be named."""

from __future__ import annotations

from pathlib import Path

import pytest

from pythia_cli.checkpoints.demo import DEFAULT
from pythia_cli.checkpoints.resolve import (
    choose_installed,
    is_local_folder,
    resolve,
    resolve_model,
)
from pythia_cli.checkpoints.store import Store
from pythia_cli.errors import InvalidName, NotInstalled, UnknownName, UsageError
from pythia_cli.suite.checkpoint import Checkpoint, split_name
from pythia_cli.weights.float_checkpoint import FloatCheckpoint
from tests.publishing import FIRST, SECOND, publish


@pytest.fixture
def full(store: Store, small: FloatCheckpoint) -> Store:
    """mine@1 and mine@2; mine@1 is active."""
    publish(store, small, FIRST)
    publish(store, small, SECOND)
    store.use(FIRST)
    return store


@pytest.mark.parametrize(
    ("text", "split"),
    [
        ("pythia-410m", ("pythia-410m", None)),
        ("pythia-410m@3000", ("pythia-410m", "3000")),
        ("EleutherAI/pythia-410m", ("pythia-410m", None)),
        ("eleutherai/pythia-410m@step512", ("pythia-410m", "step512")),
        ("EleutherAI/pythia-410m/", ("pythia-410m", None)),
        ("https://huggingface.co/EleutherAI/pythia-410m", ("pythia-410m", None)),
        ("https://huggingface.co/EleutherAI/pythia-410m/", ("pythia-410m", None)),
        ("http://hub.example:8080/eleutherai/pythia-410m-v0?x=1", ("pythia-410m-v0", None)),
        ("https://huggingface.co/EleutherAI/pythia-410m/tree/step512", ("pythia-410m", "step512")),
        ("https://huggingface.co/EleutherAI/pythia-410m/tree/main/", ("pythia-410m", "main")),
        ("https://huggingface.co/EleutherAI/pythia-410m@64", ("pythia-410m", "64")),
        ("https://huggingface.co/someone/else", ("https://huggingface.co/someone/else", None)),
        ("https://hf.co/EleutherAI/pythia-410m", ("pythia-410m", None)),
        (
            "https://evil.example/EleutherAI/pythia-410m",
            ("https://evil.example/EleutherAI/pythia-410m", None),
        ),
        (
            "https://huggingface.co.evil.example/EleutherAI/pythia-410m",
            ("https://huggingface.co.evil.example/EleutherAI/pythia-410m", None),
        ),
        ("EleutherAI/gpt-neox-20b", ("EleutherAI/gpt-neox-20b", None)),
        ("someone/pythia-410m", ("someone/pythia-410m", None)),
        ("mine@1", ("mine", "1")),
    ],
)
def test_a_name_is_split(
    text: str, split: tuple[str, str | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "https://user:secret@Hub.Example:8080/")
    assert split_name(text) == split


@pytest.mark.parametrize(
    "text",
    [
        "https://user@huggingface.co/EleutherAI/pythia-410m",
        "https://user:secret@huggingface.co/EleutherAI/pythia-410m/tree/step512",
        "https://huggingface.co@evil.example/EleutherAI/pythia-410m@64",
        "https://huggingface.co/someone/else@64",
    ],
)
def test_an_address_is_no_model_and_step(text: str) -> None:
    assert split_name(text) == (text, None)


def test_a_page_of_an_address_in_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://[::1]:8080")
    page = "http://[::1]:8080/EleutherAI/pythia-410m/tree/step512"
    assert split_name(page) == ("pythia-410m", "step512")
    assert split_name(page.replace("::1", "::2")) == (page.replace("::1", "::2"), None)


@pytest.mark.parametrize("text", ["", "@", "@3", "pythia-410m@"])
def test_an_empty_part_is_refused(text: str) -> None:
    with pytest.raises(InvalidName):
        split_name(text)


@pytest.mark.parametrize(
    ("model", "step", "expected"),
    [
        (None, None, FIRST),
        (None, "2", SECOND),
        (None, 2, SECOND),
        ("mine", None, SECOND),
        ("mine", "main", SECOND),
        ("mine@1", None, FIRST),
        ("demo", None, DEFAULT),
        ("demo@64", None, Checkpoint("demo", 64)),
        ("pythia-410m", None, Checkpoint("pythia-410m", 143000)),
        ("https://huggingface.co/EleutherAI/pythia-70m", "64", Checkpoint("pythia-70m", 64)),
        (
            "https://huggingface.co/EleutherAI/pythia-70m/tree/step64",
            None,
            Checkpoint("pythia-70m", 64),
        ),
        ("pythia-410m@step1000", None, Checkpoint("pythia-410m", 1000)),
        ("EleutherAI/pythia-410m", "512", Checkpoint("pythia-410m", 512)),
        ("EleutherAI/pythia-410m@512", None, Checkpoint("pythia-410m", 512)),
    ],
)
def test_names(
    full: Store, model: str | None, step: str | int | None, expected: Checkpoint
) -> None:
    assert resolve(model, step, full) == expected


def test_nothing_chosen_is_the_demo(store: Store) -> None:
    assert resolve(None, None, store) == DEFAULT


@pytest.mark.parametrize(
    ("model", "step", "error"),
    [
        ("mine@1", "2", UsageError),
        ("mine@1", "1", UsageError),
        ("", None, InvalidName),
        ("mine", "", InvalidName),
        ("yours", None, UnknownName),
        ("pythia-410m@3", None, UnknownName),
        ("EleutherAI/pythia-41m", None, UnknownName),
    ],
)
def test_what_names_nothing(full: Store, model: str, step: str | None, error: type) -> None:
    with pytest.raises(error):
        resolve(model, step, full)


@pytest.mark.parametrize("steps", ["64,512", "1000:3000", "1000:9000:1000", "all", "log"])
@pytest.mark.parametrize("model", ["demo", "pythia-70m", "mine", None])
def test_several_steps_where_one_is_expected(full: Store, model: str | None, steps: str) -> None:
    with pytest.raises(UsageError, match=f"'{steps}' names several steps, where one is expected"):
        resolve(model, steps, full)


@pytest.mark.parametrize(
    ("model", "nearest"),
    [
        ("DEMO", ["demo"]),
        ("MINE@1", ["mine"]),
        ("Pythia-70M@64", ["pythia-70m"]),
        ("https://evil.example/EleutherAI/pythia-410m", ["pythia-410m"]),
        ("https://huggingface.co/evil/x", []),
    ],
)
def test_an_unknown_name_comes_with_the_nearest(
    full: Store, model: str, nearest: list[str]
) -> None:
    assert not is_local_folder(model, full)
    with pytest.raises(UnknownName) as raised:
        resolve(model, None, full)
    assert raised.value.nearest[:1] == nearest


def test_a_model_alone(full: Store) -> None:
    assert resolve_model("EleutherAI/pythia-70m", full) == "pythia-70m"
    assert resolve_model(None, full) == "mine"
    with pytest.raises(UsageError, match="includes a step; expected only a model"):
        resolve_model("mine@1", full)


def test_local_folders(full: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    steps = ("mine@1", "mine@3", "demo@512", "pythia-410m@64", "here@1")
    for name in ("here", "mine/in", "demo", "pythia-410m", "EleutherAI/pythia-70m", *steps):
        (tmp_path / name).mkdir(parents=True)
    for name in steps[:-1]:
        assert not is_local_folder(name, full)
        assert is_local_folder(f"./{name}", full)
        assert is_local_folder(f"{name}/", full)
    assert is_local_folder("here@1", full)
    assert is_local_folder("mine/in", full)
    assert is_local_folder("here", full)
    assert is_local_folder("./mine", full)
    assert is_local_folder("not/there", full)
    assert is_local_folder(".", full)
    assert is_local_folder("someone/pythia-410m", full)
    # A folder that is there comes before a repository, as in transformers.
    assert is_local_folder("EleutherAI/pythia-70m", full)
    address = "https://huggingface.co/EleutherAI/pythia-160m"
    published = (
        "EleutherAI/pythia-160m",
        "EleutherAI/pythia-160m/",
        address,
        f"{address}/tree/main",
    )
    for name in ("mine", "demo", "pythia-410m", *published, "mine@1", "", "x" * 300):
        assert not is_local_folder(name, full)


def test_choosing_installed_ones(full: Store) -> None:
    def chosen(words: list[str], model: str | None = None) -> list[Checkpoint]:
        return [installed.checkpoint for installed in choose_installed(words, model, full)]

    assert chosen([]) == chosen(["all"]) == chosen([], "mine") == [FIRST, SECOND]
    assert chosen([], "mine@2") == chosen(["main"]) == chosen(["mine@2"]) == [SECOND]
    assert chosen(["2", "mine@1"]) == [SECOND, FIRST]
    assert chosen(["EleutherAI/pythia-410m@log"]) == []
    with pytest.raises(NotInstalled):
        chosen(["3"])
    with pytest.raises(UsageError, match="name it once"):
        chosen(["mine@1"], "mine")
