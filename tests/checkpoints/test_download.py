"""Downloads in this process: what comes of each checkpoint, and what is left in the store."""

from __future__ import annotations

import json
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import huggingface_hub
import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from pythia_cli.checkpoints import hub_fetch, partial, pipeline
from pythia_cli.checkpoints.download import Outcome, download, plan_download
from pythia_cli.checkpoints.plan import plan_fetch
from pythia_cli.checkpoints.publish import workspace
from pythia_cli.checkpoints.store import Store
from pythia_cli.checkpoints.transfer import Transfer
from pythia_cli.errors import (
    DamagedCheckpoint,
    DamagedDownload,
    InputError,
    IntegrityError,
    InvalidName,
    LockTimeout,
    NoRoom,
    NotOnHub,
    PythiaError,
    RateLimited,
    StoreNotWritable,
    UnknownName,
    UnsupportedModel,
)
from pythia_cli.kernels import compiled
from pythia_cli.reporting import Reporter
from pythia_cli.suite.checkpoint import Checkpoint
from pythia_cli.weights.float_checkpoint import FloatCheckpoint
from pythia_cli.weights.int8_file import Int8File
from tests.fakes.hub import Branch, Faults, Hub, commit_of
from tests.fakes.suite import DUPLICATE_STEP, EMPTY_STEP, MODEL, REPO, WRONG_HASH_STEP
from tests.reporting import Counted, Recording

WEIGHTS = "model.safetensors"


def steps(*numbers: int) -> list[Checkpoint]:
    return [Checkpoint(MODEL, number) for number in numbers]


def statuses(outcomes: Iterator[Outcome]) -> list[tuple[str, int]]:
    return [(outcome.status, outcome.checkpoint.step) for outcome in outcomes]


def installed(store: Store) -> list[int]:
    return [one.checkpoint.step for one in store.installed()]


def is_clean(store: Store) -> bool:
    return not list(store.folder.glob("incoming/*"))


def serve_changed(hub: Hub, folder: Path, step: int = 6000, **files: dict[str, Any] | None) -> None:
    """Serve a copy of step 64 as another one, some JSON files replaced or (None) missing."""
    source = hub.repos[REPO]["step64"].folder
    assert source is not None
    shutil.copytree(source, folder)
    for stem, content in files.items():
        path = folder / f"{stem.replace('__', '.')}.json"
        path.unlink(missing_ok=True)
        if content is not None:
            path.write_text(json.dumps(content))
    hub.repos = {REPO: {**hub.repos[REPO], f"step{step}": Branch(f"{step:040}", folder)}}


class Measuring:
    """A certifier that measures nothing."""

    def __init__(self, error: Exception | None = None) -> None:
        self._error = error

    def check(self, source: FloatCheckpoint) -> None:
        if self._error is not None:
            raise self._error

    def certify(
        self, source: FloatCheckpoint, weights: Path, n_threads: int, reporter: Reporter
    ) -> dict[str, Any]:
        assert Int8File(weights).config == source.config
        return {"kl_mean": 0.5}


@pytest.mark.parametrize("when", ["while it arrives", "when it has arrived"])
def test_a_file_that_another_process_writes_to(
    suite_hub: Hub, store: Store, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    """What arrived is right, but not what is read: two computers cannot see each other's locks.

    The other one has had the file open since before it was ours.
    """
    fetch = hub_fetch.fetch
    plan = plan_fetch(Checkpoint(MODEL, 64))
    part = partial.folder_for(store, plan.checkpoint) / plan.digest(WEIGHTS)
    folder = suite_hub.repos[REPO]["step64"].folder
    assert folder is not None
    part.write_bytes((folder / WEIGHTS).read_bytes()[:1_000_000])
    other = part.open("r+b", buffering=0)

    def meets(revision: Any, name: str, path: Path, **options: Any) -> str:
        def write() -> None:
            other.seek(999_000)
            other.write(b"something")

        class Writes(Counted):
            def advance(self, amount: int) -> None:
                if self.done == 0 and path.stat().st_size > 10:
                    write()
                    self.done += 1

        if name != WEIGHTS:
            return fetch(revision, name, path, **options)
        if when == "while it arrives":
            return fetch(revision, name, path, **{**options, "arrived": Writes()})
        sha256 = fetch(revision, name, path, **options)
        write()
        return sha256

    with monkeypatch.context() as patched, other:
        patched.setattr(hub_fetch, "fetch", meets)
        (outcome,) = download(store, steps(64))
    assert (outcome.status, installed(store)) == ("failed", [])
    assert "changed while it was read" in str(outcome.error)
    assert statuses(download(store, steps(64))) == [("installed", 64)]


def test_weights_that_are_others_than_those_verified(
    suite_hub: Hub, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody but us knows their name; but it is seen if they are, and they are hashed again."""
    other = suite_hub.repos[REPO]["step512"].folder
    assert other is not None
    bring = Transfer.wait

    def swapped(transfer: Transfer) -> None:
        bring(transfer)
        path = (transfer.folder / WEIGHTS).resolve()
        shutil.copyfile(other / WEIGHTS, path.with_name("other"))
        path.with_name("other").replace(path)

    with monkeypatch.context() as patch:
        patch.setattr(Transfer, "wait", swapped)
        (outcome,) = download(store, steps(64))
    assert (outcome.status, installed(store)) == ("failed", [])
    assert "changed while it was read" in str(outcome.error)


def test_a_cached_file_that_changes_when_it_was_checked(
    suite_hub: Hub, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    huggingface_hub.hf_hub_download(
        REPO, WEIGHTS, revision="step64", cache_dir=tmp_path / "cache", endpoint=suite_hub.url
    )
    bring = Transfer.wait

    def changed(transfer: Transfer) -> None:
        bring(transfer)
        with (transfer.folder / WEIGHTS).open("r+b") as file:
            file.seek(-10, 2)
            file.write(b"something")

    monkeypatch.setattr(Transfer, "wait", changed)
    (outcome,) = download(store, steps(64))
    assert (outcome.status, installed(store)) == ("failed", [])
    assert "changed while it was read" in str(outcome.error)


def swap_tokens(tokenizer: Path) -> None:
    """Two tokens change places: a tokenizer like any other, but not the one of the model."""
    content = json.loads(tokenizer.read_text())
    vocabulary = content["model"]["vocab"]
    one, other = [token for token, i in vocabulary.items() if i > 300][:2]
    vocabulary[one], vocabulary[other] = vocabulary[other], vocabulary[one]
    tokenizer.write_text(json.dumps(content))


def set_end_of_text(config: Path) -> None:
    """A field that decides nothing here."""
    config.write_text(json.dumps({**json.loads(config.read_text()), "eos_token_id": 5}))


@pytest.mark.parametrize("keep_original", [False, True])
@pytest.mark.parametrize("is_cached", [False, True])
@pytest.mark.parametrize("moment", ["before it was checked", "when it was checked"])
@pytest.mark.parametrize(
    ("name", "change"), [("tokenizer.json", swap_tokens), ("config.json", set_end_of_text)]
)
def test_a_small_file_that_changes_after_it_was_verified(
    suite_hub: Hub,
    store: Store,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    change: Callable[[Path], None],
    moment: str,
    is_cached: bool,
    keep_original: bool,
) -> None:
    """In the cache of other programs, or in the store, by a process that had it open before."""
    if is_cached:
        huggingface_hub.hf_hub_download(
            REPO, name, revision="step64", cache_dir=tmp_path / "cache", endpoint=suite_hub.url
        )
    method = "wait_for_small_files" if moment == "before it was checked" else "wait"
    bring = getattr(Transfer, method)

    def changed(transfer: Transfer) -> None:
        bring(transfer)
        change((transfer.folder / name).resolve())

    monkeypatch.setattr(Transfer, method, changed)
    (outcome,) = download(store, steps(64), keep_original=keep_original)
    assert isinstance(outcome.error, IntegrityError)
    assert str(outcome.error) == f"{REPO} step64 {name}: changed after it was verified"
    assert (outcome.status, installed(store)) == ("failed", [])
    assert not list(store.tokenizers.glob("*"))


@pytest.mark.parametrize("file", ["config", "tokenizer"])
def test_small_files_are_checked_while_the_weights_arrive(
    suite_hub: Hub, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: str
) -> None:
    # Another test may have given up a transfer, whose thread still waits.
    put_away, others = partial.put_away, set(threading.enumerate())

    def put_away_when_nothing_arrives(*arguments: Any) -> Any:
        ours = set(threading.enumerate()) - others
        assert not [one for one in ours if "transfer" in one.name]
        return put_away(*arguments)

    monkeypatch.setattr(partial, "put_away", put_away_when_nothing_arrives)
    folder = suite_hub.repos[REPO]["step64"].folder
    assert folder is not None
    content = json.loads((folder / f"{file}.json").read_text())
    if file == "config":
        content["num_hidden_layers"] += 1
    else:  # a token that is not spelled in bytes
        vocabulary = content["model"]["vocab"]
        vocabulary["\u4e00"] = max(vocabulary.values()) + 1
    serve_changed(suite_hub, tmp_path / "changed", **{file: content})
    suite_hub.faults = Faults(pause_seconds=0.2)
    outcomes = download(store, steps(6000, 64))
    failed = next(outcomes)
    assert isinstance(failed.error, UnsupportedModel if file == "config" else IntegrityError)
    assert str(failed.error).startswith(f"{REPO} step6000 {file}.json: ")
    ((_, n_bytes),) = suite_hub.transfers
    assert n_bytes < (folder / WEIGHTS).stat().st_size / 2
    suite_hub.faults = Faults()
    assert statuses(outcomes) == [("installed", 64)]
    assert is_clean(store)


def test_kernels_are_compiled_while_it_arrives(
    suite_hub: Hub, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    load, arrived = compiled.load, []

    def noted(reporter: Reporter) -> None:
        until = time.monotonic() + 60
        while not suite_hub.transfers and time.monotonic() < until:
            time.sleep(0.02)
        arrived.append(suite_hub.transfers[0][1])
        load(reporter)

    suite_hub.faults = Faults(pause_seconds=0.03)
    monkeypatch.setattr(compiled, "load", noted)
    assert statuses(download(store, steps(64))) == [("installed", 64)]
    assert arrived[0] < plan_fetch(Checkpoint(MODEL, 64)).size(WEIGHTS) / 2


def test_several(suite_hub: Hub, store: Store, reporter: Recording) -> None:
    outcomes = download(store, steps(64, 512, 64), reporter=reporter)
    assert statuses(outcomes) == [("installed", 64), ("installed", 512)]
    assert [name for name, _ in suite_hub.transfers] == [WEIGHTS] * 2
    found = store.get(Checkpoint(MODEL, 512))
    assert found.manifest["source"]["commit"] == commit_of(REPO, "step512")
    assert Int8File(found.weights).damaged_tensors() == []
    assert found.manifest["source_folder"] is None
    assert is_clean(store)
    overall, *others = reporter.tasks
    fetched = [task for task in others if task.label.startswith("fetching")]
    assert overall.label == "2 checkpoints"
    assert overall.done == overall.total == sum(task.total for task in fetched)
    assert [task.done for task in fetched] == [task.total for task in fetched]
    assert all(task.ended for task in reporter.tasks)
    assert reporter.notes[-2:] == [
        f"fetching {REPO} step64: {fetched[0].total / 1e6:,.1f} MB",
        f"fetching {REPO} step512: {fetched[1].total / 1e6:,.1f} MB",
    ]
    before = len(suite_hub.requests)
    assert statuses(download(store, steps(512, 64))) == [("present", 512), ("present", 64)]
    assert len(suite_hub.requests) == before


def test_outcomes_as_json(suite_hub: Hub, store: Store) -> None:
    done, failed = [o.to_dict() for o in download(store, steps(64, EMPTY_STEP))][::-1]
    assert failed == {
        "status": "failed",
        "model": MODEL,
        "checkpoint": f"step{EMPTY_STEP}",
        "step": EMPTY_STEP,
        "tokens_seen": EMPTY_STEP * 2_097_152,
        "error": f"{REPO} step{EMPTY_STEP} holds no weights",
    }
    assert (done["status"], done["step"]) == ("installed", 64)
    assert json.loads(json.dumps(done)) == done


def test_a_plan_fetches_nothing(suite_hub: Hub, store: Store) -> None:
    outcomes, plans = plan_download(store, steps(64, EMPTY_STEP, 512))
    assert [(o.status, o.checkpoint.step) for o in outcomes] == [("failed", EMPTY_STEP)]
    assert [plan.checkpoint.step for plan in plans] == [64, 512]
    assert suite_hub.transfers == []
    assert not store.folder.exists()


def test_one_is_fetched_while_another_is_quantized(
    suite_hub: Hub, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    transfers: list[int] = []

    def watched(*arguments: Any, **more: Any) -> Any:
        transfers.append(len([t for t in started if t.startswith("fetching")]))
        return publish(*arguments, **more)

    publish = pipeline.publish_source
    monkeypatch.setattr(pipeline, "publish_source", watched)
    reporter = Recording()
    started = reporter.notes
    list(download(store, steps(0, 64, 512), reporter=reporter))
    assert transfers == [2, 3, 3]


def test_errors_of_one_keep_no_other_out(suite_hub: Hub, store: Store, tmp_path: Path) -> None:
    serve_changed(suite_hub, tmp_path / "llama", config={"model_type": "llama"})
    found = {
        outcome.checkpoint.step: outcome
        for outcome in download(store, steps(64, WRONG_HASH_STEP, EMPTY_STEP, 6000, 512))
    }
    assert installed(store) == [64, 512]
    assert is_clean(store)
    errors = {step: outcome.error for step, outcome in found.items() if outcome.error}
    assert {step: type(error) for step, error in errors.items()} == {
        WRONG_HASH_STEP: DamagedDownload,
        EMPTY_STEP: NotOnHub,
        6000: UnsupportedModel,
    }
    assert str(errors[6000]).startswith(f"{REPO} step6000 config.json: model_type is 'llama'")


def test_errors_name_the_file_as_it_was_fetched(
    suite_hub: Hub, store: Store, tmp_path: Path
) -> None:
    index = "model__safetensors__index"
    serve_changed(suite_hub, tmp_path / "a", tokenizer={"not": "a tokenizer"})
    serve_changed(
        suite_hub, tmp_path / "b", 7000, **{index: {"weight_map": {"x": "absent.safetensors"}}}
    )
    (tmp_path / "b" / WEIGHTS).unlink()
    damaged, missing = download(store, steps(6000, 7000))
    assert isinstance(damaged.error, IntegrityError)
    assert str(damaged.error).startswith(f"{REPO} step6000 tokenizer.json: ")
    assert isinstance(missing.error, NotOnHub)
    assert str(missing.error).startswith(f"{REPO} step7000 absent.safetensors does not exist")
    assert missing.error.checkpoint == Checkpoint(MODEL, 7000)
    for outcome in (damaged, missing):
        assert str(store.folder) not in str(outcome.error)
    assert installed(store) == []


def test_doubts_are_noted_before_anything_is_fetched(
    suite_hub: Hub, store: Store, reporter: Recording
) -> None:
    list(download(store, steps(512), reporter=reporter))
    reporter.notes.clear()
    list(download(store, steps(DUPLICATE_STEP), reporter=reporter))
    assert reporter.notes[1] == (
        f"{REPO} step{DUPLICATE_STEP}: {WEIGHTS} is the same file as in {MODEL}@512"
    )
    assert reporter.notes[2].startswith("fetching")


def test_the_repository_that_answered_is_recorded(
    suite_hub: Hub, store: Store, reporter: Recording
) -> None:
    suite_hub.faults = Faults(answers_for="EleutherAI/pythia-14m-deduped")
    (outcome,) = download(store, steps(64), reporter=reporter)
    assert outcome.installed is not None
    assert outcome.installed.manifest["model"] == MODEL  # what was asked for
    assert outcome.installed.manifest["source"]["repo"] == "EleutherAI/pythia-14m-deduped"
    assert any("answered for EleutherAI/pythia-14m-deduped" in note for note in reporter.notes)


def test_a_damaged_manifest_keeps_no_other_out(suite_hub: Hub, store: Store) -> None:
    list(download(store, steps(64)))
    (store.place(Checkpoint(MODEL, 64)) / "manifest.json").write_text("{")
    bad, good = download(store, steps(64, 512))
    assert isinstance(bad.error, DamagedCheckpoint)
    assert (bad.status, good.status) == ("failed", "installed")
    assert statuses(download(store, steps(64), replace=True)) == [("installed", 64)]


def test_the_original_is_kept(suite_hub: Hub, store: Store) -> None:
    (outcome,) = download(store, steps(64), keep_original=True)
    assert outcome.installed is not None
    folder = Path(outcome.installed.manifest["source_folder"])
    assert folder.parent == outcome.installed.folder
    assert FloatCheckpoint(folder).sha256() == outcome.installed.manifest["source"]["files"]


def test_certified(suite_hub: Hub, store: Store) -> None:
    (outcome,) = download(store, steps(64), certifier=Measuring())
    assert outcome.installed is not None
    assert outcome.installed.certificate == {"kl_mean": 0.5}
    with pytest.raises(InputError):
        list(download(store, steps(512), certifier=Measuring(InputError("text", "is empty"))))
    assert installed(store) == [64]
    assert is_clean(store)


@pytest.mark.parametrize(
    ("checkpoint", "kind", "text"),
    [
        (Checkpoint("demo", 0), InvalidName, "'demo' is built in"),
        (Checkpoint("pythia-14", 0), UnknownName, "did you mean pythia-14m"),
        (Checkpoint(MODEL, 3), UnknownName, "did you mean 2 or 4"),
    ],
)
def test_what_is_not_published_is_refused_at_once(
    suite_hub: Hub, store: Store, checkpoint: Checkpoint, kind: type[Exception], text: str
) -> None:
    with pytest.raises(kind, match=text):
        download(store, [*steps(64), checkpoint])
    with pytest.raises(kind, match=text):
        plan_download(store, [checkpoint])
    assert suite_hub.requests == []


def test_what_concerns_all_is_raised(
    suite_hub: Hub, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    suite_hub.faults = Faults(api_status_for_ever=429, retry_after=3600)
    with pytest.raises(RateLimited):
        list(download(store, steps(64, 512)))
    suite_hub.faults = Faults()
    usage = shutil.disk_usage
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(path)._replace(free=10**7))
    with pytest.raises(NoRoom, match="needs 43 MB, and 10 MB are free"):
        list(download(store, steps(64)))
    assert suite_hub.transfers == []
    assert not store.folder.exists()


@pytest.mark.parametrize("kind", [StoreNotWritable, InvalidName])
def test_what_hinders_the_next_one_is_raised_in_its_turn(
    suite_hub: Hub, store: Store, monkeypatch: pytest.MonkeyPatch, kind: type[PythiaError]
) -> None:
    original = pipeline.workspace

    def hindered(store: Store, checkpoint: Checkpoint, **more: Any) -> Any:
        if checkpoint.step == 512:
            raise kind("STORE", "is in the way")  # type: ignore[call-arg]
        return original(store, checkpoint, **more)

    monkeypatch.setattr(pipeline, "workspace", hindered)
    outcomes = download(store, steps(64, 512))
    assert next(outcomes).status == "installed"
    with pytest.raises(kind, match="is in the way"):
        next(outcomes)


def test_a_lock_that_another_holds(suite_hub: Hub, store: Store, reporter: Recording) -> None:
    with (
        workspace(store, Checkpoint(MODEL, 64), wait_seconds=0),
        pytest.raises(LockTimeout),
    ):
        list(download(store, steps(64), wait_seconds=0, reporter=reporter))
    assert any("waiting for another pythia" in note for note in reporter.notes)


def test_what_another_process_has_installed_meanwhile_is_not_fetched(
    suite_hub: Hub, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = pipeline.workspace
    first = True

    def late(*arguments: Any, **more: Any) -> Any:
        nonlocal first
        if first:
            first = False
            list(download(store, steps(64)))
        return original(*arguments, **more)

    monkeypatch.setattr(pipeline, "workspace", late)
    assert statuses(download(store, steps(64))) == [("present", 64)]
    assert len(suite_hub.transfers) == 1


def test_a_download_that_is_broken_off_leaves_nothing(suite_hub: Hub, store: Store) -> None:
    outcomes = download(store, steps(0, 64, 512))
    assert next(outcomes).status == "installed"
    outcomes.close()  # type: ignore[attr-defined]
    assert installed(store) == [0]
    assert is_clean(store)
    assert statuses(download(store, steps(64))) == [("installed", 64)]


def test_a_transfer_ends_before_its_folder_is_removed(
    suite_hub: Hub, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = hub_fetch.fetch
    begun, may_go_on = threading.Event(), threading.Event()
    fetched: list[str] = []

    def slow(origin: Any, name: str, *arguments: Any, **more: Any) -> Any:
        if origin.name == "step64":
            fetched.append(name)
            begun.set()
            may_go_on.wait(10)
        return original(origin, name, *arguments, **more)

    monkeypatch.setattr(hub_fetch, "fetch", slow)
    outcomes = download(store, steps(0, 64))
    assert next(outcomes).status == "installed"
    assert begun.wait(10)
    threading.Timer(0.2, may_go_on.set).start()
    outcomes.close()  # type: ignore[attr-defined]
    assert is_clean(store)
    time.sleep(0.5)
    assert is_clean(store)
    assert len(fetched) == 1


def test_damage_that_quantizing_finds_is_named_by_its_revision(
    suite_hub: Hub, store: Store, tmp_path: Path
) -> None:
    folder = tmp_path / "changed"
    serve_changed(suite_hub, folder)
    tensors = load_file(folder / WEIGHTS)
    tensors["embed_out.weight"][7, 3] = np.nan
    save_file(tensors, folder / WEIGHTS)
    (outcome,) = download(store, steps(6000))
    assert isinstance(outcome.error, IntegrityError)
    assert str(outcome.error).startswith(f"{REPO} step6000 {WEIGHTS}: ")
    assert "NaN" in str(outcome.error)
