"""Float checkpoints that change between their opening and the end of the installation."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pythia_cli.checkpoints import from_folder
from pythia_cli.checkpoints.from_folder import install_folder
from pythia_cli.checkpoints.open_checkpoint import open_checkpoint
from pythia_cli.checkpoints.publish import Workspace, workspace
from pythia_cli.checkpoints.store import Store
from pythia_cli.errors import IntegrityError, NoFloatWeights
from pythia_cli.reporting import Reporter, Task
from pythia_cli.weights.float_checkpoint import FloatCheckpoint
from tests.publishing import FIRST, SECOND, certificate, files, publish

CONFIG, TOKENIZER, WEIGHTS = "config.json", "tokenizer.json", "model.safetensors"


def put_in_place(path: Path, change: Callable[[bytes], bytes]) -> None:
    """Another file of the same size and time: only its second time and its inode tell."""
    status = path.stat()
    other = path.with_name("other")
    other.write_bytes(change(path.read_bytes()))
    assert other.stat().st_size == status.st_size
    os.utime(other, ns=(status.st_atime_ns, status.st_mtime_ns))
    other.replace(path)


def other_order(data: bytes) -> bytes:
    """The same tensors of a safetensors file, with the same header length, in another order."""
    end = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:end])
    entries = {name: header[name] for name in header if name != "__metadata__"}
    pieces, offset = [], 0
    for entry in sorted(entries.values(), key=lambda e: e["data_offsets"], reverse=True):
        first, last = entry["data_offsets"]
        pieces.append(data[end + first : end + last])
        entry["data_offsets"] = [offset, offset + last - first]
        offset += last - first
    text = json.dumps(header, separators=(",", ":")).encode()
    return data[:8] + text.ljust(end - 8) + b"".join(pieces)


CHANGES: dict[str, Callable[[Path], None]] = {
    "another time": lambda folder: os.utime(folder / CONFIG, ns=(1, 1)),
    "another epsilon": lambda folder: put_in_place(
        folder / CONFIG, lambda data: data.replace(b"1e-05", b"2e-05")
    ),
    "another tokenizer": lambda folder: put_in_place(
        folder / TOKENIZER, lambda data: data.replace(b'"content":', b'"Content":')
    ),
    "another order": lambda folder: put_in_place(folder / WEIGHTS, other_order),
    "other weights": lambda folder: put_in_place(
        folder / WEIGHTS, lambda data: data[:-1] + bytes([data[-1] ^ 1])
    ),
}


@pytest.fixture
def changing(tmp_path: Path, small: FloatCheckpoint) -> Path:
    return Path(shutil.copytree(small.folder, tmp_path / "changing"))


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("reading", ["quantizing", "calibrating"])
def test_a_source_that_changes_meanwhile_is_refused(
    store: Store, changing: Path, change: str, reading: str
) -> None:
    checkpoint = FloatCheckpoint(changing)
    before = {path: path.read_bytes() for path in checkpoint.all_files}

    class Changing(Reporter):
        def task(self, label: str, total: int, unit: str) -> Task:
            if label.startswith(reading):
                CHANGES[change](changing)
            return Task()

    with pytest.raises(IntegrityError, match="changed while it was read"):
        publish(store, checkpoint, FIRST, reporter=Changing())
    is_same = before == {path: path.read_bytes() for path in checkpoint.all_files}
    assert is_same == (change == "another time")
    assert files(store) == []


def test_a_source_that_changed_before_it_was_hashed_is_refused(
    store: Store, changing: Path
) -> None:
    """Its tensors are read where they lay when it was opened."""
    checkpoint = FloatCheckpoint(changing)
    CHANGES["another order"](changing)
    with pytest.raises(IntegrityError, match="changed while it was read"):
        publish(store, checkpoint, FIRST)
    assert files(store) == []


def test_a_source_that_changes_while_it_is_certified_is_refused(
    store: Store, changing: Path
) -> None:
    """Or the certificate would be that of another."""
    checkpoint = FloatCheckpoint(changing)

    def certify(weights: Path) -> dict[str, Any]:
        CHANGES["other weights"](changing)
        return certificate(weights)

    with pytest.raises(IntegrityError, match="changed while it was read"):
        publish(store, checkpoint, FIRST, certify=certify)
    assert files(store) == []


@pytest.mark.parametrize(
    "change",
    [
        lambda path: path.chmod(0o600),
        lambda path: os.link(path, path.with_name(f"{path.name}-{time.time_ns()}")),
        lambda path: put_in_place(path, lambda data: data),
    ],
    ids=["mode", "hard link", "the same in its place"],
)
def test_a_source_whose_content_stays_the_same_is_published(
    store: Store, changing: Path, change: Callable[[Path], None]
) -> None:
    checkpoint = FloatCheckpoint(changing)

    class Changing(Reporter):
        def task(self, label: str, total: int, unit: str) -> Task:
            for path in checkpoint.all_files:
                change(path)
            return Task()

    publish(store, checkpoint, FIRST, reporter=Changing())
    assert open_checkpoint(store, FIRST).file.damaged_tensors() == []


def test_a_source_replaced_while_its_lock_is_waited_for_is_opened_again(
    store: Store, tmp_path: Path, demo_folder: Callable[[int], Path], monkeypatch: Any
) -> None:
    """Its tensors lie elsewhere in the file then."""
    changing = Path(shutil.copytree(demo_folder(0), tmp_path / "changing"))
    expected = install_folder(changing, FIRST, store)

    @contextlib.contextmanager
    def waiting(*arguments: Any, **options: Any) -> Iterator[Workspace]:
        put_in_place(changing / WEIGHTS, other_order)
        with workspace(*arguments, **options) as work:
            yield work

    monkeypatch.setattr(from_folder, "workspace", waiting)
    replaced = install_folder(changing, SECOND, store)
    now, before = open_checkpoint(store, SECOND).file, open_checkpoint(store, FIRST).file
    assert now.source.files == FloatCheckpoint(changing).sha256() != before.source.files
    assert now.tensors_sha256 == before.tensors_sha256
    assert replaced.manifest["source_files"] != expected.manifest["source_files"]


def test_a_source_put_back_before_it_is_hashed_is_not_read_where_the_other_lay(
    store: Store, tmp_path: Path, demo_folder: Callable[[int], Path]
) -> None:
    """When float32 values are wanted."""
    changing = Path(shutil.copytree(demo_folder(0), tmp_path / "changing"))
    install_folder(changing, FIRST, store)
    put_in_place(changing / WEIGHTS, other_order)

    class PuttingBack(Reporter):
        def task(self, label: str, total: int, unit: str) -> Task:
            put_in_place(changing / WEIGHTS, lambda _: (demo_folder(0) / WEIGHTS).read_bytes())
            return Task()

    opened = open_checkpoint(store, FIRST)
    with pytest.raises(NoFloatWeights):
        opened.float_checkpoint(PuttingBack())
    assert opened.float_checkpoint().folder == changing
