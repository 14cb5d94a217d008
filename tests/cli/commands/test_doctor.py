"""`pythia doctor`: what it finds, what it calls a problem, and that its hints help."""

from __future__ import annotations

import re
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pythia_cli.cli.app import run
from pythia_cli.diagnostics.doctor import Finding
from tests.cli.running import Pythia, Result, listing
from tests.fakes.hub import Hub

OFFLINE = {"HF_HUB_OFFLINE": "1"}


def problems(result: Result) -> dict[str, dict[str, Any]]:
    assert result.record["ok"] == (not any(f["problem"] for f in result.record["findings"]))
    return {f["name"]: f for f in result.record["findings"] if f["problem"] and f["name"] != "load"}


@pytest.fixture(scope="module")
def healthy(pythia: Pythia) -> Result:
    return pythia("doctor", "--json", env=OFFLINE)


def test_a_healthy_machine(healthy: Result, pythia: Pythia) -> None:
    found = {finding["name"]: finding["value"] for finding in healthy.record["findings"]}
    assert problems(healthy) == {}
    assert list(found)[:3] == ["versions", "processor", "SIMD tier"]
    assert found["threads"].startswith("1, on ")
    assert "GB/s read" in found["memory bandwidth"]
    assert found["store"].startswith(f"{pythia.store}: 1 checkpoints, 2 MB, drwx")
    assert found["active checkpoint"] == "none chosen; the built-in demo is used"
    assert re.fullmatch(
        rf"{re.escape(str(pythia.cache))}/kernels: compiled, \d+\.\d MB, drwx------",
        found["kernels"],
    )
    assert found["Hub"].endswith("offline, because HF_HUB_OFFLINE is set")


def test_it_changes_nothing_and_fits_the_terminal(pythia: Pythia, tmp_path: Path) -> None:
    for columns in ("80", "40"):
        fresh = replace(pythia, store=tmp_path / "none" / "store")
        shown = fresh("doctor", env={**OFFLINE, "COLUMNS": columns}).out
        assert shown.endswith(("nothing to fix\n", "1 problem\n"))
        for line in shown.splitlines():  # a path is never cut
            assert len(line) <= int(columns) or len(line.split()) <= 3, line
    assert listing(tmp_path) == {}


@pytest.mark.skipif(sys.platform == "win32", reason="pty is POSIX")
def test_colours_in_a_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    findings = [Finding("memory", "1 GB"), Finding("store", "here", "is full", "pythia --help")]
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setattr("pythia_cli.diagnostics.doctor.examine", lambda *_: findings)
    assert run(["doctor"]) == 0
    piped = capsys.readouterr().out
    assert "\x1b" not in piped
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    assert run(["doctor"]) == 0
    shown = capsys.readouterr().out
    assert "\x1b[33m! store" in shown
    assert "\x1b[1;33m1 problem\x1b[0m" in shown
    assert re.sub(r"\x1b\[[\d;]*m", "", shown) == piped
    monkeypatch.setenv("NO_COLOR", "1")
    assert run(["doctor"]) == 0
    assert "\x1b[33m" not in capsys.readouterr().out


def test_a_hub_that_answers(pythia: Pythia, tmp_path: Path) -> None:
    with Hub({"EleutherAI/pythia-410m": {"main": _empty()}}) as hub:
        env = {"HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path), "HF_TOKEN": "hf_secret"}
        result = pythia("doctor", "--json", env=env)
        assert "Hub" not in problems(result)
        assert "hf_secret" not in result.out
        assert f"{hub.url}: answers in " in result.out
        assert "with a token" in result.out


def _empty() -> Any:
    from tests.fakes.hub import Branch

    return Branch("a" * 40, None)


def test_what_is_wrong_comes_with_what_helps(in_own_store: Pythia, tmp_path: Path) -> None:
    (in_own_store.store / "active.json").write_text('{"model": "pythia-410m", "step": 512}')
    (weights,) = in_own_store.store.glob("checkpoints/demo/*/model-*")
    weights.write_bytes(weights.read_bytes()[:1000])
    (tmp_path / "cache").write_text("in the way")
    env = {
        "HF_ENDPOINT": "http://127.0.0.1:9",
        "PYTHIA_SIMD": "plain",
        "PYTHIA_CACHE": str(tmp_path / "cache"),
    }
    found = problems(in_own_store("doctor", "--json", env=env))
    assert set(found) == {"SIMD tier", "checkpoint", "active checkpoint", "kernels", "Hub"}
    assert all(finding["hint"] for finding in found.values())
    assert found["active checkpoint"]["hint"] == "pythia download -m pythia-410m -c 512"
    assert found["checkpoint"]["hint"] == "pythia checkpoint verify demo@3000"
    assert "cannot be reached" in found["Hub"]["problem"]
    nonsense = problems(in_own_store("doctor", "--json", env={"HF_ENDPOINT": "http://[::1"}))
    assert nonsense["hub"]["hint"] == "unset HF_ENDPOINT"
    shown = in_own_store("doctor", env=env).out
    assert "! active checkpoint  pythia-410m@512\n" in shown
    assert shown.splitlines()[-1] in ("5 problems", "6 problems")


def test_a_store_below_a_file(pythia: Pythia, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    below = replace(pythia, store=tmp_path / "file/store")
    found = problems(below("doctor", "--json", env=OFFLINE))
    assert found["store"]["problem"] == f"{tmp_path / 'file'} is not a folder"
