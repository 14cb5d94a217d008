"""`pythia checkpoint verify`: damage is found, named, and its own status."""

from __future__ import annotations

from pathlib import Path

import pytest

from pythia_cli.checkpoints.int8_file import Int8File
from tests.cli.running import Pythia

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


def test_what_is_not_installed_cannot_be_verified(pythia: Pythia) -> None:
    assert "demo step64 is not installed" in pythia("checkpoint", "verify", "64", status=3).err
    assert pythia("checkpoint", "verify", "0:600").out == ""
