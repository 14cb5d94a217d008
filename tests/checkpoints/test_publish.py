"""Publishing: what fails, is interrupted or is killed leaves the store as it was."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from errno import ENOSYS
from pathlib import Path
from typing import Any

import pytest

from pythia_cli.checkpoints.clean_up import clean_up
from pythia_cli.checkpoints.manifest import read_manifest
from pythia_cli.checkpoints.open_checkpoint import open_checkpoint
from pythia_cli.checkpoints.publish import publish as publish_made
from pythia_cli.checkpoints.publish import remove, workspace
from pythia_cli.checkpoints.resolve import resolve
from pythia_cli.checkpoints.room import check_room
from pythia_cli.checkpoints.store import Installed, Store
from pythia_cli.checkpoints.verify import verify
from pythia_cli.errors import (
    DamagedCheckpoint,
    IntegrityError,
    InvalidName,
    LockTimeout,
    NoRoom,
    NotInstalled,
    ResourceError,
    StoreNotWritable,
)
from pythia_cli.files.publishing import write_json
from pythia_cli.suite.checkpoint import Checkpoint
from pythia_cli.weights.float_checkpoint import FloatCheckpoint
from pythia_cli.weights.int8_file import Int8File
from pythia_cli.weights.int8_layout import data_bytes
from pythia_cli.weights.source import Source
from tests.failing import CALLS, fail_fsync, failures, without_locks
from tests.no_files import IN_PLACE_OF_A_FILE
from tests.publishing import FIRST, SECOND, certificate, files, leftovers, publish
from tests.reporting import Recording

EACH_CALL = pytest.mark.parametrize("patch_with", CALLS)
FAILURES = pytest.mark.parametrize(
    ("failure", "raised"),
    [(OSError(28, "No space left on device"), ResourceError), (KeyboardInterrupt(), None)],
    ids=["disk full", "interrupt"],
)


@EACH_CALL
@FAILURES
def test_a_failure_leaves_an_empty_store_empty(
    store: Store, small: FloatCheckpoint, patch_with: Any, failure: Any, raised: Any
) -> None:
    def work() -> Installed:
        return publish(store, small, FIRST, certify=certificate)

    n_failures = 0
    for error in failures(patch_with, failure, work):
        n_failures += 1
        assert isinstance(error, raised or KeyboardInterrupt)
        if store.installed() == []:
            assert {Path(name).parent.name for name in files(store)} <= {"tokenizers"}
            assert leftovers(store) == []
        else:  # the very last sync is of the folder: it is there already
            assert Int8File(store.get(FIRST).weights).damaged_tensors() == []
            remove(store, FIRST, wait_seconds=1)
    # weights, manifest and tokenizer are each written, synced and named
    assert n_failures >= 3
    assert Int8File(store.get(FIRST).weights).damaged_tensors() == []


@EACH_CALL
@FAILURES
def test_a_failure_leaves_the_previous_checkpoint(
    store: Store,
    small: FloatCheckpoint,
    other: FloatCheckpoint,
    patch_with: Any,
    failure: Any,
    raised: Any,
) -> None:
    previous = publish(store, small, FIRST, certify=certificate)
    publish(store, small, SECOND)
    manifest, before = previous.manifest, files(store)
    for error in failures(patch_with, failure, lambda: publish(store, other, FIRST)):
        assert isinstance(error, raised or KeyboardInterrupt)
        if store.get(FIRST).manifest != manifest:  # the very last sync is of the folder
            assert Int8File(store.get(FIRST).weights).config == other.config
            assert len(files(store)) == len(before)
            continue
        assert files(store) == before
        assert [installed.checkpoint for installed in store.installed()] == [FIRST, SECOND]
        kept = Int8File(store.get(FIRST).weights)
        assert (kept.config, kept.damaged_tensors()) == (small.config, [])
        assert store.get(FIRST).certificate == {"kl_mean": 0.25}
    assert Int8File(store.get(FIRST).weights).config == other.config


@EACH_CALL
@FAILURES
def test_a_failure_leaves_the_previous_choice(
    store: Store, small: FloatCheckpoint, patch_with: Any, failure: Any, raised: Any
) -> None:
    publish(store, small, FIRST)
    publish(store, small, SECOND)
    store.use(FIRST)
    before = files(store)
    for error in failures(patch_with, failure, lambda: store.use(SECOND)):
        assert isinstance(error, raised or KeyboardInterrupt)
        assert files(store) == before
        # The very last sync is of the folder: the name is already the new one.
        assert store.active() in (FIRST, SECOND)
        assert json.loads((store.folder / "active.json").read_text())["model"] == "mine"
    assert store.active() == SECOND


@pytest.mark.parametrize("failure", [RuntimeError("no"), KeyboardInterrupt()])
def test_a_failure_while_certifying_leaves_nothing(
    store: Store, small: FloatCheckpoint, failure: BaseException
) -> None:
    def certify(weights: Path) -> dict[str, Any]:
        raise failure

    with pytest.raises(type(failure)):
        publish(store, small, FIRST, certify=certify)
    assert files(store) == []


def test_what_does_not_come_back_as_written_is_not_published(
    store: Store, small: FloatCheckpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    def damage(weights: Path) -> None:
        data = weights.read_bytes()
        weights.write_bytes(data[:-1000] + bytes([data[-1000] ^ 1]) + data[-999:])

    monkeypatch.setattr("pythia_cli.checkpoints.publish._fsync", damage)
    with pytest.raises(IntegrityError, match="was not read back as written"):
        publish(store, small, FIRST)
    assert files(store) == []


def test_remove(store: Store, small: FloatCheckpoint, other: FloatCheckpoint) -> None:
    publish(store, small, FIRST)
    publish(store, other, SECOND)
    opened = open_checkpoint(store, FIRST)
    remove(store, FIRST, wait_seconds=1)
    assert [installed.checkpoint for installed in store.installed()] == [SECOND]
    assert opened.file.damaged_tensors() == []  # whoever has it open goes on
    with pytest.raises(NotInstalled):
        remove(store, FIRST, wait_seconds=1)
    remove(store, SECOND, wait_seconds=1)
    assert leftovers(store) == []
    assert not (store.folder / "checkpoints/mine").exists()


def test_remove_leaves_what_is_not_ours(store: Store, small: FloatCheckpoint) -> None:
    installed = publish(store, small, FIRST)
    (installed.folder / "notes.txt").write_text("theirs")
    remove(store, FIRST, wait_seconds=1)
    assert (installed.folder / "notes.txt").read_text() == "theirs"
    assert store.find(FIRST) is None


def test_a_failed_removal_can_be_repeated(store: Store, small: FloatCheckpoint) -> None:
    """It syncs, and neither writes nor renames."""
    publish(store, small, FIRST)

    def work() -> None:
        if store.find(FIRST) is not None:
            remove(store, FIRST, wait_seconds=1)

    for _ in failures(fail_fsync, OSError(5, "Input/output error"), work):
        assert store.find(FIRST) is None
    assert leftovers(store) == []


@IN_PLACE_OF_A_FILE
def test_what_is_no_manifest_is_reported_replaced_and_removed(
    store: Store, small: FloatCheckpoint, put: Callable[[Path], None]
) -> None:
    place = store.place(FIRST)
    for replaces in (True, False):
        place.mkdir(parents=True, exist_ok=True)
        (place / "manifest.json").unlink(missing_ok=True)
        put(place / "manifest.json")
        assert [installed.checkpoint for installed in store.installed()] == [FIRST]
        (problem,) = verify(store, FIRST)
        assert "not a regular file" in problem
        with pytest.raises(DamagedCheckpoint, match="not a regular file"):
            _ = store.get(FIRST).manifest
        if replaces:
            publish(store, small, FIRST)
            assert open_checkpoint(store, FIRST).checkpoint == FIRST
        else:
            remove(store, FIRST, wait_seconds=1)
            assert store.find(FIRST) is None


def test_a_manifest_that_is_a_link_to_nothing_is_replaced(
    store: Store, small: FloatCheckpoint
) -> None:
    place = store.place(FIRST)
    place.mkdir(parents=True)
    (place / "manifest.json").symlink_to("nothing")
    assert store.find(FIRST) is None
    publish(store, small, FIRST)
    assert open_checkpoint(store, FIRST).checkpoint == FIRST


def test_a_folder_in_place_of_a_manifest_keeps_what_is_in_it(
    store: Store, small: FloatCheckpoint
) -> None:
    theirs = store.place(FIRST) / "manifest.json/theirs.txt"
    theirs.parent.mkdir(parents=True)
    theirs.write_text("theirs")
    for change in (lambda: publish(store, small, FIRST), lambda: remove(store, FIRST)):
        with pytest.raises(StoreNotWritable, match=r"manifest\.json: .*Directory not empty"):
            change()
    assert theirs.read_text() == "theirs"


@IN_PLACE_OF_A_FILE
def test_what_is_no_tokenizer_is_replaced(
    store: Store, small: FloatCheckpoint, put: Callable[[Path], None]
) -> None:
    installed = publish(store, small, FIRST)
    path = installed.tokenizer_path(installed.manifest["tokenizer_sha256"])
    path.unlink()
    put(path)
    (problem,) = verify(store, FIRST)
    assert "not a regular file" in problem
    publish(store, small, FIRST)
    assert path.read_bytes() == small.tokenizer_json


LEFT = [
    "incoming/pythia-410m@0/original/model.safetensors",
    "incoming/mine@2/host",
    "checkpoints/mine/step1/model-0123456789ab.int8.safetensors",
    "checkpoints/mine/step1/original-0123456789ab/config.json",
    "checkpoints/mine/step2/model-0123456789ab.int8.safetensors",
    f"checkpoints/mine/step1/.manifest.json-{'a' * 12}",
    f".active.json-{'a' * 12}",
    f"tokenizers/.{'b' * 64}.json-{'a' * 12}",
    f"tokenizers/{'b' * 64}.json",
    f"sweeps/.pythia-14m@1-{'a' * 12}",
]


def leave(store: Store) -> None:
    for name in LEFT:
        path = store.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("left behind")


def test_what_dead_ones_left_is_removed_when_it_is_old(
    store: Store, small: FloatCheckpoint
) -> None:
    installed = publish(store, small, FIRST)
    before = files(store)
    leave(store)
    clean_up(store)
    # Not on this host, or for all we know about to be named by a manifest.
    assert files(store) == sorted([*before, *LEFT[1:]])
    assert leftovers(store) == before
    assert Int8File(installed.weights).damaged_tensors() == []
    assert not (store.folder / "checkpoints/mine/step2").exists()
    assert list((store.folder / "incoming").iterdir()) == []


@pytest.mark.parametrize("following", [FIRST, SECOND])
def test_a_dead_ones_workspace_is_removed_at_once(store: Store, following: Checkpoint) -> None:
    with workspace(store, FIRST, wait_seconds=1) as work:
        left = work.folder
    left.mkdir()
    (left / "weights").write_text("half")
    with workspace(store, following, wait_seconds=1):
        assert not (left / "weights").exists()


def test_another_computers_workspace_may_be_in_use(store: Store) -> None:
    """It may not see our locks, nor we its."""
    with workspace(store, FIRST, wait_seconds=1) as work:
        usual = work.folder
    usual.mkdir()
    (usual / "host").write_text("another")
    with workspace(store, FIRST, wait_seconds=1) as work:
        assert work.folder != usual
    assert (usual / "host").read_text() == "another"
    assert leftovers(store) == []


@pytest.mark.parametrize("number", [None, ENOSYS])
def test_without_locks_a_workspace_may_be_in_use(
    store: Store, small: FloatCheckpoint, monkeypatch: pytest.MonkeyPatch, number: int | None
) -> None:
    """Of another checkpoint, or even of the same."""
    without_locks(monkeypatch, number)
    reporter = Recording()
    with workspace(store, FIRST, wait_seconds=1, reporter=reporter) as work:
        (work.folder / "weights").write_text("half")
        publish(store, small, FIRST)
        publish(store, small, SECOND)
        assert (work.folder / "weights").read_text() == "half"
        leftovers(store)
        assert not work.folder.exists()
    (note,) = reporter.notes
    assert note.startswith(f"files cannot be locked in {store.folder}")


def test_a_name_that_differs_only_by_case_is_refused(store: Store, small: FloatCheckpoint) -> None:
    """On a file system that ignores case, they would be one folder."""
    publish(store, small, FIRST)
    before = files(store)
    with (
        pytest.raises(InvalidName, match="differs only by case from mine, which is installed"),
        workspace(store, Checkpoint("Mine", 2), wait_seconds=1),
    ):
        pass
    assert files(store) == before
    # In a store of an earlier version there may be both.
    shutil.copytree(store.place(FIRST), store.place(Checkpoint("Mine", 1)))
    publish(store, small, FIRST)
    remove(store, FIRST, wait_seconds=1)
    shutil.rmtree(store.place(Checkpoint("Mine", 1)))
    publish(store, small, Checkpoint("Mine", 2))


@pytest.mark.parametrize("name", ["con", "mine."])
def test_a_name_that_earlier_versions_allowed_stays_usable(
    store: Store, small: FloatCheckpoint, name: str
) -> None:
    checkpoint = Checkpoint(name, 1)
    publish(store, small, checkpoint)
    assert resolve(f"{name}@1", None, store) == checkpoint
    store.use(checkpoint)
    assert open_checkpoint(store, checkpoint).file.damaged_tensors() == []
    publish(store, small, checkpoint)
    remove(store, checkpoint, wait_seconds=1)


@pytest.mark.parametrize(
    "linked",
    [
        "incoming", "locks", "checkpoints", "tokenizers", "checkpoints/mine",
        "checkpoints/mine/step1",
    ],
)  # fmt: skip
def test_nothing_is_written_or_removed_where_a_link_leads(
    store: Store, small: FloatCheckpoint, tmp_path: Path, linked: str
) -> None:
    """It can be read there."""
    publish(store, small, FIRST)
    (store.folder / linked).rename(tmp_path / "elsewhere")
    (store.folder / linked).symlink_to(tmp_path / "elsewhere")
    leave(Store(tmp_path / "elsewhere"))
    (tmp_path / "elsewhere/mine@1").mkdir()
    (tmp_path / "elsewhere/me@example.org").mkdir()
    before = sorted((tmp_path / "elsewhere").rglob("*"))
    assert open_checkpoint(store, FIRST).file.damaged_tensors() == []
    for write in (
        lambda: publish(store, small, FIRST),
        lambda: remove(store, FIRST, wait_seconds=1),
    ):
        with pytest.raises(StoreNotWritable, match="is a link") as raised:
            write()
        assert raised.value.path == store.folder / linked
    if linked.startswith("checkpoints/"):
        publish(store, small, Checkpoint("other", 1))
        remove(store, Checkpoint("other", 1), wait_seconds=1)
        leftovers(store)
    assert sorted((tmp_path / "elsewhere").rglob("*")) == before


def test_the_store_itself_may_be_a_link(
    store: Store, small: FloatCheckpoint, tmp_path: Path
) -> None:
    (tmp_path / "disk/store").mkdir(parents=True)
    store.folder.symlink_to(tmp_path / "disk/store")
    publish(store, small, FIRST)
    publish(store, small, FIRST)
    assert len(leftovers(store)) == 3
    remove(store, FIRST, wait_seconds=1)
    assert leftovers(store) == []


def test_a_failure_to_read_the_source_is_not_called_one_of_the_store(
    store: Store, small: FloatCheckpoint, tmp_path: Path
) -> None:
    folder = tmp_path / "source"
    shutil.copytree(small.folder, folder)
    checkpoint = FloatCheckpoint(folder)
    (folder / "config.json").unlink()
    with pytest.raises(ResourceError) as raised:
        publish(store, checkpoint, FIRST)
    assert type(raised.value) is ResourceError
    assert raised.value.path == folder / "config.json"


@pytest.mark.parametrize("replaces", [False, True])
def test_weights_that_another_process_took_away_are_not_published(
    store: Store, small: FloatCheckpoint, monkeypatch: pytest.MonkeyPatch, replaces: bool
) -> None:
    """As if we had been paused for a day, where locks do not work. What was there stays."""
    if replaces:
        publish(store, small, FIRST)
    before = files(store)

    def paused(path: Path, content: dict[str, Any]) -> None:
        (path.parent / content["weights"]).unlink()
        write_json(path, content)

    monkeypatch.setattr("pythia_cli.checkpoints.publish.write_json", paused)
    with pytest.raises(ResourceError, match="was removed by another process"):
        publish(store, small, FIRST)
    assert leftovers(store) == before


def test_nothing_maps_the_weights_when_they_are_renamed(
    store: Store, small: FloatCheckpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Windows refuses to rename a mapped file."""
    opened: list[Int8File] = []

    class Kept(Int8File):
        def __init__(self, path: Path) -> None:
            super().__init__(path)
            opened.append(self)

    monkeypatch.setattr("pythia_cli.checkpoints.publish.Int8File", Kept)
    publish(store, small, FIRST)
    (file,) = opened
    assert file.tensors == {}
    assert file._map.closed


def test_cleaning_up_reads_no_manifest_of_a_tidy_checkpoint(
    store: Store, small: FloatCheckpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or `download -c all` would read each of them once for each of the others."""
    for step in range(5):
        publish(store, small, Checkpoint("mine", step))
    read = []
    monkeypatch.setattr(
        "pythia_cli.checkpoints.store.read_manifest",
        lambda *arguments: read.append(arguments) or read_manifest(*arguments),
    )
    monkeypatch.setattr("pythia_cli.checkpoints.clean_up.read_manifest", None)
    clean_up(store)
    assert len(read) == 1  # until each tokenizer is found to be needed


def test_a_damaged_checkpoint_keeps_what_may_be_its_weights(
    store: Store, small: FloatCheckpoint
) -> None:
    publish(store, small, FIRST).weights.unlink()
    leave(store)
    (kept,) = [name for name in leftovers(store) if "model-" in name]
    assert kept == LEFT[2]


def test_what_is_being_made_is_not_swept_away(store: Store, small: FloatCheckpoint) -> None:
    with workspace(store, SECOND, wait_seconds=1) as work:
        (work.folder / "weights").write_text("half")
        publish(store, small, FIRST)
        clean_up(store)
        assert (work.folder / "weights").exists()
    assert list((store.folder / "incoming").iterdir()) == []


def test_one_makes_and_others_wait(store: Store) -> None:
    reporter = Recording()
    with (
        workspace(store, FIRST, wait_seconds=1),
        pytest.raises(LockTimeout, match="mine@1"),
        workspace(store, FIRST, wait_seconds=0.1, reporter=reporter),
    ):
        pass
    assert reporter.notes == ["waiting for another pythia process, which is working on mine@1"]
    with workspace(store, FIRST, wait_seconds=0, reporter=reporter):
        assert len(reporter.notes) == 1


def test_the_original_can_be_kept(store: Store, small: FloatCheckpoint) -> None:
    with workspace(store, FIRST, wait_seconds=1) as work:
        folder = work.folder / "original"
        shutil.copytree(small.folder, folder)
        source = Source(None, None, None, small.sha256())
        installed = publish_made(work, FloatCheckpoint(folder), source, keep=folder)
    kept = Path(installed.manifest["source_folder"])
    assert kept.parent == installed.folder
    assert FloatCheckpoint(kept).sha256() == small.sha256()
    clean_up(store)
    assert FloatCheckpoint(kept).sha256() == small.sha256()
    publish(store, small, FIRST)
    assert not kept.exists()


def test_an_original_that_is_not_kept_is_not_named(store: Store, small: FloatCheckpoint) -> None:
    with workspace(store, FIRST, wait_seconds=1) as work:
        folder = work.folder / "original"
        shutil.copytree(small.folder, folder)
        source = Source(None, None, None, small.sha256())
        installed = publish_made(work, FloatCheckpoint(folder), source)
    assert installed.manifest["source_folder"] is None
    assert len(files(store)) == 3


def test_room_is_checked(tmp_path: Path) -> None:
    check_room(tmp_path / "not/yet/there", 1000, "this")
    with pytest.raises(ResourceError, match=r"this needs 1,000,000,000,000 MB, and .* MB are free"):
        check_room(tmp_path / "not/yet/there", 10**18, "this")


def test_of_two_removals_the_second_finds_nothing(
    store: Store, small: FloatCheckpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(store, small, FIRST)
    changing = Store.changing

    def another_is_first(own: Store) -> Any:
        monkeypatch.setattr(Store, "changing", changing)
        shutil.rmtree(own.place(FIRST))
        return changing(own)

    monkeypatch.setattr(Store, "changing", another_is_first)
    with pytest.raises(NotInstalled):
        remove(store, FIRST, wait_seconds=1)


def test_a_folder_that_is_gone_has_no_size(store: Store, small: FloatCheckpoint) -> None:
    installed = publish(store, small, FIRST)
    remove(store, FIRST, wait_seconds=1)
    assert (installed.n_bytes(), installed.last_used()) == (0, 0.0)


def test_room_is_looked_for_before_anything_is_written(
    store: Store, small: FloatCheckpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    n_bytes = data_bytes(small.config)
    usage = shutil.disk_usage(store.folder.parent)._replace(free=n_bytes - 1)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    with pytest.raises(NoRoom) as raised:
        publish(store, small, FIRST)
    assert (raised.value.n_bytes, raised.value.free) == (n_bytes, n_bytes - 1)
    assert files(store) == []
