"""The tokenizer of a checkpoint, without its weights."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from pythia_cli.checkpoints.from_folder import install_demo
from pythia_cli.checkpoints.open_tokenizer import find_tokenizer, open_tokenizer
from pythia_cli.checkpoints.store import Store
from pythia_cli.errors import NotFound, NotInstalled, UnknownName, UsageError
from pythia_cli.suite.checkpoint import Checkpoint

DEMO = Checkpoint("demo", 64)


def test_the_demo_need_not_be_installed(store: Store) -> None:
    assert find_tokenizer(None, None, store) == Checkpoint("demo", 3000)
    assert open_tokenizer(DEMO, store).encode("It was").size == 2
    assert not store.folder.exists()


def test_of_an_installed_checkpoint_its_own_is_read(store: Store) -> None:
    installed = install_demo(DEMO, store)
    expected = open_tokenizer(DEMO, store).encode("It was").tolist()
    installed.weights.unlink()  # not needed
    assert open_tokenizer(DEMO, store).encode("It was").tolist() == expected
    (path,) = store.tokenizers.iterdir()
    path.write_text("{}")
    with pytest.raises(Exception, match="is not the tokenizer"):
        open_tokenizer(DEMO, store)
    path.unlink()
    with pytest.raises(Exception, match="is missing"):
        open_tokenizer(DEMO, store)


def test_a_folder(store: Store, tmp_path: Path, demo_folder: Callable[[int], Path]) -> None:
    folder = demo_folder(64)
    of = find_tokenizer(str(folder), None, store)
    assert of == folder
    assert open_tokenizer(of, store, plain_text=True).encode("<|endoftext|>").size > 1
    with pytest.raises(UsageError, match="name no step"):
        find_tokenizer(str(folder), 3, store)
    with pytest.raises(NotFound):
        open_tokenizer(tmp_path, store)


def test_what_is_not_there(store: Store) -> None:
    with pytest.raises(UnknownName):
        find_tokenizer("nonsense", None, store)
    with pytest.raises(NotInstalled):
        open_tokenizer(Checkpoint("pythia-410m", 3000), store)
