"""What the Hub says, and what the cache has."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import threading
import time
from pathlib import Path

import huggingface_hub
import pytest

from pythia_cli.checkpoints import hub, hub_fetch
from pythia_cli.errors import DamagedDownload, NotAHub, NotCached, NotOnHub
from tests.checkpoints.conftest import DATA, REPO
from tests.fakes.hub import Hub, _HubHandler, blob_id, commit_of


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
    assert hub_fetch.check(revision, "large.bin", path) == revision.files["large.bin"].sha256
    assert hub.cached(revision, "small.json") is None
    # A copy without links has lost what it could be verified by.
    path.unlink()
    path.write_bytes(DATA)
    with pytest.raises(DamagedDownload, match="cannot be verified"):
        hub.resolve_offline(REPO, "main")


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


def test_the_end_of_the_process_does_not_wait_for_answers() -> None:
    script = """
import _thread, threading, time
from pythia_cli.checkpoints import hub

def ask(n):
    if n == 3:
        _thread.interrupt_main()
    time.sleep(3600)

try:
    hub.ask_several(ask, range(20))
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=120
    )
    assert (done.stdout, done.stderr, done.returncode) == ("interrupted\n", "", 0)
