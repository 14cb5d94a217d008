"""What opening compares: the file, its manifest, its tokenizer, and the float weights."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import pythia_cli
from pythia_cli.checkpoints.from_folder import install_folder, install_local
from pythia_cli.checkpoints.open_checkpoint import open_checkpoint
from pythia_cli.checkpoints.publish import remove
from pythia_cli.checkpoints.store import Installed, Store
from pythia_cli.checkpoints.verify import verify
from pythia_cli.errors import DamagedCheckpoint, IntegrityError, NoFloatWeights, NotInstalled
from pythia_cli.suite.checkpoint import Checkpoint
from pythia_cli.weights.float_checkpoint import FloatCheckpoint
from tests.int8_headers import with_header, with_tensors
from tests.publishing import FIRST, SECOND, publish

WEIGHTS = "model.safetensors"


def change_manifest(installed: Installed, **fields: Any) -> None:
    path = installed.folder / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **fields}))


def refused(store: Store, *words: str) -> None:
    """Neither opened nor verified."""
    with pytest.raises(DamagedCheckpoint) as raised:
        open_checkpoint(store, FIRST).tokenizer()
    assert raised.value.checkpoint == FIRST
    (problem,) = verify(store, FIRST)
    for word in words:
        assert word in str(raised.value)
        assert word in problem


# The file and its manifest ------------------------------------------------------------------------


def test_another_checkpoints_file_under_this_name(
    store: Store, small: FloatCheckpoint, other: FloatCheckpoint
) -> None:
    first, second = publish(store, small, FIRST), publish(store, other, SECOND)
    shutil.copy(second.weights, first.weights)
    refused(store, first.weights.name, "is not the file that manifest.json describes")
    assert open_checkpoint(store, SECOND).file.config == other.config


def test_another_quantization_of_the_same_source(store: Store, small: FloatCheckpoint) -> None:
    """Only the header's hash differs."""
    installed = publish(store, small, FIRST)
    with_tensors(
        installed.weights, lambda name, array: array / 2 if name.endswith("scales") else array
    )
    refused(store, "is not the file that manifest.json describes")


@pytest.mark.parametrize("field", ["source", "quantization", "tokenizer_sha256"])
def test_a_manifest_that_says_something_else(
    store: Store, small: FloatCheckpoint, field: str
) -> None:
    installed = publish(store, small, FIRST)
    source = {**installed.manifest["source"], "commit": "def"}
    value = {"source": source, "quantization": "int4", "tokenizer_sha256": "ab" * 32}[field]
    change_manifest(installed, **{field: value})
    refused(store, "is not the file that manifest.json describes")


def test_a_manifest_without_the_headers_hash_is_enough(
    store: Store, small: FloatCheckpoint
) -> None:
    """Earlier versions wrote none."""
    installed = publish(store, small, FIRST)
    path = installed.folder / "manifest.json"
    content = json.loads(path.read_text())
    del content["header_sha256"]
    path.write_text(json.dumps(content))
    assert "header_sha256" not in store.get(FIRST).manifest
    assert open_checkpoint(store, FIRST).file.source.commit == "abc"


def test_a_damaged_file_is_reported_with_its_checkpoint(
    store: Store, small: FloatCheckpoint
) -> None:
    with_header(publish(store, small, FIRST).weights, {"rotary_pct": 1e5})
    refused(store, "damaged header", "rotary_pct")


# The tokenizer ------------------------------------------------------------------------------------


def test_a_vocabulary_smaller_than_the_tokenizers(store: Store, small: FloatCheckpoint) -> None:
    """The demo's tokenizer has 4078 tokens."""
    publish(store, small, FIRST)
    refused(store, "has 4078 tokens", f"only {small.config.d_vocab}")


def test_it_is_not_installed_either(store: Store, small: FloatCheckpoint) -> None:
    with pytest.raises(IntegrityError, match="belongs to another model"):
        install_folder(small.folder, FIRST, store)


def test_a_large_tokenizer_is_not_read_whole(store: Store, demo_folder: Any) -> None:
    installed = install_folder(demo_folder(0), FIRST, store)
    path = installed.tokenizer_path(installed.manifest["tokenizer_sha256"])
    os.truncate(path, 1 << 40)
    with pytest.raises(DamagedCheckpoint, match="has more than 32 MiB"):
        open_checkpoint(store, FIRST)


def test_a_git_lfs_pointer_as_tokenizer(tmp_path: Path, store: Store, demo_folder: Any) -> None:
    folder = shutil.copytree(demo_folder(0), tmp_path / "folder")
    (folder / "tokenizer.json").write_text("version https://git-lfs.github.com/spec/v1\n")
    with pytest.raises(IntegrityError, match="is a Git LFS pointer"):
        install_folder(folder, FIRST, store)


@pytest.mark.parametrize("use", [open_checkpoint, verify])
def test_a_checkpoint_removed_while_it_is_opened_is_not_installed(
    store: Store, small: FloatCheckpoint, monkeypatch: pytest.MonkeyPatch, use: Any
) -> None:
    publish(store, small, FIRST)
    get = Store.get

    def get_and_remove(own: Store, checkpoint: Checkpoint) -> Installed:
        installed = get(own, checkpoint)
        monkeypatch.setattr(Store, "get", get)
        remove(own, checkpoint, wait_seconds=1)
        return installed

    monkeypatch.setattr(Store, "get", get_and_remove)
    with pytest.raises(NotInstalled):
        use(store, FIRST)


# The float weights --------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path, demo_folder: Callable[[int], Path]) -> Path:
    """A checkpoint folder whose files have the time 0."""
    copied = tmp_path / "folder"
    shutil.copytree(demo_folder(0), copied)
    replace_weights(copied, demo_folder(0))
    return copied


def replace_weights(folder: Path, other: Path) -> None:
    """With those of another step, which have the same size, and with the time 0 as before."""
    shutil.copy(other / WEIGHTS, folder / WEIGHTS)
    for path in folder.iterdir():
        os.utime(path, ns=(0, 0))


def test_float32_refuses_weights_of_the_same_size_and_time(
    folder: Path, store: Store, demo_folder: Callable[[int], Path]
) -> None:
    install_folder(folder, FIRST, store)
    with pythia_cli.load("mine", dtype="float32", store=store) as model:
        model.prepare()
    replace_weights(folder, demo_folder(64))
    with pythia_cli.load("mine", dtype="float32", store=store) as model:
        with pytest.raises(NoFloatWeights, match="is no longer in") as raised:
            model.score("It was not")
        assert raised.value.folder == folder
    with pythia_cli.load("mine", store=store) as model:
        assert model.score("It was not").nll[1:].sum() > 0


def test_float32_takes_the_same_weights_with_another_time(folder: Path, store: Store) -> None:
    install_folder(folder, FIRST, store)
    (folder / WEIGHTS).touch()
    assert open_checkpoint(store, FIRST).float_checkpoint().folder == folder


@pytest.mark.parametrize("name", ["config.json", WEIGHTS])
def test_float32_needs_the_folder_as_it_was(folder: Path, store: Store, name: str) -> None:
    install_folder(folder, FIRST, store)
    if name == WEIGHTS:
        (folder / name).unlink()
    else:
        content = json.loads((folder / name).read_text())
        (folder / name).write_text(json.dumps({**content, "layer_norm_eps": 1e-6}))
    with pytest.raises(NoFloatWeights, match="is no longer in"):
        open_checkpoint(store, FIRST).float_checkpoint()


def test_a_local_folders_weights_of_the_same_size_and_time_are_quantized(
    folder: Path, store: Store, demo_folder: Callable[[int], Path]
) -> None:
    first = install_local(folder, store)
    again = install_local(folder, store)
    assert again.manifest == first.manifest
    replace_weights(folder, demo_folder(64))
    other = install_local(folder, store)
    assert other.manifest["source"] != first.manifest["source"]
    expected = FloatCheckpoint(demo_folder(64)).sha256()
    assert open_checkpoint(store, other.checkpoint).file.source.files == expected


def test_a_local_folder_of_an_earlier_version_is_quantized_again(
    folder: Path, store: Store
) -> None:
    """It did not keep what tells such files apart."""
    installed = install_local(folder, store)
    files = {name: stat[:2] for name, stat in installed.manifest["source_files"].items()}
    change_manifest(installed, source_files=files)
    assert install_local(folder, store).manifest["weights"] != installed.manifest["weights"]
