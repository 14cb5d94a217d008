"""What the Hub says and sends, in this process; how it misbehaves is in cli/test_download.py."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import huggingface_hub
import huggingface_hub.constants as constants
import pytest

from pythia_cli.checkpoints import hub, hub_failures
from pythia_cli.errors import IntegrityError, NetworkError, NotFound, ResourceError
from tests.fakes.hub import Branch, Faults, Hub, blob_id, commit_of

REPO = "someone/something"
DATA = bytes(range(256)) * 4000


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A repository with a large and a small file, at the endpoint of this process."""
    folder = tmp_path / "served"
    folder.mkdir()
    (folder / "large.bin").write_bytes(DATA)
    (folder / "small.json").write_text('{"a": 1}')
    branches = {"main": Branch(commit_of(REPO, "main"), folder), "empty": Branch("e" * 40, None)}
    with Hub({REPO: branches}) as running:
        monkeypatch.setattr(constants, "ENDPOINT", running.url)
        template = running.url + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
        monkeypatch.setattr(hub_failures, "_RETRY_PAUSES", (0.01, 0.01))
        yield running


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
    with pytest.raises(NotFound, match=name):
        hub.resolve(repo, name)


def test_files_are_fetched_and_told_of(served: Hub, tmp_path: Path) -> None:
    revision = hub.resolve(REPO, "main")
    told: list[int] = []
    sha256 = hub.fetch(revision, "large.bin", tmp_path / "here", told.append)
    assert sha256 == hashlib.sha256(DATA).hexdigest()
    assert sum(told) == len(DATA)
    hub.fetch(revision, "small.json", tmp_path / "here")
    assert json.loads((tmp_path / "here/small.json").read_text()) == {"a": 1}
    assert sorted(p.name for p in (tmp_path / "here").iterdir()) == ["large.bin", "small.json"]
    assert not (tmp_path / "cache").exists()
    with pytest.raises(NotFound, match=r"has no other\.bin"):
        hub.fetch(revision, "other.bin", tmp_path / "here")


@pytest.mark.parametrize("name", ["large.bin", "small.json"])
def test_every_byte_is_checked(served: Hub, tmp_path: Path, name: str) -> None:
    revision = hub.resolve(REPO, "main")
    hub.fetch(revision, name, tmp_path)
    path = tmp_path / name
    data = path.read_bytes()
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    with pytest.raises(IntegrityError, match="the Hub says"):
        hub.check(revision, name, path)
    path.write_bytes(data[:-1])
    with pytest.raises(IntegrityError, match=f"{len(data) - 1} bytes arrived, of {len(data)}"):
        hub.check(revision, name, path)


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"<html>", NetworkError),
        (b"{}", NetworkError),
        (b"[]", NetworkError),
        (b'{"id": "x", "sha": "../../main", "siblings": []}', NetworkError),
        (b'{"id": "x", "sha": null, "siblings": []}', NetworkError),
    ],
)
def test_nonsense_is_no_hub(
    served: Hub, monkeypatch: pytest.MonkeyPatch, content: bytes, kind: type[Exception]
) -> None:
    from tests.fakes.hub import _HubHandler

    monkeypatch.setattr(_HubHandler, "_api", lambda self, path: self.answer(200, content))
    with pytest.raises(kind, match="is not a Hugging Face Hub"):
        hub.resolve(REPO, "main")


def test_malformed_entries_are_left_out(served: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.fakes.hub import _HubHandler

    siblings = [
        {"rfilename": "a.json", "size": 1, "blobId": "../../x"},
        {"rfilename": "b.bin", "size": None, "blobId": "0" * 40},
        {"rfilename": "c.json", "size": 1, "blobId": "0" * 40},
    ]
    body = json.dumps({"id": "x", "sha": "a" * 40, "siblings": siblings}).encode()
    monkeypatch.setattr(_HubHandler, "_api", lambda self, path: self.answer(200, body))
    assert set(hub.resolve(REPO, "main").files) == {"c.json"}


def test_a_stumbling_hub_is_asked_again(served: Hub) -> None:
    served.faults = Faults(api_status=[500, 503])
    assert hub.resolve(REPO, "main").name == "main"
    served.faults = Faults(api_status=[500, 500, 500])
    with pytest.raises(NetworkError, match="status 500"):
        hub.resolve(REPO, "main")
    assert served.faults.api_status == []


def test_a_hub_that_never_answers_is_given_up(served: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub, "ANSWER_SECONDS", 0.2)
    monkeypatch.setattr(hub_failures, "ANSWER_SECONDS", 0.2)
    monkeypatch.setattr(hub_failures, "_prepared", False)
    served.faults = Faults(silent=True)
    with pytest.raises(NetworkError, match="cannot be reached"):
        hub.resolve(REPO, "main")
    with pytest.raises(NetworkError, match="cannot be reached"):
        hub.branches(REPO)


def test_the_public_hubs_way_to_ask_for_a_pause(served: Hub) -> None:
    served.faults = Faults(ratelimit_seconds=250)
    with pytest.raises(NetworkError, match="come back in 250 s"):
        hub.resolve(REPO, "main")


def test_a_password_in_the_endpoint_is_not_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "ENDPOINT", "http://user:secret@127.0.0.1:1/x")
    assert hub_failures.endpoint() == "http://127.0.0.1:1/x"


def test_offline_there_is_what_the_cache_has(served: Hub, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="we are offline"):
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
    with pytest.raises(IntegrityError, match="cannot be verified"):
        hub.resolve_offline(REPO, "main")


def test_a_folder_that_cannot_be_written(served: Hub, tmp_path: Path) -> None:
    revision = hub.resolve(REPO, "main")
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ResourceError, match="cannot be written"):
        hub.fetch(revision, "large.bin", tmp_path / "file/below")
