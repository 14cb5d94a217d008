"""`pythia activations`: the files, their manifest, and bad input."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

import pythia_cli
from tests.cli.running import Pythia, listing

TEXTS = ["It was not", "She was a very good thing to be", "x"]


@pytest.fixture
def texts(tmp_path: Path) -> Path:
    path = tmp_path / "texts.jsonl"
    path.write_text("".join(json.dumps({"id": i, "text": t}) + "\n" for i, t in enumerate(TEXTS)))
    return path


def test_the_file_is_that_of_the_library(pythia: Pythia, texts: Path, tmp_path: Path) -> None:
    ours, theirs = tmp_path / "ours.safetensors", tmp_path / "theirs.safetensors"
    names = ["blocks.*.hook_resid_post", "blocks.[1,3].attn.hook_pattern", "hook_embed"]
    options = ["-n", ",".join(names[:2]), "-n", names[2]]
    pythia("activations", texts, "-m", "demo", *options, "-o", ours, "--bos")
    with pythia_cli.load("demo", 3000, n_threads=1) as model:
        model.save_activations(TEXTS, names, theirs, bos=True)
    assert ours.read_bytes() == theirs.read_bytes()


def test_the_manifest_has_the_texts(pythia: Pythia, texts: Path, tmp_path: Path) -> None:
    out = tmp_path / "last.npy"
    done = pythia(
        "activations", texts, "-m", "demo", "-n", "blocks.5.hook_resid_post", "-o", out,
        "--positions", "-1", "--values", "float16", "--json",
    )  # fmt: skip
    assert done.record["n_texts"] == 3
    values = np.load(out)
    assert (values.shape, values.dtype) == ((3, 128), np.float16)
    described, *listed = map(json.loads, Path(done.record["manifest"]).read_text().splitlines())
    assert described["provenance"]["model"] == "demo"
    assert described["positions"] == [-1]
    assert [text["fields"]["id"] for text in listed] == [0, 1, 2]
    with pythia_cli.load("demo", 3000) as model:
        for text, given in zip(listed, TEXTS, strict=True):
            assert text["token_ids"] == model.tokenize(given).token_ids.tolist()
            assert (text["first_row"], text["n_rows"]) == (text["text"], 1)


def test_standard_input_and_float32(pythia: Pythia, tmp_path: Path) -> None:
    out = tmp_path / "a.safetensors"
    arguments = ("-m", "demo", "-n", "logits", "-o", out, "--dtype", "float32", "--heads", "0")
    failed = pythia("activations", "-", *arguments, stdin=b"It was not\n", status=2)
    assert "no chosen activation has heads" in failed.err
    pythia("activations", "-", *arguments[:-2], stdin=b"It was not\n")
    with pythia_cli.load("demo", 3000, dtype="float32", n_threads=1) as model:
        assert (load_file(out)["logits"] == model.logits("It was not")).all()


@pytest.mark.parametrize(
    ("arguments", "words", "status"),
    [
        (("-n", "blocks.5.hook_resid_pos"), "did you mean blocks.5.hook_resid_post", 3),
        (("-n", "blocks.6.hook_resid_post"), "did you mean blocks.5.hook_resid_post", 3),
        (("-n", "blocks.*.attn.hook_patern"), "did you mean blocks.*.attn.hook_pattern", 3),
        (("-n", "blocks.0.hook_resid_mid"), "unknown activation", 3),
        (("-n", "logits", "--positions", "3"), "has 3 tokens, and no position 3", 2),
        (("-n", "logits", "--positions", "-4"), "has 3 tokens, and no position -4", 2),
        (("-n", "logits", "--positions", "0,0"), "each of them once", 2),
        (("-n", "logits", "--positions", "a"), "whole numbers", 2),
        (("-n", "blocks.0.attn.hook_z", "--heads", "4"), "--heads is 4; expected 0 to 3", 2),
        (("-n", "logits", "--heads", "0"), "no chosen activation has heads", 2),
        (("-n", "logits", "--values", "float64"), "float64", 2),
        (("-n", "logits", "--column", "none"), "none", 2),
        (("-n", "logits", "-o", "x.bin"), "ends in .safetensors or .npy", 2),
        (("-n", "logits", "-n", "hook_embed", "-o", "x.npy"), "name a .safetensors file", 2),
        (("-n", "blocks.0.attn.hook_pattern", "-o", "x.npy"), "name a .safetensors file", 2),
        (("-n", "logits", "-o", "no/x.npy"), "create its folder", 7),
        (("-n", "logits", "-o", "/dev/full"), "ends in .safetensors or .npy", 2),
        (("-n", "logits", "-o", "texts.jsonl"), "ends in .safetensors or .npy", 2),
        ((), "--names", 2),
        (("-n", "logits", "--compare-float32"), "either -o or --compare-float32", 2),
    ],
)
def test_bad_input(
    pythia: Pythia, texts: Path, arguments: tuple[str, ...], words: str, status: int
) -> None:
    output = () if "-o" in arguments else ("-o", "x.safetensors")
    before = listing(texts.parent)
    failed = pythia(
        "activations", "texts.jsonl", "-m", "demo", *arguments, *output,
        cwd=texts.parent, status=status,
    )  # fmt: skip
    assert failed.out == ""
    assert words in failed.err
    assert listing(texts.parent) == before


def test_a_text_that_is_too_long_is_named(pythia: Pythia, tmp_path: Path) -> None:
    path = tmp_path / "long.txt"
    path.write_text("one\n" + "She was " * 400 + "\n")
    arguments = ("-m", "demo", "-n", "hook_embed", "-o", tmp_path / "x.npy")
    failed = pythia("activations", path, *arguments, status=2)
    assert f"{path}, line 2: has 801 tokens; the model takes 1 to 512" in failed.err


def test_int8_beside_float32(pythia: Pythia, texts: Path) -> None:
    arguments = ("activations", texts, "-m", "demo", "-n", "*.hook_resid_post", "--compare-float32")
    rows = pythia(*arguments).out.splitlines()
    assert rows[0].split("\t")[:3] == ["name", "n_values", "rms"]
    assert len(rows) == 7
    records = pythia(*arguments, "--json").records
    assert [record["name"] for record in records] == [row.split("\t")[0] for row in rows[1:]]
    assert {record["step"] for record in records} == {3000}
    for options, words in (
        (("--values", "float16"), "--values is for files"),
        (("--dtype", "float32"), "no int8 values"),
    ):
        assert words in pythia(*arguments, *options, status=2).err


def test_a_link_is_followed(pythia: Pythia, texts: Path, tmp_path: Path) -> None:
    target, link = tmp_path / "data" / "acts.npy", tmp_path / "link.npy"
    target.parent.mkdir()
    link.symlink_to(target)
    pythia("activations", texts, "-m", "demo", "-n", "hook_embed", "-o", link)
    assert link.is_symlink()
    assert np.load(target).shape[1] == 128
