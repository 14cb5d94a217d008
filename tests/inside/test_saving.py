"""Activations in files: what is in them, and what is left after a failure."""

from __future__ import annotations

import errno
import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file

import pythia_cli
from pythia_cli.errors import InputError, InvalidValue, NoRoom, ResourceError
from pythia_cli.inside import saving
from pythia_cli.inside.activation_file import SafetensorsWriter
from pythia_cli.inside.problems import TooManyTensors
from tests.cli.running import listing
from tests.faults import fail_fsync, fail_write

# Several runs, and a text of several passes.
TEXTS = ["It was not", "She was a very good thing to be", "x", "He had been " * 150] * 12
NAMES = ["blocks.*.hook_resid_post", "blocks.3.attn.hook_pattern", "logits"]


@pytest.fixture(scope="module")
def model() -> Iterator[pythia_cli.Model]:
    with pythia_cli.load("demo", 3000, n_threads=1) as opened:
        yield opened


@pytest.mark.parametrize("options", [{}, {"positions": [0, -1], "heads": [2], "values": "float16"}])
def test_a_file_has_what_run_gives(
    model: pythia_cli.Model, tmp_path: Path, options: dict[str, Any]
) -> None:
    path = tmp_path / "acts.safetensors"
    saved = model.save_activations(TEXTS, NAMES, path, **options)
    found, expected = load_file(path), model.run(TEXTS, NAMES, **options)
    tokens, rows = found["token_offsets"], found["row_offsets"]
    assert (saved.n_texts, saved.n_tokens) == (len(TEXTS), tokens[-1])
    assert saved.n_bytes == sum(values.nbytes for values in found.values())
    for i, text in enumerate(expected):
        assert (found["token_ids"][tokens[i] : tokens[i + 1]] == text.token_ids).all()
        assert (found["positions"][rows[i] : rows[i + 1]] == text.positions).all()
        for name, values in text.items():
            own = found.get(f"{name}/{i}")
            ours = found[name][rows[i] : rows[i + 1]] if own is None else own
            assert ours.tobytes() == values.tobytes(), name


def test_metadata_and_manifest_say_what_was_run(model: pythia_cli.Model, tmp_path: Path) -> None:
    path = tmp_path / "acts.safetensors"
    saved = model.save_activations([{"id": 7, "text": "It was not"}], "hook_embed", path, bos=True)
    described, text = map(json.loads, saved.manifest.read_text().splitlines())
    with safe_open(path, "numpy") as file:
        metadata = file.metadata()
    assert json.loads(metadata["provenance"]) == described["provenance"] == model.provenance()
    assert json.loads(metadata["activations"]) == {"hook_embed": ["position", "d_model"]}
    assert described["bos"] is True
    n_header = int.from_bytes(path.read_bytes()[:8], "little")
    header = path.read_bytes()[: 8 + n_header]
    assert described["header_sha256"] == hashlib.sha256(header).hexdigest()
    assert text["fields"] == {"id": 7, "text": "It was not"}
    assert (text["first_row"], text["n_rows"], len(text["token_ids"])) == (0, 4, 4)


def test_one_activation_in_npy(model: pythia_cli.Model, tmp_path: Path) -> None:
    path = tmp_path / "last.npy"
    model.save_activations(TEXTS, "blocks.5.hook_resid_post", path, positions=[-1])
    expected = model.run(TEXTS, "blocks.5.hook_resid_post", positions=[-1])
    (rows,) = {text["blocks.5.hook_resid_post"].shape for text in expected}
    assert rows == (1, 128)
    stacked = np.concatenate([text["blocks.5.hook_resid_post"] for text in expected])
    assert (np.load(path) == stacked).all()


@pytest.mark.parametrize("fail", [fail_write, fail_fsync])
def test_after_a_failure_the_earlier_files_are_there(
    model: pythia_cli.Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fail: Any
) -> None:
    path = tmp_path / "acts.safetensors"
    model.save_activations(TEXTS[:1], "hook_embed", path)
    before = listing(tmp_path)
    with monkeypatch.context() as patch:
        fail(patch, _full)
        with pytest.raises(ResourceError, match="acts"):
            model.save_activations(TEXTS, NAMES, path)
    assert listing(tmp_path) == before


def _full() -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_too_full_a_disk_is_seen_before_anything_is_run(
    model: pythia_cli.Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran: list[int] = []
    monkeypatch.setattr(saving, "run_recorded", lambda *given: ran.append(1))
    monkeypatch.setattr("shutil.disk_usage", lambda path: type("Usage", (), {"free": 1000})())
    with pytest.raises(NoRoom):
        model.save_activations(TEXTS, NAMES, tmp_path / "acts.safetensors")
    assert (ran, list(tmp_path.iterdir())) == ([], [])


@pytest.mark.parametrize(
    ("texts", "options", "error"),
    [
        ([], {}, InvalidValue),
        (["It", ""], {}, InputError),
        (["It", {"id": 3}], {}, InputError),
        (["It", "She was " * 300], {}, InputError),
        (["It was", "x"], {"positions": [1]}, InputError),
        ("It was", {}, InvalidValue),
    ],
)
def test_bad_texts(
    model: pythia_cli.Model, tmp_path: Path, texts: Any, options: Any, error: type[Exception]
) -> None:
    with pytest.raises(error):
        model.save_activations(texts, "hook_embed", tmp_path / "a.safetensors", **options)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "capture"), [("a.bin", "logits"), ("a.npy", NAMES), ("a.npy", NAMES[1])]
)
def test_bad_files(model: pythia_cli.Model, tmp_path: Path, name: str, capture: Any) -> None:
    with pytest.raises(InputError):
        model.save_activations(TEXTS, capture, tmp_path / name)


def test_too_many_tensors_for_a_header(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pythia_cli.inside.activation_file._LONGEST_HEADER", 500)
    tensors = {f"pattern/{i}": ("float32", (2, 2)) for i in range(20)}
    with (tmp_path / "x").open("wb") as file, pytest.raises(TooManyTensors):
        SafetensorsWriter(file, tensors, {})


def test_the_manifest_is_whole_before_either_file_is_replaced(
    model: pythia_cli.Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "acts.npy"
    model.save_activations(TEXTS[:1], "hook_embed", path)
    before = listing(tmp_path)
    synced: list[int] = []

    def fail_first(descriptor: int) -> None:
        synced.append(descriptor)
        _full()

    monkeypatch.setattr(saving, "fsync", fail_first)
    with pytest.raises(ResourceError, match="manifest"):
        model.save_activations(TEXTS, "hook_embed", path)
    assert len(synced) == 1
    assert listing(tmp_path) == before


def test_a_folder_in_place_of_the_manifest(model: pythia_cli.Model, tmp_path: Path) -> None:
    path = tmp_path / "acts.npy"
    path.write_text("earlier")
    saving.manifest_path(path).mkdir()
    with pytest.raises(InputError, match="is a folder"):
        model.save_activations(TEXTS[:1], "hook_embed", path)
    assert path.read_text() == "earlier"


def test_what_killed_processes_left_is_removed_after_a_day(
    model: pythia_cli.Model, tmp_path: Path
) -> None:
    path = tmp_path / "acts.npy"
    old, new = (tmp_path / f".acts.npy-{digit * 12}" for digit in "ab")
    for left in (old, new):
        left.write_text("left")
    os.utime(old, (0, 0))
    model.save_activations(TEXTS[:1], "hook_embed", path)
    assert (old.exists(), new.exists()) == (False, True)
