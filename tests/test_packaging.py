"""What a wheel holds, and that it runs without the checkout."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
MOST_BYTES = 21_500_000


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel of a copy of the checkout, built with what this environment has."""
    folder = tmp_path_factory.mktemp("packaging")
    source = folder / "source"
    kept = ("pyproject.toml", "setup.py", "README.md", "LICENSE")
    source.mkdir()
    for name in kept:
        shutil.copy(ROOT / name, source)
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "pythia_cli", source / "pythia_cli", ignore=ignored)
    (source / "pythia_cli/commit.txt").write_text("c0ffee" * 6 + "c0ff\n")
    build = "from setuptools.build_meta import build_wheel; build_wheel('..')"
    done = subprocess.run(
        [sys.executable, "-c", build], cwd=source, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    (made,) = folder.glob("*.whl")
    return made


def test_the_wheel_holds_the_package_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        assert sum(entry.file_size for entry in archive.infolist()) < MOST_BYTES
    ours = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "pythia_cli").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    info = {name for name in names if ".dist-info/" in name}
    assert names - info == ours | {"pythia_cli/commit.txt"}
    assert {"LICENSE", "entry_points.txt"} <= {Path(name).name for name in info}


def test_what_the_wheel_holds_runs(wheel: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    environment = os.environ | {
        "PYTHONPATH": str(tmp_path / "site"),
        "PYTHIA_HOME": str(tmp_path / "home"),
    }
    for arguments, expected in (
        (("--version",), r"pythia 0\.1\.0 \(c0ffeec0ffee\)\n"),
        (("generate", "Call me", "-n", "3", "--seed", "1"), r".+\n"),
    ):
        done = subprocess.run(
            [sys.executable, "-m", "pythia_cli", *arguments],
            cwd=tmp_path, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True,
            timeout=120, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert re.fullmatch(expected, done.stdout, re.S), done
