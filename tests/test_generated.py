"""Generated files are current, and the generators notice where they are not."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
GENERATORS = [
    "tools/make_completions.py",
    "tools/make_cli_reference.py",
    "tools/make_api_reference.py",
]


@pytest.mark.parametrize("generator", GENERATORS)
def test_generated_files_are_current(generator: str) -> None:
    result = subprocess.run(
        [sys.executable, generator, "--check"], cwd=ROOT, capture_output=True, text=True
    )
    assert result.returncode == 0, result.stdout + result.stderr


def test_check_fails_where_a_file_is_stale_or_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "tools"))
    from generated import write_or_check

    files = {"a/one.txt": "one\n", "two.txt": "zwei\n"}
    monkeypatch.setattr(sys, "argv", ["generator"])
    assert write_or_check(files, "generator", tmp_path) == 0
    monkeypatch.setattr(sys, "argv", ["generator", "--check"])
    assert write_or_check(files, "generator", tmp_path) == 0
    (tmp_path / "a/one.txt").write_text("one, edited\n")
    (tmp_path / "two.txt").unlink()
    capsys.readouterr()
    assert write_or_check(files, "generator", tmp_path) == 1
    assert capsys.readouterr().out.splitlines() == [
        "a/one.txt is stale; run: python generator",
        "two.txt is stale; run: python generator",
    ]
    assert (tmp_path / "a/one.txt").read_text() == "one, edited\n"


def test_the_bash_script_completes_a_command() -> None:
    script = f"""
        source {ROOT}/completions/pythia.bash
        COMP_WORDS=(pythia gen) COMP_CWORD=1
        _pythia_completion pythia
        echo "${{COMPREPLY[@]}}"
    """
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    result = subprocess.run(
        ["bash", "-c", script], env=os.environ | {"PATH": path}, capture_output=True, text=True
    )
    assert (result.stdout, result.stderr) == ("generate\n", "")
