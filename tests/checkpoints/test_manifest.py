"""Manifests of this version, of earlier ones and of later ones."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pythia_cli.checkpoints.clean_up import clean_up
from pythia_cli.checkpoints.manifest import VERSION, certificate_of, read_manifest
from pythia_cli.checkpoints.open_checkpoint import open_checkpoint
from pythia_cli.checkpoints.publish import remove
from pythia_cli.checkpoints.store import Store
from pythia_cli.errors import DamagedCheckpoint, IntegrityError, NewerFormat
from pythia_cli.release import ARITHMETIC
from pythia_cli.weights.float_checkpoint import FloatCheckpoint
from tests.publishing import FIRST, as_version_1, certificate, files, publish


def test_version_1_is_read(store: Store, small: FloatCheckpoint) -> None:
    written = publish(store, small, FIRST, certify=certificate)
    expected = dict(written.manifest)
    as_version_1(written)
    assert files(store)[:3] == [
        "checkpoints/mine/step1/certificate.json",
        "checkpoints/mine/step1/manifest.json",
        "checkpoints/mine/step1/model.int8.safetensors",
    ]
    del expected["version"]
    assert store.get(FIRST).manifest == {**expected, "weights": "model.int8.safetensors"}
    before = files(store)
    clean_up(store)
    assert files(store) == before
    assert open_checkpoint(store, FIRST).file.damaged_tensors() == []
    assert store.get(FIRST).certificate == {"kl_mean": 0.25}


def test_version_1_without_a_certificate(store: Store, small: FloatCheckpoint) -> None:
    as_version_1(publish(store, small, FIRST))
    assert store.get(FIRST).certificate is None


def test_version_1_is_replaced_and_removed_whole(store: Store, small: FloatCheckpoint) -> None:
    as_version_1(publish(store, small, FIRST, certify=certificate))
    replaced = publish(store, small, FIRST)
    assert [path.name for path in sorted(replaced.folder.iterdir())] == [
        "manifest.json",
        replaced.weights.name,
    ]
    as_version_1(store.get(FIRST))
    remove(store, FIRST, wait_seconds=1)
    assert not replaced.folder.exists()


@pytest.mark.parametrize(
    ("version", "reason"),
    [
        (VERSION + 1, "by a newer pythia"),
        (0, "damaged"),
        ("2", "damaged"),
        (True, "damaged"),
        (None, "damaged"),
    ],
)
def test_other_versions_are_refused(
    store: Store, small: FloatCheckpoint, version: Any, reason: str
) -> None:
    installed = publish(store, small, FIRST)
    path = installed.folder / "manifest.json"
    path.write_text(json.dumps({**installed.manifest, "version": version}))
    with pytest.raises(IntegrityError, match=reason) as caught:
        read_manifest(installed.folder, FIRST)
    assert caught.value.path == path
    newer = version == VERSION + 1
    assert isinstance(caught.value, NewerFormat) == newer
    assert (getattr(caught.value, "checkpoint", None) == FIRST) != newer
    # Nothing of it is taken for rubbish.
    before = files(store)
    clean_up(store)
    assert files(store) == before


@pytest.mark.parametrize("field", ["model", "step"])
def test_a_renamed_folder_is_reported(store: Store, small: FloatCheckpoint, field: str) -> None:
    installed = publish(store, small, FIRST)
    changed = {**installed.manifest, field: {"model": "other", "step": 2}[field]}
    (installed.folder / "manifest.json").write_text(json.dumps(changed))
    with pytest.raises(IntegrityError, match="in the folder of another"):
        _ = store.get(FIRST).manifest


def test_a_users_files_of_the_old_names_stay(store: Store, small: FloatCheckpoint) -> None:
    installed = publish(store, small, FIRST)
    theirs = [installed.folder / name for name in ("certificate.json", "model.int8.safetensors")]
    for path in theirs:
        path.write_text("theirs")
    publish(store, small, FIRST)
    clean_up(store)
    remove(store, FIRST, wait_seconds=1)
    assert all(path.read_text() == "theirs" for path in theirs)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("certificate", {"kl_mean": 10**400}),
        ("certificate", {"kl_mean": float("nan")}),
        ("certificate", {"deep": [{"in": float("inf")}]}),
        ("certificate", 3),
        ("certificate", {"a": json.loads("[" * 500 + "]" * 500)}),
        ("step", True),
        ("step", 10**400),
        ("weights", ".."),
        ("weights", "../step2/model.int8.safetensors"),
        ("weights", "a\0b"),
        ("weights", ""),
        ("weights", "x" * 300),
        ("weights", "\ud800"),
        ("source", {}),
        ("source", {"repo": None, "revision": None, "commit": None, "files": None}),
        ("source", {"repo": 3, "files": {"a": "b"}}),
        ("source", {"files": {"a\ud800": "b"}}),
        ("source_folder", "a\0b"),
        ("source_files", {"a": 10**40}),
        ("tokenizer_sha256", "../../other"),
        ("header_sha256", "3"),
        ("header_sha256", 5),
        ("header_sha256", None),
        ("version", 10**400),
    ],
)
def test_values_that_no_pythia_wrote_are_refused(
    store: Store, small: FloatCheckpoint, field: str, value: Any
) -> None:
    installed = publish(store, small, FIRST)
    path = installed.folder / "manifest.json"
    path.write_text(json.dumps({**installed.manifest, field: value}))
    with pytest.raises(IntegrityError, match=r"manifest\.json: ") as caught:
        read_manifest(installed.folder, FIRST)
    assert len(str(caught.value)) < 1000


def test_a_manifest_of_many_megabytes_is_refused(store: Store, small: FloatCheckpoint) -> None:
    installed = publish(store, small, FIRST)
    path = installed.folder / "manifest.json"
    path.write_text(json.dumps({**installed.manifest, "created": "x" * (5 << 20)}))
    with pytest.raises(IntegrityError, match="has more than 4 MiB"):
        read_manifest(installed.folder, FIRST)


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("step", "1", "step is of the wrong type"),
        ("step", None, "step is of the wrong type"),
        ("weights", "..", "weights is not the name of a file beside it"),
        ("weights", "x" * 300, "weights is not the name of a file beside it"),
        ("source_folder", "a\0b", "source_folder holds a zero byte"),
        ("certificate", {"a\0b": 1}, "certificate holds a zero byte"),
        ("certificate", {"a": float("inf")}, "certificate holds a number out of range"),
        ("header_sha256", None, "header_sha256 is no hash"),
    ],
)
def test_what_is_wrong_is_said(
    store: Store, small: FloatCheckpoint, field: str, value: Any, reason: str
) -> None:
    installed = publish(store, small, FIRST)
    path = installed.folder / "manifest.json"
    path.write_text(json.dumps({**installed.manifest, field: value}))
    with pytest.raises(DamagedCheckpoint) as caught:
        open_checkpoint(store, FIRST)
    assert caught.value.reason == f"damaged: {reason}"


def test_a_missing_field_is_named(store: Store, small: FloatCheckpoint) -> None:
    installed = publish(store, small, FIRST)
    content = {key: value for key, value in installed.manifest.items() if key != "step"}
    (installed.folder / "manifest.json").write_text(json.dumps(content))
    with pytest.raises(DamagedCheckpoint, match="damaged: it has no step"):
        open_checkpoint(store, FIRST)


@pytest.mark.parametrize("n_bits", [63, 64, 128])
def test_inodes_may_have_many_bits(
    store: Store, small: FloatCheckpoint, monkeypatch: pytest.MonkeyPatch, n_bits: int
) -> None:
    """As on some network file systems, and on Windows."""
    stat, inode = Path.stat, (1 << n_bits) - 1

    def with_inode(path: Path, **options: Any) -> Any:
        found = stat(path, **options)
        if path.parent != small.folder:
            return found
        fields = {name: getattr(found, name) for name in dir(found) if name.startswith("st_")}
        return SimpleNamespace(**{**fields, "st_ino": inode})

    monkeypatch.setattr(Path, "stat", with_inode)
    publish(store, FloatCheckpoint(small.folder), FIRST)
    files = open_checkpoint(store, FIRST).installed.manifest["source_files"]
    assert {stat[3] for stat in files.values()} == {inode}


@pytest.mark.parametrize(
    "of_fast",
    [
        {"kl_mean": 1e-4},
        {"arithmetic": 1},
        {"arithmetic": "2"},
        {"arithmetic": None},
        {},
        [],
        2,
        None,
    ],
)
def test_figures_of_another_arithmetic_are_no_certificate(of_fast: Any) -> None:
    manifest = {"certificate": {"kl_mean": 0.25, "fast": of_fast}}
    assert certificate_of(manifest) == {"kl_mean": 0.25}


def test_figures_of_this_arithmetic_are() -> None:
    kept = {"kl_mean": 0.25, "fast": {"kl_mean": 0.5, "arithmetic": ARITHMETIC["fast"]}}
    assert certificate_of({"certificate": kept}) == kept
    assert certificate_of({"certificate": None}) is None
