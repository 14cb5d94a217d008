"""pytorch_model.bin is a pickle: what would run code is refused unread, and damage is named."""

from __future__ import annotations

import io
import pickle
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pythia_cli.errors import IntegrityError, UnsafeFile
from pythia_cli.weights.float_checkpoint import FloatCheckpoint
from tests.float_folders import BIAS, Folder

BIN = "pytorch_model.bin"


class Runs:
    """Unpickling it makes a file."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return exec, (f"open({str(self.marker)!r}, 'w').close()",)


class Touches(Runs):
    """The same by way of a harmless-looking class."""

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.marker,)


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path / "checkpoint")


@pytest.fixture
def marker(tmp_path: Path) -> Path:
    return tmp_path / "code ran"


def save_as_zip(path: Path, content: Any) -> None:
    torch.save(content, path)


def save_before_zip(path: Path, content: Any) -> None:
    torch.save(content, path, _use_new_zipfile_serialization=False)


def save_as_pickle(path: Path, content: Any) -> None:
    path.write_bytes(pickle.dumps(content, protocol=2))


@pytest.mark.parametrize("save", [save_as_zip, save_before_zip, save_as_pickle])
@pytest.mark.parametrize("kind", [Runs, Touches])
@pytest.mark.parametrize("place", ["tensor", "whole", "shard"])
def test_a_pickle_that_would_run_code_does_not(
    folder: Folder, marker: Path, save: Any, kind: type[Runs], place: str
) -> None:
    path = folder.path / BIN
    if place == "shard":
        path = folder.save_sharded(".bin")[1]
    save(path, kind(marker) if place == "whole" else {**folder.tensors, "x": kind(marker)})
    with pytest.raises(UnsafeFile, match="run code") as refused:
        FloatCheckpoint(folder.path)
    assert path.name in str(refused.value)
    assert not marker.exists()


def test_the_pickle_of_these_tests_does_run(marker: Path) -> None:
    pickle.loads(pickle.dumps(Runs(marker)))
    assert marker.exists()


def tar_of(content: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, data in content.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def zip_of(content: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in content.items():
            archive.writestr(name, data)
    return buffer.getvalue()


GARBAGE = {
    "empty": b"",
    "one byte": b"\x80",
    "zeros": bytes(1000),
    "random": np.random.default_rng(0).bytes(1000),
    "text": b"Not Found",
    "a Git LFS pointer": b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 3\n",
    "a tar": tar_of({"sys_info": b"x", "pickle": b"x", "storages": b"x", "tensors": b"x"}),
    "an empty tar": tar_of({}),
    "a zip of something else": zip_of({"hello.txt": b"hello"}),
    "an empty zip": zip_of({}),
    "a zip with a broken pickle": zip_of(
        {"archive/data.pkl": b"\x80\x02}", "archive/version": b"3"}
    ),
    "a safetensors file": b"\x08\x00\x00\x00\x00\x00\x00\x00{}      ",
    "a number": pickle.dumps(3, protocol=2),
}


@pytest.mark.parametrize("what", GARBAGE)
def test_garbage_is_refused_by_name(folder: Folder, what: str) -> None:
    (folder.path / BIN).write_bytes(GARBAGE[what])
    with pytest.raises(IntegrityError, match=BIN):
        FloatCheckpoint(folder.path)


def test_an_old_tar_that_would_run_code_does_not(folder: Folder, marker: Path) -> None:
    evil = pickle.dumps(Runs(marker), protocol=2)
    tar = tar_of(dict.fromkeys(("sys_info", "pickle", "storages", "tensors"), evil))
    (folder.path / BIN).write_bytes(tar)
    with pytest.raises(IntegrityError, match=BIN):
        FloatCheckpoint(folder.path)
    assert not marker.exists()


@pytest.mark.parametrize("save", [save_as_zip, save_before_zip])
@pytest.mark.parametrize("share", [0.02, 0.3, 0.9, 0.999])
def test_a_truncated_bin_is_refused(folder: Folder, save: Any, share: float) -> None:
    path = folder.path / BIN
    save(path, folder.tensors)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(IntegrityError, match=BIN):
        FloatCheckpoint(folder.path)


@pytest.mark.parametrize("content", [[torch.zeros(3)], torch.zeros(3), 3, "text", None, ()])
def test_a_bin_that_is_no_dict_is_refused(folder: Folder, content: Any) -> None:
    torch.save(content, folder.path / BIN)
    with pytest.raises(IntegrityError, match="tensors by name"):
        FloatCheckpoint(folder.path)


@pytest.mark.parametrize("entry", [("epoch", 3), ("args", {"lr": 0.1}), (3, torch.zeros(3))])
def test_a_bin_of_other_things_is_refused(folder: Folder, entry: tuple[Any, Any]) -> None:
    torch.save({**folder.tensors, entry[0]: entry[1]}, folder.path / BIN)
    with pytest.raises(IntegrityError, match=f"{entry[0]}.* is not a named tensor"):
        FloatCheckpoint(folder.path)


@pytest.mark.parametrize("kind", ["sparse", "meta"])
def test_tensors_without_plain_values_are_refused(folder: Folder, kind: str) -> None:
    bias = torch.ones(40)
    folder.tensors[BIAS] = bias.to_sparse() if kind == "sparse" else bias.to("meta")
    torch.save(folder.tensors, folder.path / BIN)
    with pytest.raises(IntegrityError, match=BIN):
        FloatCheckpoint(folder.path).tensor(BIAS)
