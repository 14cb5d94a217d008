"""The store as it is read: what is installed, what is active, what is damaged."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pythia_cli.checkpoints import clean_up as cleaning
from pythia_cli.checkpoints import open_tokenizer
from pythia_cli.checkpoints.open_checkpoint import open_checkpoint
from pythia_cli.checkpoints.publish import remove
from pythia_cli.checkpoints.store import Installed, Store
from pythia_cli.checkpoints.verify import verify
from pythia_cli.cli.commands.checkpoint_list import list_checkpoints
from pythia_cli.errors import (
    DamagedActive,
    IntegrityError,
    InvalidValue,
    NotFound,
    NotInstalled,
    ResourceError,
    StoreNotWritable,
    UsageError,
)
from pythia_cli.suite.checkpoint import Checkpoint
from pythia_cli.weights.float_checkpoint import FloatCheckpoint, expected_tensors
from pythia_cli.weights.int8_file import Int8File
from tests.no_files import IN_PLACE_OF_A_FILE
from tests.publishing import FIRST, SECOND, certificate, files, leftovers, publish
from tests.reporting import Recording


def test_publish_and_find(store: Store, small: FloatCheckpoint) -> None:
    assert store.installed() == []
    assert store.find(FIRST) is None
    reporter = Recording()
    published = publish(store, small, FIRST, reporter=reporter, certify=certificate)
    assert store.get(FIRST) == store.find(FIRST) == published
    assert store.installed() == [published]
    n_weights = sum(small.tensor(name).size for name in expected_tensors(small.config))
    last = small.tensor("embed_out.weight").size  # it is quantized last, after the calibration
    assert reporter.of("quantizing mine@1").done == n_weights - last
    file = Int8File(published.weights)
    assert (file.config, file.source.commit) == (small.config, "abc")
    assert (
        published.tokenizer_path(file.tokenizer_sha256).read_bytes()
        == small.tokenizer_path.read_bytes()
    )
    assert published.certificate == {"kl_mean": 0.25}
    assert published.n_bytes() > published.weights.stat().st_size
    manifest = published.manifest
    assert (manifest["model"], manifest["step"]) == ("mine", 1)
    assert manifest["source"]["sha256"] == small.sha256()["model.safetensors"]
    assert manifest["source_folder"] == str(small.folder.resolve())
    assert set(manifest["source_files"]) == {"config.json", "tokenizer.json", "model.safetensors"}
    assert manifest["tokenizer_sha256"] == file.tokenizer_sha256


@pytest.mark.parametrize("read", [open_checkpoint, verify, remove, Store.get, Store.use])
def test_a_text_is_no_checkpoint(store: Store, read: Any) -> None:
    with pytest.raises(InvalidValue, match=r"checkpoint is 'demo@3000'; expected a Checkpoint"):
        read(store, "demo@3000")


@pytest.mark.parametrize(
    ("folder", "kind"), [(5, InvalidValue), (b"x", InvalidValue), ("a\0b", UsageError)]
)
def test_what_is_no_folder(folder: Any, kind: type[UsageError]) -> None:
    with pytest.raises(kind, match="folder"):
        Store(folder)


@IN_PLACE_OF_A_FILE
def test_what_is_no_active_file(store: Store, put: Callable[[Path], None]) -> None:
    store.folder.mkdir()
    put(store.folder / "active.json")
    with pytest.raises(DamagedActive, match="not a regular file"):
        store.active()


def test_publish_leaves_nothing_else(store: Store, small: FloatCheckpoint) -> None:
    installed = publish(store, small, FIRST)
    sha256 = Int8File(installed.weights).tokenizer_sha256
    assert files(store) == [
        "checkpoints/mine/step1/manifest.json",
        f"checkpoints/mine/step1/{installed.weights.name}",
        f"tokenizers/{sha256}.json",
    ]
    assert installed.certificate is None


def test_publish_again_replaces(
    store: Store, small: FloatCheckpoint, other: FloatCheckpoint
) -> None:
    publish(store, small, FIRST, certify=certificate)
    opened_before = Int8File(store.get(FIRST).weights)
    replaced = publish(store, other, FIRST)
    assert Int8File(replaced.weights).config == other.config
    assert replaced.certificate is None
    assert len(files(store)) == 3
    # Whoever had the old one open goes on reading it.
    assert opened_before.damaged_tensors() == []
    assert opened_before.config == small.config


def test_installed_is_sorted_by_model_and_number(store: Store, small: FloatCheckpoint) -> None:
    names = [Checkpoint("a", 2), Checkpoint("a", 10), Checkpoint("b", 0), Checkpoint("b", 1000)]
    for name in reversed(names):
        publish(store, small, name)
    assert [installed.checkpoint for installed in store.installed()] == names


def test_one_copy_of_each_tokenizer(store: Store, small: FloatCheckpoint) -> None:
    publish(store, small, FIRST)
    (kept,) = (store.folder / "tokenizers").iterdir()
    written = kept.stat().st_ino
    os.utime(kept, (0, 0))
    publish(store, small, SECOND)
    assert [*(store.folder / "tokenizers").iterdir()] == [kept]
    assert kept.stat().st_ino == written
    assert kept.stat().st_mtime > 0  # no clean-up of another process takes it away now
    kept.write_text("damaged")
    publish(store, small, FIRST)
    assert kept.read_bytes() == small.tokenizer_path.read_bytes()


def test_use(store: Store, small: FloatCheckpoint) -> None:
    assert store.active() is None
    with pytest.raises(NotInstalled):
        store.use(FIRST)
    assert store.active() is None
    publish(store, small, FIRST)
    publish(store, small, SECOND)
    assert store.active() is None
    for name in (FIRST, SECOND, FIRST):
        store.use(name)
        assert store.active() == name
    assert sorted(path.name for path in store.folder.iterdir()) == [
        "active.json",
        "checkpoints",
        "incoming",
        "locks",
        "tokenizers",
    ]


def test_use_where_no_file_can_be_replaced(store: Store, small: FloatCheckpoint) -> None:
    """An empty folder is removed; what is in one is kept, and no temporary file is named."""
    publish(store, small, FIRST)
    path = store.folder / "active.json"
    path.mkdir()
    store.use(FIRST)
    assert store.active() == FIRST
    path.unlink()
    (path / "theirs").mkdir(parents=True)
    with pytest.raises(StoreNotWritable, match="Directory not empty") as raised:
        store.use(FIRST)
    assert raised.value.path == path
    assert (path / "theirs").is_dir()


def test_of_two_names_that_of_the_new_file_is_said(store: Store) -> None:
    with pytest.raises(StoreNotWritable) as raised, store.writing():
        (store.folder / "gone").rename(store.folder / "new")
    assert raised.value.path == store.folder / "new"


def test_use_in_a_store_whose_checkpoints_are_linked(
    store: Store, small: FloatCheckpoint, tmp_path: Path
) -> None:
    """It writes nothing there."""
    publish(store, small, FIRST)
    (store.folder / "checkpoints").rename(tmp_path / "elsewhere")
    (store.folder / "checkpoints").symlink_to(tmp_path / "elsewhere")
    before = sorted((tmp_path / "elsewhere").rglob("*"))
    store.use(FIRST)
    assert store.active() == FIRST
    assert sorted((tmp_path / "elsewhere").rglob("*")) == before


@pytest.mark.parametrize("step", ["stepabc", "step01", "step"])
def test_what_is_not_called_like_a_checkpoint_is_none(store: Store, step: str) -> None:
    place = store.folder / "checkpoints/mine" / step
    place.mkdir(parents=True)
    (place / "manifest.json").write_text("{}")
    assert not store.has_model("mine")
    assert store.installed() == []


@pytest.mark.parametrize("stray", ["lost+found", ".trash", "mine/stepabc", "a b/step1"])
def test_a_stray_folder_that_is_unreadable_keeps_no_tokenizer(
    store: Store, monkeypatch: pytest.MonkeyPatch, stray: str
) -> None:
    folder = store.folder / "checkpoints" / stray
    folder.mkdir(parents=True)
    (folder / "theirs").write_text("theirs")
    tokenizer = store.tokenizers / f"{'a' * 64}.json"
    tokenizer.parent.mkdir()
    tokenizer.write_text("{}")
    access = os.access
    monkeypatch.setattr(
        os, "access", lambda path, mode: Path(path) != folder and access(path, mode)
    )
    assert store.unreadable() == []
    leftovers(store)
    assert not tokenizer.exists()


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"model": "a/b", "step": 1}', '{"step": 1}'])
def test_a_damaged_active_file_is_reported(store: Store, content: str) -> None:
    store.folder.mkdir()
    (store.folder / "active.json").write_text(content)
    with pytest.raises(IntegrityError, match=r"active\.json"):
        store.active()


@pytest.mark.parametrize("content", ["", "[]", '{"source_folder": "/"}', '{"source_files": {}}'])
def test_a_damaged_manifest_is_reported(store: Store, small: FloatCheckpoint, content: str) -> None:
    installed = publish(store, small, FIRST)
    (installed.folder / "manifest.json").write_text(content)
    with pytest.raises(IntegrityError, match=r"manifest\.json"):
        _ = store.get(FIRST).manifest


def test_unknown_files_are_left_alone(store: Store, small: FloatCheckpoint) -> None:
    theirs = [
        "notes.txt",
        "incoming/notes.txt",
        "checkpoints/mine/notes.txt",
        "checkpoints/mine/step01/manifest.json",
        "checkpoints/mine/latest/manifest.json",
        "checkpoints/mine/step3/model.int8.safetensors",
        "checkpoints/mine/step3/notes.txt",
        "tokenizers/notes.txt",
    ]
    for name in theirs:
        path = store.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("theirs")
    assert store.installed() == []
    publish(store, small, FIRST)
    store.use(FIRST)
    assert [installed.checkpoint for installed in store.installed()] == [FIRST]
    assert all((store.folder / name).read_text() == "theirs" for name in theirs)


def test_a_reader_is_not_disturbed_by_a_replacement(
    store: Store, small: FloatCheckpoint, other: FloatCheckpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(store, small, FIRST)
    read = Installed.manifest.func  # type: ignore[attr-defined]
    replaced: list[Installed] = []

    def read_then_replace(installed: Installed) -> Any:
        manifest = read(installed)
        if not replaced:
            replaced.append(installed)
            publish(store, other, FIRST)
        return manifest

    monkeypatch.setattr(Installed.manifest, "func", read_then_replace)
    opened = open_checkpoint(store, FIRST)
    assert len(replaced) == 1
    assert opened.file.config == other.config


def test_a_replacement_whose_old_weights_cannot_be_removed(
    store: Store, small: FloatCheckpoint, other: FloatCheckpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on Windows, where a mapped file stays. The old tokenizer goes."""
    publish(store, small, FIRST)
    read = Installed.manifest.func  # type: ignore[attr-defined]
    n_reads = 0

    def read_then_replace(installed: Installed) -> Any:
        nonlocal n_reads
        n_reads += 1
        assert n_reads < 100, "it opens the old one again and again"
        manifest = read(installed)
        if n_reads == 1:
            publish(store, other, FIRST)
        return manifest

    read_file, missing = open_tokenizer.read_at_most, [True]

    def without_the_first(path: Path, n_bytes: int) -> bytes:
        if missing:
            missing.clear()
            raise NotFound(f"{path} does not exist")
        return read_file(path, n_bytes)

    monkeypatch.setattr(cleaning, "remove_tree", lambda path: None)
    monkeypatch.setattr(Installed.manifest, "func", read_then_replace)
    monkeypatch.setattr(open_tokenizer, "read_at_most", without_the_first)
    assert open_checkpoint(store, FIRST).file.config == other.config


@IN_PLACE_OF_A_FILE
def test_what_is_no_file_of_weights(
    store: Store, small: FloatCheckpoint, put: Callable[[Path], None]
) -> None:
    weights = publish(store, small, FIRST).weights
    weights.unlink()
    put(weights)
    assert verify(store, FIRST) == [f"{weights}: not a regular file"]


def test_missing_weights_are_reported(store: Store, small: FloatCheckpoint) -> None:
    publish(store, small, FIRST).weights.unlink()
    with pytest.raises(IntegrityError, match="is missing"):
        open_checkpoint(store, FIRST)


def test_opening_remembers_when(store: Store, small: FloatCheckpoint) -> None:
    installed = publish(store, small, FIRST)
    os.utime(installed.folder / "manifest.json", (0, 0))
    assert store.get(FIRST).last_used() == 0
    open_checkpoint(store, FIRST)
    assert store.get(FIRST).last_used() > 0


def test_what_is_open_stays_when_it_is_removed(store: Store, small: FloatCheckpoint) -> None:
    publish(store, small, FIRST)
    opened = open_checkpoint(store, FIRST)
    shutil.rmtree(store.folder)
    assert opened.file.damaged_tensors() == []
    assert opened.tokenizer_json == small.tokenizer_path.read_bytes()


@pytest.mark.parametrize("place", ["checkpoints/yours", "checkpoints/yours/step1"])
def test_another_users_folder_is_reported_and_keeps_its_tokenizer(
    store: Store,
    small: FloatCheckpoint,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    place: str,
) -> None:
    publish(store, small, SECOND)
    theirs = store.folder / "checkpoints/yours/step1"
    theirs.mkdir(parents=True)
    (theirs / "notes.txt").write_text("theirs")  # as what is in it is not seen
    tokenizer = store.tokenizers / f"{'a' * 64}.json"
    tokenizer.write_text("theirs")
    access = os.access
    with monkeypatch.context() as patch:
        patch.setattr(
            os,
            "access",
            lambda path, mode: Path(path) != store.folder / place and access(path, mode),
        )
        assert store.unreadable() == [store.folder / place]
        leftovers(store)
        assert tokenizer.exists()
        list_checkpoints(store=store.folder)
    printed = capsys.readouterr()
    assert "mine@2" in printed.out
    assert f"{store.folder / place} cannot be read" in printed.err
    leftovers(store)
    assert not tokenizer.exists()


def test_unreadable_checkpoints_are_reported(
    store: Store, small: FloatCheckpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(store, small, FIRST)
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path).name != "checkpoints")
    with pytest.raises(ResourceError, match="cannot be read"):
        store.installed()
