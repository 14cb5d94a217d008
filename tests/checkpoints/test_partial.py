"""A download that broke off goes on where it stopped, in whatever process and however it ended."""

from __future__ import annotations

import contextlib
import math
import os
import time
from errno import EACCES, EIO, ENOENT, ENOSPC, ENOSYS, EPERM, ESTALE
from pathlib import Path
from typing import Any

import pytest

from pythia_cli.checkpoints import hub_fetch, incoming, partial, pipeline, publish
from pythia_cli.checkpoints.download import download
from pythia_cli.checkpoints.incoming import host_id
from pythia_cli.checkpoints.plan import plan_fetch
from pythia_cli.checkpoints.store import Store
from pythia_cli.errors import (
    DamagedDownload,
    IntegrityError,
    NetworkError,
    ResourceError,
    StoreNotWritable,
    Unreachable,
)
from pythia_cli.files.locks import lock
from pythia_cli.suite.checkpoint import Checkpoint
from pythia_cli.suite.models import MODELS
from pythia_cli.weights.float_checkpoint import FloatCheckpoint
from tests.checkpoints.test_transfer import fill_cache
from tests.failing import without_locks
from tests.fakes.hub import Branch, Faults, Hub
from tests.fakes.suite import MODEL, REPO
from tests.float_folders import BIAS, Folder
from tests.reporting import Recording

STEP = Checkpoint(MODEL, 64)
CUT = Faults(truncate=300_000)  # by three attempts 900,000 bytes arrive


def kept(store: Store) -> list[int]:
    found = []
    for path in store.folder.glob("partial/*/*"):
        with contextlib.suppress(FileNotFoundError):  # what was put away goes meanwhile
            found.append(path.stat().st_size)
    return sorted(found)


def break_off(hub: Hub, store: Store, reporter: Recording | None = None) -> None:
    hub.faults = CUT
    with pytest.raises(Unreachable):
        list(download(store, [STEP], reporter=reporter or Recording()))
    hub.faults = Faults()


def test_it_goes_on_and_leaves_nothing(suite_hub: Hub, store: Store, reporter: Recording) -> None:
    break_off(suite_hub, store, reporter)
    plan = plan_fetch(STEP)
    small = plan.size("config.json") + plan.size("tokenizer.json")
    n_kept = 900_000 + small
    assert sum(kept(store)) == n_kept == partial.kept_bytes(store, plan)
    assert reporter.notes[-1] == (
        f"{n_kept / 1e6:,.1f} MB of {STEP} are kept; the same download goes on from there"
    )
    before = len(suite_hub.requests)
    (outcome,) = download(store, [STEP], reporter=reporter)
    assert outcome.status == "installed"
    assert suite_hub.transfers[-1] == ("model.safetensors", plan.n_bytes - n_kept)
    assert len(suite_hub.requests) - before == 3  # the branch; the weights, and at the CDN
    assert reporter.notes[-1].endswith(f" MB, of which {n_kept / 1e6:,.1f} MB are here")
    task = reporter.of(f"fetching {STEP}")
    assert task.done == task.total == plan.n_bytes - n_kept
    assert not (store.folder / "partial").exists()


def test_what_is_longer_than_the_file_does_not_count(suite_hub: Hub, store: Store) -> None:
    break_off(suite_hub, store)
    plan = plan_fetch(STEP)
    weights = store.folder / "partial" / str(STEP) / plan.digest("model.safetensors")
    before = partial.kept_bytes(store, plan)
    n = weights.stat().st_size
    weights.write_bytes(bytes(plan.size("model.safetensors") + 1))
    assert partial.kept_bytes(store, plan) == before - n
    (outcome,) = download(store, [STEP])
    assert outcome.status == "installed"


@pytest.mark.parametrize("keep_original", [False, True])
@pytest.mark.parametrize("has_symlinks", [True, False])
def test_nothing_is_fetched_again_after_an_interrupt_while_quantizing(
    suite_hub: Hub,
    store: Store,
    monkeypatch: pytest.MonkeyPatch,
    keep_original: bool,
    has_symlinks: bool,
) -> None:
    def interrupted(*arguments: object, **more: object) -> None:
        raise KeyboardInterrupt

    def impossible(*arguments: object) -> None:
        raise OSError(EPERM, "Operation not permitted")

    if not has_symlinks:
        monkeypatch.setattr(os, "symlink", impossible)
    with monkeypatch.context() as patch:
        patch.setattr(pipeline, "publish_source", interrupted)
        with pytest.raises(KeyboardInterrupt):
            list(download(store, [STEP], keep_original=keep_original))
    assert sum(kept(store)) == plan_fetch(STEP).n_bytes
    n_transfers = len(suite_hub.transfers)
    outcomes = download(store, [STEP], keep_original=keep_original)
    assert [outcome.status for outcome in outcomes] == ["installed"]
    assert len(suite_hub.transfers) == n_transfers
    assert kept(store) == []


@pytest.mark.parametrize("keep_original", [False, True])
def test_without_locks_two_downloads_share_no_file(
    suite_hub: Hub, store: Store, monkeypatch: pytest.MonkeyPatch, keep_original: bool
) -> None:
    without_locks(monkeypatch, ENOSYS)
    publish = pipeline.publish_source

    def meanwhile(*arguments: Any, **more: Any) -> Any:
        monkeypatch.setattr(pipeline, "publish_source", publish)
        assert [outcome.status for outcome in download(store, [STEP])] == ["installed"]
        return publish(*arguments, **more)

    monkeypatch.setattr(pipeline, "publish_source", meanwhile)
    (outcome,) = download(store, [STEP], keep_original=keep_original)
    assert outcome.status == "installed"
    assert [name for name, _ in suite_hub.transfers] == ["model.safetensors"] * 2
    assert kept(store) == []


def test_without_locks_nothing_is_said_to_be_kept(
    suite_hub: Hub, store: Store, monkeypatch: pytest.MonkeyPatch, reporter: Recording
) -> None:
    break_off(suite_hub, store)
    without_locks(monkeypatch, ENOSYS)
    before = kept(store)
    reporter.notes.clear()
    break_off(suite_hub, store, reporter)
    assert kept(store) == before  # not touched: where locks work, it may be in use
    assert not any("are kept" in note or "are here" in note for note in reporter.notes)


def test_a_kept_original_is_no_link(suite_hub: Hub, store: Store) -> None:
    break_off(suite_hub, store)
    (outcome,) = download(store, [STEP], keep_original=True)
    assert outcome.installed is not None
    original = Path(outcome.installed.manifest["source_folder"])
    assert not any(path.is_symlink() for path in original.iterdir())
    assert kept(store) == []


def test_damaged_parts_are_fetched_again(suite_hub: Hub, store: Store) -> None:
    break_off(suite_hub, store)
    for path in store.folder.glob("partial/*/*"):
        path.write_bytes(b"x" * path.stat().st_size)
    assert [outcome.status for outcome in download(store, [STEP])] == ["installed"]


def test_a_damaged_download_is_not_kept(suite_hub: Hub, store: Store) -> None:
    suite_hub.faults = Faults(wrong_bytes=True)
    (outcome,) = download(store, [STEP])
    assert isinstance(outcome.error, DamagedDownload)
    assert not (store.folder / "partial").exists()


def test_of_a_damaged_download_only_the_damaged_file_is_fetched_again(
    suite_hub: Hub, store: Store, tmp_path: Path
) -> None:
    folder = Folder(tmp_path / "sharded", MODELS[MODEL])
    _, second = (path.name for path in folder.save_sharded())
    suite_hub.repos = {REPO: {"step64": Branch("1" * 40, folder.path, {second: "ab" * 32})}}
    (outcome,) = download(store, [STEP])
    assert isinstance(outcome.error, DamagedDownload)
    suite_hub.repos = {REPO: {"step64": Branch("2" * 40, folder.path)}}
    suite_hub.transfers.clear()
    assert [outcome.status for outcome in download(store, [STEP])] == ["installed"]
    assert [name for name, _ in suite_hub.transfers] == [second]
    assert kept(store) == []


def test_of_a_damaged_cache_nothing_is_kept(suite_hub: Hub, store: Store, tmp_path: Path) -> None:
    folder = Folder(tmp_path / "sharded", MODELS[MODEL])
    folder.save_sharded()
    suite_hub.repos = {REPO: {"step64": Branch("1" * 40, folder.path)}}
    fill_cache(suite_hub, tmp_path / "cache", *(path.name for path in folder.path.iterdir()))
    blob = max((tmp_path / "cache").rglob("blobs/*"), key=lambda path: path.stat().st_size)
    blob.write_bytes(bytes(blob.stat().st_size))
    (outcome,) = download(store, [STEP], offline=True)
    assert isinstance(outcome.error, DamagedDownload)
    assert not (store.folder / "partial").exists()


def test_what_cannot_be_installed_is_not_kept(suite_hub: Hub, store: Store, tmp_path: Path) -> None:
    folder = Folder(tmp_path / "damaged", MODELS[MODEL])
    folder.tensors[BIAS][0] = math.nan
    folder.save()
    suite_hub.repos = {REPO: {"step64": Branch("1" * 40, folder.path)}}
    (outcome,) = download(store, [STEP])
    assert "holds nan" in str(outcome.error).lower()
    assert kept(store) == []


@pytest.mark.parametrize(
    ("moment", "how"),
    [
        ("config.json", ""),
        ("tokenizer.json", ""),
        ("model.safetensors", ""),
        ("open_source", ""),
        ("publish_source", ""),
        ("write_int8", ""),
        ("config.json", "no symlinks"),
        ("model.safetensors", "keep_original"),
        ("write_int8", "replace"),
    ],
)
@pytest.mark.parametrize("has_installed", [True, False])
def test_another_computer_has_removed_what_arrived(
    suite_hub: Hub,
    store: Store,
    monkeypatch: pytest.MonkeyPatch,
    moment: str,
    how: str,
    has_installed: bool,
) -> None:
    """When a file has arrived, or before a function is called. It does not see our lock."""
    at = [moment]

    def elsewhere() -> None:
        with monkeypatch.context() as patch:
            for module in (incoming, partial):
                patch.setattr(module, "host_id", lambda: "f" * 12)
            patch.setattr(Store, "lock_path", lambda self, name: self.folder / f"other-{name}.lock")
            if has_installed:
                list(download(store, [STEP], replace=how == "replace"))
            partial.put_away(store, STEP).result()

    def fetched(revision: Any, name: str, *arguments: Any, **more: Any) -> str:
        sha256 = fetch(revision, name, *arguments, **more)
        if name in at:
            at.clear()
            elsewhere()
        return sha256

    def before(function: Any) -> Any:
        def called(*arguments: Any, **more: Any) -> Any:
            if function.__name__ in at:
                at.clear()
                elsewhere()
            return function(*arguments, **more)

        return called

    def impossible(*arguments: object) -> None:
        raise OSError(EPERM, os.strerror(EPERM))

    if how == "replace":
        list(download(store, [STEP]))
    if how == "no symlinks":
        monkeypatch.setattr(os, "symlink", impossible)
    fetch = hub_fetch.fetch
    monkeypatch.setattr(hub_fetch, "fetch", fetched)
    monkeypatch.setattr(pipeline, "open_source", before(pipeline.open_source))
    monkeypatch.setattr(pipeline, "publish_source", before(pipeline.publish_source))
    monkeypatch.setattr(publish, "write_int8", before(publish.write_int8))
    ours, next_one = download(
        store,
        [STEP, Checkpoint(MODEL, 512)],
        keep_original=how == "keep_original",
        replace=how == "replace",
    )
    assert at == []
    assert next_one.status == "installed"
    if has_installed and how != "replace":
        assert ours.status == "present"
    else:
        assert isinstance(ours.error, IntegrityError)
        assert "was removed by another process; download it again" in str(ours.error)
    assert kept(store) == []


def test_removed_as_nfs_says_it(
    suite_hub: Hub, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To write to a file that another computer has removed is ESTALE there."""

    def stale(*arguments: object) -> None:
        partial.put_away(store, STEP).result()
        raise OSError(ESTALE, os.strerror(ESTALE))

    monkeypatch.setattr(hub_fetch.GrowingHash, "add", stale)
    (outcome,) = download(store, [STEP])
    assert "was removed by another process" in str(outcome.error)


@pytest.mark.parametrize("error", [ENOSPC, EACCES])
def test_a_file_that_cannot_be_made_was_not_removed(
    suite_hub: Hub, store: Store, monkeypatch: pytest.MonkeyPatch, error: int
) -> None:
    def impossible(path: Path) -> Any:
        raise OSError(error, os.strerror(error), str(path))

    monkeypatch.setattr(hub_fetch, "_open_to_go_on", impossible)
    with pytest.raises(StoreNotWritable, match=os.strerror(error)):
        list(download(store, [STEP]))


@pytest.mark.parametrize("error", [EACCES, EIO, ESTALE])
def test_what_cannot_be_seen(
    suite_hub: Hub, store: Store, monkeypatch: pytest.MonkeyPatch, error: int
) -> None:
    """What failed is the error, unless what has arrived is gone."""
    stat = Path.stat

    def unseen(path: Path, **more: Any) -> os.stat_result:
        if path.parent.name == "original" and more.get("follow_symlinks", True):
            raise OSError(error, os.strerror(error), str(path))
        return stat(path, **more)

    def failing(*arguments: object) -> None:
        monkeypatch.setattr(Path, "stat", unseen)
        raise ResourceError("config.json", "cannot be read")

    monkeypatch.setattr(pipeline, "open_source", failing)
    if error == ESTALE:
        (outcome,) = download(store, [STEP])
        assert "was removed by another process" in str(outcome.error)
    else:
        with pytest.raises(ResourceError, match=r"^config\.json: cannot be read$"):
            list(download(store, [STEP]))


def test_a_file_of_the_cache_that_is_gone_was_not_removed_by_another_download(
    suite_hub: Hub, store: Store, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    fill_cache(suite_hub, tmp_path / "cache")
    suite_hub.transfers.clear()

    def gone(*arguments: object) -> None:
        for blobs in (tmp_path / "cache").rglob("blobs"):
            blobs.rename(blobs.with_name("gone"))
        raise ResourceError("config.json", "cannot be read")

    monkeypatch.setattr(pipeline, "open_source", gone)
    with pytest.raises(ResourceError, match=r"^config\.json: cannot be read$"):
        list(download(store, [STEP]))
    assert suite_hub.transfers == []


def test_another_file_that_is_not_there_is_not_one_of_ours_that_was_removed(
    suite_hub: Hub, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(*arguments: object) -> None:
        raise FileNotFoundError(ENOENT, os.strerror(ENOENT), "certificates.pem")

    monkeypatch.setattr(hub_fetch.GrowingHash, "add", missing)
    with pytest.raises(StoreNotWritable, match=r"certificates\.pem"):
        list(download(store, [STEP]))


def test_the_next_one_is_kept_too(suite_hub: Hub, store: Store) -> None:
    """That was fetched ahead when the first one was interrupted."""
    outcomes = download(store, [STEP, Checkpoint(MODEL, 512)])
    assert next(outcomes).status == "installed"
    until = time.monotonic() + 60
    while len(kept(store)) < 3 and time.monotonic() < until:
        time.sleep(0.02)
    outcomes.close()  # type: ignore[attr-defined]
    assert len(kept(store)) == 3


def test_what_another_process_has_installed_needs_no_parts(
    suite_hub: Hub, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    break_off(suite_hub, store)
    original = pipeline.workspace

    def late(*arguments: Any, **more: Any) -> Any:
        monkeypatch.setattr(pipeline, "workspace", original)
        parts = partial.place_of(store, STEP)
        parts.rename(store.folder / "aside")
        list(download(store, [STEP]))
        parts.parent.mkdir(exist_ok=True)
        (store.folder / "aside").rename(parts)
        return original(*arguments, **more)

    monkeypatch.setattr(pipeline, "workspace", late)
    assert [outcome.status for outcome in download(store, [STEP])] == ["present"]
    assert kept(store) == []


def test_while_it_arrives_it_has_a_name_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "0123abcd"
    with partial.arriving(path, 100) as (own, is_new):
        own.write_text("some")
        assert is_new
        assert not path.exists()
        assert own.name.startswith(f"{path.name}-{host_id()}-")
    assert path.read_text() == "some"
    with contextlib.suppress(KeyboardInterrupt), partial.arriving(path, 100) as (own, is_new):
        assert not is_new
        assert not path.exists()
        own.write_text("some more")
        raise KeyboardInterrupt
    assert path.read_text() == "some more"
    assert list(tmp_path.iterdir()) == [path]


def test_while_it_is_quantized_it_has_a_name_of_its_own(
    suite_hub: Hub, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []

    def interrupted(*arguments: object, **more: object) -> None:
        seen.extend(path.name for path in partial.place_of(store, STEP).iterdir())
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(pipeline, "publish_source", interrupted)
        with pytest.raises(KeyboardInterrupt):
            list(download(store, [STEP]))
    assert len(seen) == 3
    assert all(f"-{host_id()}-" in name for name in seen)
    plan = plan_fetch(STEP)
    names = sorted(path.name for path in partial.place_of(store, STEP).iterdir())
    assert names == sorted(plan.digest(name) for name in plan.names)


def test_a_file_that_did_not_arrive_is_nowhere(tmp_path: Path) -> None:
    path = tmp_path / "0123abcd"
    with pytest.raises(Unreachable), partial.arriving(path, 100):
        raise Unreachable("the Hub")
    assert list(tmp_path.iterdir()) == []


def test_what_killed_processes_left_is_gone_on_with(tmp_path: Path) -> None:
    """But not what another computer has: its process may run."""
    path = tmp_path / "0123abcd"
    path.write_text("s")
    for process in ("000000000000", "111111111111", "222222222222"):
        left = path.with_name(f"{path.name}-{host_id()}-{process}")
        left.write_text("some" if process == "111111111111" else "so")
    theirs = path.with_name(f"{path.name}-{'f' * 12}-{'3' * 12}")
    theirs.write_text("some of theirs")
    with partial.arriving(path, 100) as (own, is_new):
        assert not is_new
        assert own.read_text() == "some"
        assert sorted(tmp_path.iterdir()) == sorted([own, theirs])
    assert sorted(tmp_path.iterdir()) == [path, theirs]
    assert path.read_text() == "some"
    old = time.time() - 2 * 3600
    os.utime(theirs, (old, old))
    with partial.arriving(path, 100) as (own, _):
        assert own.read_text() == "some of theirs"
    assert list(tmp_path.iterdir()) == [path]


def test_an_old_part_that_is_gone_on_with_is_not_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To another computer, which may not see our lock."""
    path, old = tmp_path / "0123abcd", time.time() - 2 * 3600
    path.write_text("some")
    os.utime(path, (old, old))
    with partial.arriving(path, 100) as (own, _):
        monkeypatch.setattr(partial, "host_id", lambda: "f" * 12)
        with partial.arriving(path, 100) as (_, is_new):
            assert is_new
            assert own.read_text() == "some"


def test_an_old_file_is_not_left_while_others_of_its_computer_arrive(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To another computer, which may not see our lock."""
    small, weights, old = tmp_path / "0123abcd", tmp_path / "4567", time.time() - 2 * 3600
    with partial.arriving(small, 100) as (own, _), partial.arriving(weights, 100) as (more, _):
        own.write_text("some")
        os.utime(own, (old, old))
        more.write_text("more")
        monkeypatch.setattr(partial, "host_id", lambda: "f" * 12)
        with partial.arriving(small, 100) as (_, is_new):
            assert is_new
        assert own.read_text() == "some"
        os.utime(more, (old, old))
        weights.with_name(f"4567-{'e' * 12}-{'0' * 12}").write_text("of a third computer")
        with partial.arriving(small, 100) as (_, is_new):
            assert not is_new


@pytest.mark.parametrize("error", [ENOENT, ENOSPC])
def test_a_part_that_cannot_be_taken_is_not_removed(
    suite_hub: Hub, store: Store, monkeypatch: pytest.MonkeyPatch, error: int
) -> None:
    break_off(suite_hub, store)
    before = kept(store)

    def impossible(path: Path, to: Path) -> None:
        raise OSError(error, os.strerror(error), str(path))

    suite_hub.faults = Faults(cdn_status_for_ever=500)
    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", impossible)
        with pytest.raises(NetworkError):
            list(download(store, [STEP]))
    assert max(kept(store)) == max(before)
    suite_hub.faults = Faults()
    n_before = partial.kept_bytes(store, plan := plan_fetch(STEP))
    assert [outcome.status for outcome in download(store, [STEP])] == ["installed"]
    assert suite_hub.transfers[-1] == ("model.safetensors", plan.n_bytes - n_before)


def test_a_killed_download_is_counted_and_gone_on_with(suite_hub: Hub, store: Store) -> None:
    break_off(suite_hub, store)
    plan = plan_fetch(STEP)
    before = partial.kept_bytes(store, plan)
    weights = partial.place_of(store, STEP) / plan.digest("model.safetensors")
    weights.rename(weights.with_name(f"{weights.name}-{host_id()}-{'0' * 12}"))
    assert partial.kept_bytes(store, plan) == before
    assert [outcome.status for outcome in download(store, [STEP])] == ["installed"]
    assert suite_hub.transfers[-1] == ("model.safetensors", plan.n_bytes - before)


@pytest.mark.parametrize("keep_original", [False, True])
@pytest.mark.parametrize("is_new", [True, False])
def test_only_what_was_there_before_is_hashed_again(
    suite_hub: Hub,
    store: Store,
    monkeypatch: pytest.MonkeyPatch,
    is_new: bool,
    keep_original: bool,
) -> None:
    if not is_new:
        break_off(suite_hub, store)
    hashed: list[Path] = []
    original = FloatCheckpoint.sha256

    def counted(checkpoint: FloatCheckpoint, *arguments: Any) -> dict[str, str]:
        hashed.append(checkpoint.folder)
        return original(checkpoint, *arguments)

    monkeypatch.setattr(FloatCheckpoint, "sha256", counted)
    assert [outcome.status for outcome in download(store, [STEP], keep_original=keep_original)] == [
        "installed"
    ]
    assert len(hashed) == (0 if is_new else 1)


def test_what_is_no_part_hides_none(suite_hub: Hub, store: Store, tmp_path: Path) -> None:
    """A folder where a file would be, a link to a longer one, and one that is too long."""
    break_off(suite_hub, store)
    plan = plan_fetch(STEP)
    before = partial.kept_bytes(store, plan)
    weights = partial.place_of(store, STEP) / plan.digest("model.safetensors")
    aside = [weights.with_name(f"{weights.name}-{host_id()}-{i * 12}") for i in "012"]
    weights.rename(aside[0])
    weights.mkdir()
    (tmp_path / "longer").write_bytes(bytes(2_000_000))
    aside[1].symlink_to(tmp_path / "longer")
    aside[2].write_bytes(bytes(plan.size("model.safetensors") + 1))
    assert partial.kept_bytes(store, plan) == before
    assert [outcome.status for outcome in download(store, [STEP])] == ["installed"]
    assert suite_hub.transfers[-1] == ("model.safetensors", plan.n_bytes - before)


def test_a_whole_file_is_not_replaced(tmp_path: Path) -> None:
    """That another computer has fetched meanwhile."""
    path = tmp_path / "0123abcd"
    with contextlib.suppress(KeyboardInterrupt), partial.arriving(path, 100) as (own, _):
        own.write_text("part")
        path.write_text("whole")
        raise KeyboardInterrupt
    assert path.read_text() == "whole"
    assert own.read_text() == "part"


def test_without_links_it_is_renamed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def impossible(*arguments: object) -> None:
        raise OSError(EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", impossible)
    path = tmp_path / "0123abcd"
    for text in ("some", "more"):
        with partial.arriving(path, 100) as (own, _):
            own.write_text(text)
        assert path.read_text() == text
        assert list(tmp_path.iterdir()) == [path]


def test_what_was_put_away_and_not_removed_goes_next_time(
    suite_hub: Hub, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after `kill -9`: it is the whole float checkpoint."""
    with monkeypatch.context() as patch:
        patch.setattr(partial, "remove_tree", lambda folder: None)
        assert [outcome.status for outcome in download(store, [STEP])] == ["installed"]
    assert sum(kept(store)) == plan_fetch(STEP).n_bytes
    assert [outcome.status for outcome in download(store, [Checkpoint(MODEL, 512)])] == [
        "installed"
    ]
    assert not store.partial.exists()


def test_another_computer_leaves_what_is_being_quantized(
    suite_hub: Hub, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It does not see our lock, and begins the same download."""
    plan = plan_fetch(STEP)
    publish = pipeline.publish_source
    was_new: list[bool] = []

    def meanwhile(*arguments: Any, **more: Any) -> Any:
        with monkeypatch.context() as other:
            other.setattr(partial, "host_id", lambda: "f" * 12)
            for name in plan.names:
                path = partial.place_of(store, STEP) / plan.digest(name)
                with partial.arriving(path, plan.size(name)) as (_, is_new):
                    was_new.append(is_new)
        return publish(*arguments, **more)

    monkeypatch.setattr(pipeline, "publish_source", meanwhile)
    assert [outcome.status for outcome in download(store, [STEP])] == ["installed"]
    assert was_new == [True] * 3


def test_old_ones_are_removed_unless_in_use(suite_hub: Hub, store: Store) -> None:
    break_off(suite_hub, store)
    partial.remove_old(store)
    assert len(kept(store)) == 3
    old = time.time() - 15 * 86400
    folder, theirs = partial.place_of(store, STEP), store.partial / "me@example.org"
    theirs.mkdir()
    for path in (*folder.iterdir(), folder, theirs):
        os.utime(path, (old, old))
    with lock(store.lock_path(str(STEP)), str(STEP), 0):
        partial.remove_old(store)
    assert len(kept(store)) == 3
    partial.remove_old(store)
    assert kept(store) == []
    assert list(store.partial.iterdir()) == [theirs]
    assert not store.lock_path(theirs.name).exists()


def test_old_ones_stay_where_the_locks_are_linked(
    suite_hub: Hub, store: Store, tmp_path: Path
) -> None:
    break_off(suite_hub, store)
    for path in (*store.partial.glob("*/*"), *store.partial.iterdir()):
        os.utime(path, (0, 0))
    (store.folder / "locks").rename(tmp_path / "locks")
    (store.folder / "locks").symlink_to(tmp_path / "locks")
    store.lock_path(str(STEP)).unlink()
    partial.remove_old(store)
    assert len(kept(store)) == 3
    assert not store.lock_path(str(STEP)).exists()


@pytest.mark.parametrize("linked", ["partial", f"partial/{STEP}"])
def test_a_link_is_not_written_through(
    suite_hub: Hub, store: Store, tmp_path: Path, linked: str
) -> None:
    elsewhere = tmp_path / "elsewhere"
    (elsewhere / str(STEP)).mkdir(parents=True)
    (elsewhere / "theirs").write_text("theirs")
    link = store.folder / linked
    link.parent.mkdir(parents=True)
    link.symlink_to(elsewhere)
    old = time.time() - 15 * 86400
    os.utime(elsewhere / "theirs", (old, old))
    with pytest.raises(StoreNotWritable, match="is a link, and pythia writes only into"):
        list(download(store, [STEP]))
    assert sorted(path.name for path in elsewhere.iterdir()) == [str(STEP), "theirs"]


def test_nothing_is_removed_through_a_link_when_it_was_installed_meanwhile(
    suite_hub: Hub, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = pipeline.workspace

    def late(*arguments: Any, **more: Any) -> Any:
        monkeypatch.setattr(pipeline, "workspace", original)
        list(download(store, [STEP]))
        (tmp_path / str(STEP)).mkdir()
        store.partial.symlink_to(tmp_path)
        return original(*arguments, **more)

    monkeypatch.setattr(pipeline, "workspace", late)
    with pytest.raises(StoreNotWritable, match="is a link"):
        list(download(store, [STEP]))
    assert (tmp_path / str(STEP)).is_dir()


def test_a_file_in_place_of_the_folder(suite_hub: Hub, store: Store) -> None:
    store.folder.mkdir()
    store.partial.write_text("theirs")
    with pytest.raises(StoreNotWritable, match=f"{store.partial}.*cannot be written"):
        list(download(store, [STEP]))
    assert store.partial.read_text() == "theirs"


def test_a_folder_that_is_not_ours(
    suite_hub: Hub, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.partial.mkdir(parents=True)
    for name in ("stat", "lstat", "mkdir"):
        monkeypatch.setattr(Path, name, refusing(getattr(Path, name), store.partial))
    with pytest.raises(StoreNotWritable, match=f"{STEP}.*cannot be written"):
        list(download(store, [STEP]))


def refusing(call: Any, folder: Path) -> Any:
    """A method of Path that has no permission for what is in this folder."""

    def refuse(path: Path, *arguments: Any, **more: Any) -> Any:
        if folder in path.parents:
            raise PermissionError(EACCES, "Permission denied", str(path))
        return call(path, *arguments, **more)

    return refuse
