"""A misbehaving Hub on loopback, as the endpoint of this process."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import huggingface_hub.constants as constants
import pytest

from pythia_cli.checkpoints import hub_retries
from pythia_cli.checkpoints.transfer import Transfer
from tests.fakes.hub import Branch, Hub, commit_of
from tests.fakes.suite import make_repository
from tests.reporting import Recording

REPO = "someone/something"
DATA = bytes(range(256)) * 4000

Serve = Callable[[Mapping[str, Mapping[str, Branch]]], Hub]


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses made between questions, in seconds: none is waited for."""
    made: list[float] = []
    monkeypatch.setattr(hub_retries, "sleep", made.append)
    monkeypatch.setattr(Transfer, "_pause", lambda transfer, seconds: made.append(seconds))
    monkeypatch.setattr(hub_retries, "_noted_until", 0.0)
    return made


@pytest.fixture
def serve(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pauses: list[float]) -> Iterator[Serve]:
    """serve(repos): a Hub that this process uses, with an empty Hugging Face cache."""
    running: list[Hub] = []

    def start(repos: Mapping[str, Mapping[str, Branch]]) -> Hub:
        hub = Hub(repos)
        running.append(hub)
        monkeypatch.setattr(constants, "ENDPOINT", hub.url)
        template = hub.url + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
        return hub

    yield start
    for hub in running:
        hub.__exit__()


@pytest.fixture(scope="session")
def suite_repos(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Branch]]:
    """The repository of fakes/suite.py, not to be changed."""
    return make_repository(tmp_path_factory.mktemp("suite"))


@pytest.fixture
def suite_hub(serve: Serve, suite_repos: dict[str, dict[str, Branch]]) -> Hub:
    """A Hub with the repository of fakes/suite.py."""
    return serve(suite_repos)


@pytest.fixture
def reporter() -> Recording:
    """A reporter that remembers."""
    return Recording()


@pytest.fixture
def served(tmp_path: Path, serve: Serve) -> Hub:
    """A repository with a large and a small file."""
    folder = tmp_path / "served"
    folder.mkdir()
    (folder / "large.bin").write_bytes(DATA)
    (folder / "small.json").write_text('{"a": 1}')
    return serve(
        {REPO: {"main": Branch(commit_of(REPO, "main"), folder), "empty": Branch("e" * 40, None)}}
    )
