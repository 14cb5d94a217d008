"""A download that broke off goes on where it stopped, in whatever process and however it ended."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import pytest

from pythia_cli.checkpoints import partial, pipeline
from pythia_cli.checkpoints.download import download
from pythia_cli.checkpoints.plan import plan_fetch
from pythia_cli.checkpoints.store import Store
from pythia_cli.errors import DamagedDownload, StoreNotWritable, Unreachable
from pythia_cli.files.locks import lock
from pythia_cli.suite.checkpoint import Checkpoint
from tests.fakes.hub import Faults, Hub
from tests.fakes.suite import MODEL
from tests.reporting import Recording

STEP = Checkpoint(MODEL, 64)
CUT = Faults(truncate=300_000)  # by three attempts 900,000 bytes arrive


def kept(store: Store) -> list[int]:
    return sorted(path.stat().st_size for path in store.folder.glob("partial/*/*"))


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


def test_nothing_is_fetched_again_after_an_interrupt_while_quantizing(
    suite_hub: Hub, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*arguments: object, **more: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(pipeline, "publish_source", interrupted)
        with pytest.raises(KeyboardInterrupt):
            list(download(store, [STEP]))
    assert sum(kept(store)) == plan_fetch(STEP).n_bytes
    n_transfers = len(suite_hub.transfers)
    assert [outcome.status for outcome in download(store, [STEP])] == ["installed"]
    assert len(suite_hub.transfers) == n_transfers
    assert kept(store) == []


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
    assert kept(store) == []


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


def test_old_ones_are_removed_unless_in_use(suite_hub: Hub, store: Store) -> None:
    break_off(suite_hub, store)
    partial.remove_old(store)
    assert len(kept(store)) == 3
    old = time.time() - 15 * 86400
    folder = partial.place_of(store, STEP)
    for path in (*folder.iterdir(), folder):
        os.utime(path, (old, old))
    with lock(store.lock_path(str(STEP)), str(STEP), 0):
        partial.remove_old(store)
    assert len(kept(store)) == 3
    partial.remove_old(store)
    assert kept(store) == []


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
    with pytest.raises(StoreNotWritable, match="is a link, and is not written through"):
        list(download(store, [STEP]))
    assert sorted(path.name for path in elsewhere.iterdir()) == [str(STEP), "theirs"]
