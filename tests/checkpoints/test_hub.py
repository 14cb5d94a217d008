"""What the Hub says and sends: resolved, fetched and verified."""

from __future__ import annotations

import hashlib
import json
import threading
import time
from pathlib import Path

import huggingface_hub
import pytest

from pythia_cli.checkpoints import hub
from pythia_cli.errors import DamagedDownload, NotAHub, NotCached, NotOnHub, ResourceError
from tests.checkpoints.conftest import DATA, REPO
from tests.fakes.hub import Hub, _HubHandler, blob_id, commit_of
from tests.reporting import Counted


def test_a_revision_is_resolved_to_its_commit_and_files(served: Hub) -> None:
    revision = hub.resolve(REPO, "main")
    folder = served.repos[REPO]["main"].folder
    assert folder is not None
    assert (revision.commit, str(revision)) == (commit_of(REPO, "main"), f"{REPO} main")
    assert set(revision.files) == {"large.bin", "small.json"}
    assert revision.files["large.bin"].sha256 == hashlib.sha256(DATA).hexdigest()
    assert revision.files["large.bin"].size == len(DATA)
    assert revision.files["small.json"].sha256 is None
    assert revision.files["small.json"].blob_id == blob_id(folder / "small.json")
    assert hub.resolve(REPO, "empty").files == {}
    assert hub.branches(REPO) == ["main", "empty"]


@pytest.mark.parametrize(("repo", "name"), [(REPO, "gone"), ("someone/gone", "main")])
def test_what_is_not_there(served: Hub, repo: str, name: str) -> None:
    with pytest.raises(NotOnHub, match=name):
        hub.resolve(repo, name)


def test_files_are_fetched_and_counted(served: Hub, tmp_path: Path) -> None:
    revision = hub.resolve(REPO, "main")
    arrived, checked = Counted(), Counted()
    sha256 = hub.fetch(revision, "large.bin", tmp_path / "here", arrived=arrived, checked=checked)
    assert sha256 == hashlib.sha256(DATA).hexdigest()
    assert arrived.done == checked.done == len(DATA)
    hub.fetch(revision, "small.json", tmp_path / "here")
    assert json.loads((tmp_path / "here/small.json").read_text()) == {"a": 1}
    assert sorted(p.name for p in (tmp_path / "here").iterdir()) == ["large.bin", "small.json"]
    assert not (tmp_path / "cache").exists()
    with pytest.raises(NotOnHub, match=r"has no other\.bin"):
        hub.fetch(revision, "other.bin", tmp_path / "here")


@pytest.mark.parametrize("name", ["large.bin", "small.json"])
def test_every_byte_is_checked(served: Hub, tmp_path: Path, name: str) -> None:
    revision = hub.resolve(REPO, "main")
    hub.fetch(revision, name, tmp_path)
    path = tmp_path / name
    data = path.read_bytes()
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    with pytest.raises(DamagedDownload, match="the Hub says"):
        hub.check(revision, name, path)
    path.write_bytes(data[:-1])
    with pytest.raises(
        DamagedDownload, match=f"has {len(data) - 1} bytes, but the Hub says {len(data)}"
    ):
        hub.check(revision, name, path)


@pytest.mark.parametrize(
    "content",
    [
        b"<html>",
        b"{}",
        b"[]",
        b'{"id": "x", "sha": "../../main", "siblings": []}',
        b'{"id": "x", "sha": null, "siblings": []}',
    ],
)
def test_nonsense_is_no_hub(served: Hub, monkeypatch: pytest.MonkeyPatch, content: bytes) -> None:
    monkeypatch.setattr(_HubHandler, "_api", lambda self, path: self.answer(200, content))
    with pytest.raises(NotAHub, match="is not a Hugging Face Hub"):
        hub.resolve(REPO, "main")


def test_malformed_entries_are_left_out(served: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    siblings = [
        {"rfilename": "a.json", "size": 1, "blobId": "../../x"},
        {"rfilename": "b.bin", "size": None, "blobId": "0" * 40},
        {"rfilename": "c.json", "size": 1, "blobId": "0" * 40},
    ]
    body = json.dumps({"id": "x", "sha": "a" * 40, "siblings": siblings}).encode()
    monkeypatch.setattr(_HubHandler, "_api", lambda self, path: self.answer(200, body))
    assert set(hub.resolve(REPO, "main").files) == {"c.json"}


def test_offline_there_is_what_the_cache_has(served: Hub, tmp_path: Path) -> None:
    with pytest.raises(NotCached, match="we are offline"):
        hub.resolve_offline(REPO, "main")
    folder = served.repos[REPO]["main"].folder
    assert folder is not None
    (folder / "config.json").write_text("{}")
    cache = tmp_path / "cache"
    for name in ("config.json", "large.bin"):
        huggingface_hub.hf_hub_download(REPO, name, cache_dir=cache, endpoint=served.url)
    revision = hub.resolve_offline(REPO, "main")
    assert revision.commit == commit_of(REPO, "main")
    assert set(revision.files) == {"config.json", "large.bin"}
    assert revision.files["large.bin"].sha256 == hashlib.sha256(DATA).hexdigest()
    path = hub.cached(revision, "large.bin")
    assert path is not None
    assert hub.check(revision, "large.bin", path) == revision.files["large.bin"].sha256
    assert hub.cached(revision, "small.json") is None
    # A copy without links has lost what it could be verified by.
    path.unlink()
    path.write_bytes(DATA)
    with pytest.raises(DamagedDownload, match="cannot be verified"):
        hub.resolve_offline(REPO, "main")


def test_a_folder_that_cannot_be_written(served: Hub, tmp_path: Path) -> None:
    revision = hub.resolve(REPO, "main")
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ResourceError, match="cannot be written"):
        hub.fetch(revision, "large.bin", tmp_path / "file/below")


def test_several_questions_are_answered_in_order() -> None:
    assert hub.ask_several(lambda n: n * n, range(50)) == [n * n for n in range(50)]


def test_a_failed_question_does_not_wait_for_the_others() -> None:
    release = threading.Event()

    def ask(n: int) -> None:
        if n == 0:
            raise NotOnHub("nowhere")
        release.wait(60)

    started = time.monotonic()
    try:
        with pytest.raises(NotOnHub):
            hub.ask_several(ask, range(4))
        assert time.monotonic() - started < 30
    finally:
        release.set()
