"""The store: what is published can be found, and what fails leaves no trace."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pythia_cli.errors import IntegrityError, NotInstalled, ResourceError
from pythia_cli.hf_checkpoint import FloatCheckpoint
from pythia_cli.int8_file import Int8File, Source
from pythia_cli.store import Installed, Store
from pythia_cli.suite import Checkpoint
from tests.conftest import DEMO, GOLDEN

FIRST, SECOND = Checkpoint("mine", 1), Checkpoint("mine", 2)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], FloatCheckpoint]:
    """sources(name): a tiny golden checkpoint with the demo's tokenizer beside it."""

    def source(name: str) -> FloatCheckpoint:
        folder = tmp_path_factory.mktemp("source") / name
        shutil.copytree(GOLDEN / "models" / name, folder)
        shutil.copy(DEMO / "step0/tokenizer.json", folder)
        return FloatCheckpoint(folder)

    return source


@pytest.fixture(scope="module")
def small(sources: Callable[[str], FloatCheckpoint]) -> FloatCheckpoint:
    return sources("head8-f16")


@pytest.fixture(scope="module")
def other(sources: Callable[[str], FloatCheckpoint]) -> FloatCheckpoint:
    return sources("head12-f32")


def publish(store: Store, checkpoint: FloatCheckpoint, name: Checkpoint, **more: Any) -> Installed:
    source = Source("someone/mine", name.revision, "abc", checkpoint.sha256())
    return store.publish(checkpoint, name, source, **more)


def certificate(weights: Path) -> dict[str, Any]:
    assert Int8File(weights).damaged_tensors() == []
    return {"kl_mean": 0.25}


def files(store: Store) -> list[str]:
    return sorted(
        str(path.relative_to(store.folder)) for path in store.folder.rglob("*") if path.is_file()
    )


def test_publish_and_find(store: Store, small: FloatCheckpoint) -> None:
    assert store.installed() == []
    assert store.find(FIRST) is None
    told: list[int] = []
    published = publish(store, small, FIRST, progress=told.append, certify=certificate)
    assert store.get(FIRST) == store.find(FIRST) == published
    assert store.installed() == [published]
    assert sum(told) == sum(small.tensor(name).size for name in small._readers)
    file = Int8File(published.weights)
    assert (file.config, file.source.commit) == (small.config, "abc")
    assert (
        published.tokenizer_path(file.tokenizer_sha256).read_bytes()
        == small.tokenizer_path.read_bytes()
    )
    assert published.certificate() == {"kl_mean": 0.25}
    assert published.n_bytes() > published.weights.stat().st_size
    manifest = published.manifest()
    assert (manifest["model"], manifest["step"]) == ("mine", 1)
    assert manifest["source"]["sha256"] == small.sha256()["model.safetensors"]
    assert manifest["source_folder"] == str(small.folder.resolve())
    assert set(manifest["source_files"]) == {"config.json", "tokenizer.json", "model.safetensors"}
    assert manifest["tokenizer_sha256"] == file.tokenizer_sha256


def test_publish_leaves_nothing_else(store: Store, small: FloatCheckpoint) -> None:
    installed = publish(store, small, FIRST)
    sha256 = Int8File(installed.weights).tokenizer_sha256
    assert files(store) == [
        "checkpoints/mine/step1/manifest.json",
        "checkpoints/mine/step1/model.int8.safetensors",
        f"tokenizers/{sha256}.json",
    ]
    assert installed.certificate() is None


def test_publish_again_replaces(
    store: Store, small: FloatCheckpoint, other: FloatCheckpoint
) -> None:
    publish(store, small, FIRST, certify=certificate)
    opened_before = Int8File(store.get(FIRST).weights)
    replaced = publish(store, other, FIRST)
    assert Int8File(replaced.weights).config == other.config
    assert replaced.certificate() is None
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
    written = kept.stat().st_mtime_ns
    publish(store, small, SECOND)
    assert [*(store.folder / "tokenizers").iterdir()] == [kept]
    assert kept.stat().st_mtime_ns == written
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
        "tokenizers",
    ]


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"model": "a/b", "step": 1}', '{"step": 1}'])
def test_a_damaged_choice_is_told(store: Store, content: str) -> None:
    store.folder.mkdir()
    (store.folder / "active.json").write_text(content)
    with pytest.raises(IntegrityError, match=r"active\.json"):
        store.active()


@pytest.mark.parametrize("content", ["", "[]", '{"source_folder": "/"}', '{"source_files": {}}'])
def test_a_damaged_manifest_is_told(store: Store, small: FloatCheckpoint, content: str) -> None:
    installed = publish(store, small, FIRST)
    (installed.folder / "manifest.json").write_text(content)
    with pytest.raises(IntegrityError, match=r"manifest\.json"):
        installed.manifest()


def test_unknown_files_are_left_alone(store: Store, small: FloatCheckpoint) -> None:
    theirs = [
        "notes.txt",
        "incoming/another-process/model.int8.safetensors",
        "checkpoints/mine/notes.txt",
        "checkpoints/mine/step01/model.int8.safetensors",
        "checkpoints/mine/latest/model.int8.safetensors",
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


class Countdown:
    """Lets `k` calls through and fails the next one."""

    def __init__(self, k: int, failure: BaseException) -> None:
        self.left = k
        self.failure = failure
        self.failed = False

    def __call__(self) -> None:
        self.left -= 1
        if self.left == -1:
            self.failed = True
            raise self.failure


class FailingFile:
    """A file opened for writing, whose writes count."""

    def __init__(self, file: Any, count: Callable[[], None]) -> None:
        self._file = file
        self._count = count

    def __enter__(self) -> FailingFile:
        return self

    def __exit__(self, *error: object) -> None:
        self._file.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def write(self, data: Any) -> int:
        self._count()
        written: int = self._file.write(data)
        return written


def fail_fsync(patch: pytest.MonkeyPatch, count: Callable[[], None]) -> None:
    fsync = os.fsync
    patch.setattr(os, "fsync", lambda descriptor: (count(), fsync(descriptor)))


def fail_rename(patch: pytest.MonkeyPatch, count: Callable[[], None]) -> None:
    for name in ("rename", "replace"):
        original = getattr(Path, name)
        patch.setattr(
            Path, name, lambda path, to, original=original: (count(), original(path, to))[1]
        )


def fail_write(patch: pytest.MonkeyPatch, count: Callable[[], None]) -> None:
    original = Path.open

    def opened(path: Path, mode: str = "r", *more: Any, **named: Any) -> Any:
        file = original(path, mode, *more, **named)
        return FailingFile(file, count) if "x" in mode or "w" in mode else file

    patch.setattr(Path, "open", opened)


def failures(
    patch_with: Callable[[pytest.MonkeyPatch, Callable[[], None]], None],
    failure: BaseException,
    work: Callable[[], object],
) -> Iterator[BaseException]:
    """Do the work with its k-th such call failing, for k = 0, 1, ... until it succeeds."""
    for k in range(10_000):
        countdown = Countdown(k, failure)
        with pytest.MonkeyPatch.context() as patch:
            patch_with(patch, countdown)
            try:
                work()
            except BaseException as error:
                assert countdown.failed
                yield error
            else:
                assert not countdown.failed, f"failure {k} was swallowed"
                assert k > 0
                return


CALLS = pytest.mark.parametrize("patch_with", [fail_fsync, fail_rename, fail_write])
FAILURES = pytest.mark.parametrize(
    ("failure", "raised"),
    [(OSError(28, "No space left on device"), ResourceError), (KeyboardInterrupt(), None)],
    ids=["disk full", "interrupt"],
)


@CALLS
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
        assert files(store) == []
        assert store.installed() == []
    # weights, certificate, manifest and tokenizer are each written, synced and named
    assert n_failures >= 4
    assert Int8File(store.get(FIRST).weights).damaged_tensors() == []


@CALLS
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
    manifest, before = previous.manifest(), files(store)
    for error in failures(patch_with, failure, lambda: publish(store, other, FIRST)):
        assert isinstance(error, raised or KeyboardInterrupt)
        assert files(store) == before
        assert [installed.checkpoint for installed in store.installed()] == [FIRST, SECOND]
        kept = Int8File(store.get(FIRST).weights)
        assert (kept.config, kept.damaged_tensors()) == (small.config, [])
        assert previous.manifest() == manifest
        assert previous.certificate() == {"kl_mean": 0.25}
    assert Int8File(store.get(FIRST).weights).config == other.config


@CALLS
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

    monkeypatch.setattr("pythia_cli.store._fsync", damage)
    with pytest.raises(IntegrityError, match="did not come back as written"):
        publish(store, small, FIRST)
    assert files(store) == []
