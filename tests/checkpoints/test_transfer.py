"""The files of a plan in one folder: fetched, linked or copied, verified, given up."""

from __future__ import annotations

import errno
from pathlib import Path

import huggingface_hub
import pytest

from pythia_cli.checkpoints import hub_fetch
from pythia_cli.checkpoints import transfer as transferring
from pythia_cli.checkpoints.plan import FetchPlan, plan_fetch
from pythia_cli.checkpoints.transfer import Transfer
from pythia_cli.errors import DamagedDownload, NotCached, StoreNotWritable, Unreachable
from pythia_cli.suite.checkpoint import Checkpoint
from tests.fakes.hub import Faults, Hub
from tests.fakes.suite import MODEL, REPO, WRONG_HASH_STEP
from tests.reporting import Counted

WEIGHTS = "model.safetensors"
NAMES = ["config.json", WEIGHTS, "tokenizer.json"]
STEP = Checkpoint(MODEL, 64)


def bring(plan: FetchPlan, folder: Path, **more: object) -> Transfer:
    partial = folder.with_name("partial")
    partial.mkdir(exist_ok=True)
    transfer = Transfer(plan, folder, partial, **more)  # type: ignore[arg-type]
    transfer.start()
    transfer.wait()
    return transfer


def fill_cache(hub: Hub, cache: Path, *names: str) -> None:
    for name in names or NAMES:
        huggingface_hub.hf_hub_download(
            REPO, name, revision="step64", cache_dir=cache, endpoint=hub.url
        )


def damage_cached_weights(cache: Path) -> Path:
    (blob,) = [path for path in cache.rglob("blobs/*") if path.stat().st_size > 5_000_000]
    blob.write_bytes(blob.read_bytes()[:-1] + b"x")
    return blob


def test_all_files_are_fetched(suite_hub: Hub, tmp_path: Path) -> None:
    plan = plan_fetch(STEP)
    task = Counted("", 0)
    transfer = bring(plan, tmp_path / "here", task=task)
    assert transfer.folder == tmp_path / "here"
    assert transfer.is_ours
    assert transfer.sha256 == plan.sha256
    assert task.done == plan.n_bytes
    assert sorted(path.name for path in transfer.folder.iterdir()) == NAMES


def test_a_stated_hash_that_is_wrong(suite_hub: Hub, tmp_path: Path) -> None:
    plan = plan_fetch(Checkpoint(MODEL, WRONG_HASH_STEP))
    with pytest.raises(DamagedDownload, match=f"step{WRONG_HASH_STEP} {WEIGHTS}: has sha256"):
        bring(plan, tmp_path / "here")


@pytest.mark.parametrize(
    ("faults", "text"),
    [
        (Faults(wrong_bytes=True), "has sha256"),
        (Faults(instead=b"short"), "has 5 bytes, but the Hub says"),
    ],
)
def test_what_arrives_is_checked(suite_hub: Hub, tmp_path: Path, faults: Faults, text: str) -> None:
    plan = plan_fetch(STEP)
    suite_hub.faults = faults
    with pytest.raises(DamagedDownload, match=text):
        bring(plan, tmp_path / "here")


def test_a_transfer_goes_on_where_it_was_cut(suite_hub: Hub, tmp_path: Path) -> None:
    plan = plan_fetch(STEP)
    suite_hub.faults = Faults(truncate=15_000_000, truncate_times=1)
    task = Counted("", 0)
    assert bring(plan, tmp_path / "here", task=task).sha256 == plan.sha256
    assert task.done == plan.n_bytes
    assert suite_hub.transfers[-1][1] < plan.size(WEIGHTS)


def test_a_transfer_that_stalls_is_given_up(
    suite_hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transferring, "_STALL_SECONDS", 0.3)
    monkeypatch.setattr(transferring, "_LOOK_SECONDS", 0.05)
    plan = plan_fetch(STEP)
    suite_hub.faults = Faults(drip_seconds=0.2)
    with pytest.raises(Unreachable, match="almost nothing arrived for 0 s"):
        bring(plan, tmp_path / "here")


def test_a_disk_that_is_full(
    suite_hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*arguments: object, **more: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(hub_fetch, "_go_on", full)
    with pytest.raises(StoreNotWritable, match=r"json: cannot be written \(No space left"):
        bring(plan_fetch(STEP), tmp_path / "here")


def test_a_full_cache_is_used_where_it_is(suite_hub: Hub, tmp_path: Path) -> None:
    fill_cache(suite_hub, tmp_path / "cache")
    before = len(suite_hub.transfers)
    plan = plan_fetch(STEP)
    transfer = bring(plan, tmp_path / "here")
    assert not transfer.is_ours
    assert transfer.folder.is_relative_to(tmp_path / "cache")
    assert transfer.sha256 == plan.sha256
    kept = bring(plan, tmp_path / "kept", keep=True)
    assert kept.is_ours
    assert kept.folder == tmp_path / "kept"
    assert not any(path.is_symlink() for path in kept.folder.iterdir())
    assert len(suite_hub.transfers) == before
    assert bring(plan_fetch(STEP, offline=True), tmp_path / "offline").sha256 == plan.sha256


def test_part_of_a_checkpoint_is_cached(suite_hub: Hub, tmp_path: Path) -> None:
    fill_cache(suite_hub, tmp_path / "cache", "config.json", "tokenizer.json")
    plan = plan_fetch(STEP)
    task = Counted("", 0)
    transfer = bring(plan, tmp_path / "here", task=task)
    assert transfer.is_ours
    assert task.done == plan.size(WEIGHTS) == plan.n_bytes
    assert (transfer.folder / "config.json").is_symlink()
    assert (transfer.folder / WEIGHTS).resolve().parent == tmp_path / "partial"


def test_a_damaged_cache_is_not_trusted_and_not_changed(suite_hub: Hub, tmp_path: Path) -> None:
    fill_cache(suite_hub, tmp_path / "cache")
    blob = damage_cached_weights(tmp_path / "cache")
    damaged = blob.read_bytes()
    with pytest.raises(DamagedDownload):
        bring(plan_fetch(STEP, offline=True), tmp_path / "offline")
    plan = plan_fetch(STEP)
    transfer = bring(plan, tmp_path / "here")
    assert transfer.is_ours
    assert transfer.sha256 == plan.sha256
    assert blob.read_bytes() == damaged


def test_offline_a_missing_file_is_not_asked_for(suite_hub: Hub, tmp_path: Path) -> None:
    fill_cache(suite_hub, tmp_path / "cache")
    plan = plan_fetch(STEP, offline=True)
    del plan.cached[WEIGHTS]  # type: ignore[attr-defined]
    before = len(suite_hub.requests)
    with pytest.raises(NotCached, match=WEIGHTS):
        bring(plan, tmp_path / "here")
    assert len(suite_hub.requests) == before
