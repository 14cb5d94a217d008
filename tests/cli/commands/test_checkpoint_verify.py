"""`pythia checkpoint verify`: damage is found, named, and its own status."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from pythia_cli.weights.int8_file import Int8File
from tests.cli.running import Pythia
from tests.conftest import DEMO
from tests.fakes.suite import make_checkpoint

INTEGRITY = 6
HINT = "; try: pythia checkpoint remove demo@3000 --yes"


def weights(pythia: Pythia) -> Path:
    (path,) = pythia.store.glob("checkpoints/demo/step3000/model-*")
    return path


def test_nothing_is_damaged(pythia: Pythia) -> None:
    assert pythia("checkpoint", "verify").out == "demo@3000  ok\n"
    record = pythia("checkpoint", "verify", "demo@main", "--json").record
    assert record == {
        "model": "demo",
        "checkpoint": "step3000",
        "step": 3000,
        "tokens_seen": None,
        "ok": True,
        "problems": [],
    }


def test_a_damaged_tensor_is_named(in_own_store: Pythia) -> None:
    path = weights(in_own_store)
    name = "layers.attention.dense.bias"
    file = Int8File(path)
    place = file._places[name].offset + 5
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    path.write_bytes(data)
    in_own_store("checkpoint", "use", "512")
    result = in_own_store("checkpoint", "verify", status=INTEGRITY)
    assert result.out == f"demo@512  ok\ndemo@3000  {name} is damaged\n"
    assert "1 of 2 checkpoints are damaged" in result.err
    assert result.err.endswith(f"{HINT}\n")
    record = in_own_store("checkpoint", "verify", "3000", "--json", status=INTEGRITY).record
    assert (record["ok"], record["problems"]) == (False, [f"{name} is damaged"])
    # The hint repairs it.
    in_own_store("checkpoint", "remove", "demo@3000", "--yes")
    in_own_store("generate", "It", "-n", "1", "-c", "3000")
    in_own_store("checkpoint", "verify")


@pytest.mark.parametrize(
    ("file", "content", "problem"),
    [
        ("tokenizers/*.json", b"{}", "(its tokenizer) is damaged"),
        ("tokenizers/*.json", None, "(its tokenizer) is missing"),
        ("checkpoints/demo/step3000/manifest.json", b"{}", "damaged: it has no model"),
        ("checkpoints/demo/step3000/model-*", b"", "not a whole safetensors file"),
        ("checkpoints/demo/step3000/model-*", None, "is missing"),
    ],
)
def test_other_damage(in_own_store: Pythia, file: str, content: bytes | None, problem: str) -> None:
    (path,) = in_own_store.store.glob(file)
    path.write_bytes(content) if content is not None else path.unlink()
    result = in_own_store("checkpoint", "verify", status=INTEGRITY)
    assert problem in result.out
    assert result.err.endswith(f"{HINT}\n")


def test_the_content_of_the_demo_is_only_reported(pythia: Pythia) -> None:
    assert re.fullmatch(
        r"demo@3000  3\.\d\d nats a token  ok\n", pythia("checkpoint", "verify", "--content").out
    )
    record = pythia("checkpoint", "verify", "demo@main", "--content", "--json", "-t", "2").record
    assert (record["ok"], record["lowest_expected"], record["highest_expected"]) == (
        True,
        None,
        None,
    )
    assert 3 < record["nll"] < 4


def test_weights_of_another_step_are_a_finding(in_own_store: Pythia, tmp_path: Path) -> None:
    """As with pythia-2.8b, whose early branches hold the end of training (issue 205)."""
    late = make_checkpoint(tmp_path / "late", DEMO / "step3000")
    said = in_own_store("quantize", late, "--as", "pythia-14m@4", "--json")
    assert "pythia-14m@4: 5." in said.err
    assert "but step 4 should have at least 9.5" in said.err
    assert said.record["content"]["problem"] in said.err
    result = in_own_store("checkpoint", "verify", "--content", status=INTEGRITY)
    assert "pythia-14m@4  5." in result.out
    assert "demo@3000  3." in result.out
    assert "1 of 2 checkpoints do not hold what their names say" in result.err
    assert result.err.endswith("; try: pythia download -m pythia-14m -c 4 --replace\n")
    # Its bytes are all in order.
    assert in_own_store("checkpoint", "verify").out.count("  ok\n") == 2


def test_the_hint_is_what_is_reported_of_that_branch(in_own_store: Pythia) -> None:
    place = in_own_store.store / "checkpoints/pythia-2.8b/step1"
    shutil.copytree(in_own_store.store / "checkpoints/demo/step3000", place)
    manifest = json.loads((place / "manifest.json").read_text())
    (place / "manifest.json").write_text(
        json.dumps({**manifest, "model": "pythia-2.8b", "step": 1})
    )
    result = in_own_store("checkpoint", "verify", "--content", status=INTEGRITY)
    assert "; try: another step; reported of pythia-2.8b@1: the weights are those" in result.err


def test_what_is_not_installed_cannot_be_verified(pythia: Pythia) -> None:
    assert "demo step64 is not installed" in pythia("checkpoint", "verify", "64", status=3).err
    assert pythia("checkpoint", "verify", "0:600").out == ""
