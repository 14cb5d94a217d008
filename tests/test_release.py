"""The commit that a release reports."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from pythia_cli import release
from pythia_cli.release import __version__, arithmetic_of

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "pythia_cli"
    folder.mkdir()
    monkeypatch.setattr(release, "_PACKAGE", folder)
    return folder


def test_a_wheel_says_it(package: Path) -> None:
    (package / "commit.txt").write_text(f"{COMMIT}\n")
    assert release.commit() == COMMIT
    assert release.in_words() == f"{__version__} (0123456789ab)"


@pytest.mark.parametrize("content", ["", "\n"])
def test_a_wheel_that_does_not_know(package: Path, content: str) -> None:
    (package / "commit.txt").write_text(content)
    assert release.in_words() == __version__


def test_neither_wheel_nor_checkout(package: Path) -> None:
    assert release.commit() is None


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("detached", [False, True])
def test_a_checkout(package: Path, packed: bool, detached: bool) -> None:
    def git(*arguments: str) -> str:
        command = ["git", "-C", str(package.parent), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    git("init", "-q")
    git("-c", "user.name=a", "-c", "user.email=a@b", "commit", "-q", "--allow-empty", "-m", "x")
    if packed:
        git("pack-refs", "--all")
    if detached:
        git("checkout", "-q", "--detach")
    assert release.commit() == git("rev-parse", "HEAD")
    worktree = package.parent / "tree"
    git("worktree", "add", "-q", str(worktree), "-b", "other")
    assert release._head(worktree / ".git") == git("rev-parse", "HEAD")


def test_records_from_before_there_were_versions_are_version_1(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for version, fields in ((1, {}), (3, {"arithmetic": 3})):
        monkeypatch.setitem(release.ARITHMETIC, "fast", version)
        assert arithmetic_of("fast") == fields
    assert arithmetic_of(None) == {}  # float32
