"""One command for each exit status, and the page that lists them."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

from pythia_cli.checkpoints.store import Store
from pythia_cli.cli.errors import ExitStatus
from pythia_cli.files.locks import lock
from tests.cli.running import MODULE, Pythia
from tests.fakes.hub import Faults, Hub

ROOT = Path(__file__).resolve().parent.parent.parent
DOWNLOAD = ("download", "-m", "pythia-14m")


def test_the_page_lists_them_all() -> None:
    page = (ROOT / "docs/exit-statuses.md").read_text(encoding="utf-8")
    listed = {int(number) for number in re.findall(r"^\| (\d+) \|", page, re.M)}
    assert listed == set(ExitStatus)


def test_0_1_and_2(pythia: Pythia) -> None:
    pythia("checkpoint", "current", status=ExitStatus.OK)
    pythia("generate", "--temperature", "hot", status=ExitStatus.USAGE)
    broken = (
        "from pythia_cli.checkpoints.store import Store; Store.installed = None;"
        " from pythia_cli.cli import app; app.main()"
    )
    pythia("checkpoint", "list", command=(sys.executable, "-c", broken), status=ExitStatus.BUG)


def test_3_not_found(pythia: Pythia) -> None:
    pythia("generate", "x", "-m", "pythia-410m", status=ExitStatus.NOT_FOUND)


def test_4_5_and_6_of_the_hub(pythia: Pythia, tmp_path: Path) -> None:
    own = replace(pythia, store=tmp_path / "store")
    with Hub({}) as hub:
        env = {"HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path)}
        hub.faults = Faults(captive_portal=True)
        own(*DOWNLOAD, env=env, status=ExitStatus.NETWORK)
        hub.faults = Faults(api_status_for_ever=401)
        own(*DOWNLOAD, env=env, status=ExitStatus.NOT_AUTHORISED)
    (tmp_path / "text.bin").write_bytes(b"x" * 100)
    damaged = tmp_path / "folder"
    damaged.mkdir()
    (damaged / "config.json").write_text("{")
    (damaged / "tokenizer.json").write_text("{}")
    (damaged / "model.safetensors").write_text("")
    own("quantize", damaged, "--as", "mine@1", status=ExitStatus.INTEGRITY)


def test_7_resource(pythia: Pythia, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    below = replace(pythia, store=tmp_path / "file/store")
    below("checkpoint", "use", "64", status=ExitStatus.RESOURCE)


def test_8_locked(in_own_store: Pythia) -> None:
    path = Store(in_own_store.store).lock_path("demo@64")
    with lock(path, "demo@64", 0):
        result = in_own_store("checkpoint", "list")
        refused = in_own_store(
            "checkpoint", "remove", "3000", "--wait", "1", "--yes", status=ExitStatus.OK
        )
        assert result.out
        assert "removed demo@3000" in refused.err
    path = Store(in_own_store.store).lock_path("mine@1")
    source = ROOT / "pythia_cli/demo/step0"
    with lock(path, "mine@1", 0):
        result = in_own_store(
            "quantize", source, "--as", "mine@1", "--wait", "1", status=ExitStatus.LOCKED
        )
        assert "waiting for another pythia process, which is working on mine@1" in result.err
        assert "--wait SECONDS" in result.err


def test_129_130_and_143_of_signals(pythia: Pythia) -> None:
    for number, status in (
        (signal.SIGINT, ExitStatus.INTERRUPTED),
        (signal.SIGTERM, ExitStatus.TERMINATED),
        (signal.SIGHUP, ExitStatus.HUNG_UP),
    ):
        process = pythia.start("generate", "x", "-n", "400", "--ignore-eos", "--num-samples", "99")
        assert process.stderr is not None
        process.stderr.readline()
        time.sleep(0.2)
        process.send_signal(number)
        process.communicate(timeout=60)
        assert process.returncode == status


def test_141_of_a_closed_pipe(pythia: Pythia) -> None:
    command = " ".join([*MODULE, "generate", "x", "-n", "400", "--ignore-eos"])
    done = subprocess.run(
        ["bash", "-c", f"{command} | head -c 5 > {os.devnull}; exit ${{PIPESTATUS[0]}}"],
        env=pythia.environment(), stdin=subprocess.DEVNULL, capture_output=True, check=False,
        timeout=100,
    )  # fmt: skip
    assert done.returncode == ExitStatus.BROKEN_PIPE
