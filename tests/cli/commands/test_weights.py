"""`pythia weights`: rows, formats, singular values, interrupts, and what is refused."""

from __future__ import annotations

import csv
import io
import json
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pythia_cli.suite.config import ModelConfig
from pythia_cli.weights.float_checkpoint import FloatCheckpoint
from tests.cli.running import Pythia, error_line, without_model_lines
from tests.float_folders import EMBED_IN, Folder

COLUMNS = [
    "model", "step", "precision", "item", "layer", "parameter", "part", "shape", "frobenius_norm",
    "rms", "spectral_norm", "stable_rank", "effective_rank", "previous_step", "distance",
    "relative_distance", "cosine", "error",
]  # fmt: skip
DISTANCES = ["previous_step", "distance", "relative_distance", "cosine"]
DENSE = "attention.dense.weight"
USAGE, NOT_FOUND, INTEGRITY, RESOURCE, INTERRUPTED = 2, 3, 6, 7, 130


def rows_of(text: str, delimiter: str = "\t") -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text), delimiter=delimiter))


@pytest.fixture(scope="module")
def own(pythia: Pythia, tmp_path_factory: pytest.TempPathFactory) -> Pythia:
    """The command with a store that tests of this file may add steps of the demo to."""
    store = tmp_path_factory.mktemp("weights") / "store"
    shutil.copytree(pythia.store, store)
    return replace(pythia, store=store)


@pytest.fixture(scope="module")
def table(own: Pythia) -> str:
    """Two steps of the demo, on stdout."""
    done = own("weights", "-m", "demo", "-c", "64,3000")
    assert without_model_lines(done.err) == []
    return done.out


def test_a_row_for_each_parameter_and_part(table: str, demo_folder: Callable[[int], Path]) -> None:
    rows = rows_of(table)
    assert list(rows[0]) == COLUMNS
    assert [row["step"] for row in rows] == ["64"] * 112 + ["3000"] * 112
    assert {row["precision"] for row in rows} == {"float32"}
    first, second = rows[:112], rows[112:]
    assert all(row[name] == "" for row in first for name in DISTANCES)
    assert all(row["previous_step"] == "64" and row["distance"] for row in second)
    assert not any(row["error"] for row in rows)
    (found,) = [row for row in second if (row["layer"], row["parameter"]) == ("5", DENSE)]
    name = f"gpt_neox.layers.5.{DENSE}"
    before, now = (FloatCheckpoint(demo_folder(step)).tensor(name) for step in (64, 3000))
    assert json.loads(found["shape"]) == [128, 128]
    assert float(found["spectral_norm"]) == pytest.approx(np.linalg.norm(now, 2), rel=1e-6)
    assert float(found["distance"]) == pytest.approx(np.linalg.norm(now - before), rel=1e-6)
    of_qkv = [row for row in second if row["item"] == "2"]
    assert [row["part"] for row in of_qkv] == ["", "q", "k", "v"]
    assert {row["parameter"] for row in of_qkv} == {"attention.query_key_value.weight"}


@pytest.mark.parametrize("threads", ["1", "3"])
def test_the_same_bytes_with_any_number_of_threads(own: Pythia, table: str, threads: str) -> None:
    env = {"OPENBLAS_NUM_THREADS": threads}
    assert own("weights", "-m", "demo", "-c", "64,3000", "-t", threads, env=env).out == table


@pytest.mark.parametrize("name", ["out.tsv", "out.csv", "out.jsonl", "out.parquet"])
def test_files(own: Pythia, table: str, tmp_path: Path, name: str) -> None:
    run = ("weights", "-m", "demo", "-c", "64,3000", "-o", tmp_path / name)
    if name.endswith("parquet"):
        pytest.importorskip("pyarrow")
    assert f"wrote 224 rows to {tmp_path / name}" in own(*run).err
    expected = rows_of(table)
    if name == "out.tsv":
        assert (tmp_path / name).read_text() == table
        meta = json.loads((tmp_path / f"{name}.meta.json").read_text())
        assert [one["provenance"]["step"] for one in meta["checkpoints"]] == [64, 3000]
        assert meta["checkpoints"][0]["provenance"]["quantization"] is None
        assert meta["identity"]["measure"] == "weights"
        return
    if name == "out.csv":
        assert rows_of((tmp_path / name).read_text(), ",") == expected
        return
    if name == "out.jsonl":
        found = [json.loads(line) for line in (tmp_path / name).read_text().splitlines()]
        assert found == own("weights", "-m", "demo", "-c", "64,3000", "--json").records
    else:
        parquet = pytest.importorskip("pyarrow.parquet")
        found = parquet.read_table(tmp_path / name).to_pylist()
    norms = [row["stable_rank"] for row in found]
    assert norms == [float(row["stable_rank"]) if row["stable_rank"] else None for row in expected]


def test_chosen_parameters(own: Pythia, table: str) -> None:
    done = own("weights", "-m", "demo", "--parameters", "embed_*,attention.d*.weight", "-q")
    assert done.err == ""
    rows = rows_of(done.out)
    assert [(row["item"], row["layer"]) for row in rows] == [
        ("1", ""), *((str(2 + layer), str(layer)) for layer in range(6)), ("8", ""),
    ]  # fmt: skip
    wanted = {DENSE, "embed_in.weight", "embed_out.weight"}
    whole = [r for r in rows_of(table) if r["step"] == "3000" and r["parameter"] in wanted]
    assert [row["effective_rank"] for row in rows] == [row["effective_rank"] for row in whole]


def test_singular_values(own: Pythia, table: str, tmp_path: Path) -> None:
    out, spectra = tmp_path / "out.tsv", tmp_path / "spectra.npz"
    run = ("weights", "-m", "demo", "-c", "64,3000")
    done = own(*run, "-o", out, "--spectra", spectra)
    assert f"wrote the singular values to {spectra}" in done.err
    assert out.read_text() == table
    rows = [row for row in rows_of(table) if row["spectral_norm"]]
    with np.load(spectra, allow_pickle=False) as found:
        names = [
            f"step{row['step']}/"
            + ("" if row["parameter"] == "embed_out.weight" else "gpt_neox.")
            + (f"layers.{row['layer']}." if row["layer"] else "")
            + row["parameter"]
            + (f".{row['part']}" if row["part"] else "")
            for row in rows
        ]
        assert list(found) == [*names, "checkpoints"]
        for name, row in zip(names, rows, strict=True):
            s = found[name]
            assert s.shape == (min(json.loads(row["shape"])),)
            assert (np.diff(s) <= 0).all()
            assert float(f"{s[0]:.9g}") == float(row["spectral_norm"])
        described = [json.loads(text) for text in found["checkpoints"]]
    assert [one["step"] for one in described] == [64, 3000]
    assert len(described[0]["source"]["sha256"]) == 64


def test_a_folder(own: Pythia, tmp_path: Path, demo_folder: Callable[[int], Path]) -> None:
    shutil.copytree(demo_folder(64), tmp_path / "model")
    spectra = tmp_path / "spectra.npz"
    run = ("weights", "-m", tmp_path / "model", "--parameters", "embed_in.weight")
    (row,) = rows_of(own(*run, "--spectra", spectra).out)
    assert (row["model"], row["step"], row["previous_step"]) == (str(tmp_path / "model"), "", "")
    with np.load(spectra) as found:
        assert list(found) == [EMBED_IN, "checkpoints"]
    # Its files have changed: it is quantized again, and the figures are those of now.
    for path in (tmp_path / "model").iterdir():
        shutil.copy(demo_folder(512) / path.name, path)
    (changed,) = rows_of(own(*run).out)
    assert changed["frobenius_norm"] != row["frobenius_norm"]


def test_interrupted_and_resumed(
    own: Pythia, start: Callable[..., subprocess.Popen[bytes]], tmp_path: Path
) -> None:
    config = ModelConfig(n_layers=12, n_heads=8, d_model=512, d_mlp=2048, d_vocab=4096, n_ctx=32)
    folder = Folder(tmp_path / "model", config)
    folder.save()
    out, spectra, whole = (tmp_path / name for name in ("out.tsv", "spectra.npz", "whole.tsv"))
    run = ("weights", "-m", folder.path)
    own(*run, "-o", whole)
    process = start(*run, "-o", out, "--spectra", spectra, of=own)
    partial = tmp_path / "out.tsv.partial"
    deadline = time.monotonic() + 100
    while time.monotonic() < deadline and process.poll() is None:
        if partial.exists() and partial.stat().st_size:
            break
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == INTERRUPTED
    assert not list(tmp_path.glob(".spectra*"))
    assert not spectra.exists()
    assert "error: --spectra and --resume exclude" in error_line(
        own(*run, "-o", out, "--resume", "--spectra", spectra, status=None), USAGE
    )
    own(*run, "-o", out, "--resume")
    assert out.read_bytes() == whole.read_bytes()


@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        (["-c", "7"], NOT_FOUND, "unknown checkpoint of demo '7'; did you mean 0 or 64?"),
        (["-c", "0,x"], NOT_FOUND, "'x'"),
        (["-m", "pythia-14m"], NOT_FOUND, "pythia-14m step143000 is not installed"),
        (["--parameters", "atention.*"], NOT_FOUND, "unknown parameter 'atention.*'; did you mean"),
        (["--parameters", ""], NOT_FOUND, "unknown parameter ''"),
        (["--parameters", "*,"], NOT_FOUND, "unknown parameter ''"),
        (["--spectra", "a.json"], USAGE, "a.json: singular values are written as .npz"),
        (["--spectra", "-"], USAGE, "try: --spectra FILE.npz"),
        (["--spectra", "folder.npz"], USAGE, "folder.npz: is a folder; name a file to write"),
        (["--spectra", "no/a.npz"], RESOURCE, "no/a.npz: cannot be written"),
        (["--spectra", "a.npz", "-o", "a.npz"], USAGE, "a.npz: is to be written twice"),
        (["--spectra", "a.npz", "-o", "b.tsv", "--resume"], USAGE, "--spectra and --resume excl"),
        (["--resume"], USAGE, "--resume needs the file"),
        (["--format", "parquet"], USAGE, "Parquet is not written to stdout"),
        (["--json", "-o", "a.jsonl"], USAGE, "--format jsonl"),
        (["-t", "0"], USAGE, "0 is not in the range"),
    ],
)  # fmt: skip
def test_what_is_refused(
    pythia: Pythia, tmp_path: Path, arguments: list[str], status: int, says: str
) -> None:
    (tmp_path / "folder.npz").mkdir()
    model = [] if "-m" in arguments else ["-m", "demo"]
    done = pythia("weights", *model, *arguments, status=None, cwd=tmp_path)
    assert says in error_line(done, status)
    assert [path.name for path in tmp_path.iterdir()] == ["folder.npz"]


def forget_folder(store: Path, name: str) -> None:
    """As if an installed checkpoint had come from the Hub, without --keep-original."""
    path = store / "checkpoints" / name / "manifest.json"
    manifest = json.loads(path.read_text())
    assert manifest["source_folder"] is not None
    path.write_text(json.dumps({**manifest, "source_folder": None}))


def test_float_weights_that_are_gone(in_own_store: Pythia, tmp_path: Path) -> None:
    """All are looked at before the first is measured, and the hint fetches all that lack."""
    own, out = in_own_store, tmp_path / "out.tsv"
    for step in (1, 2, 3, 4):
        config = ModelConfig(
            n_layers=1, n_heads=2, d_model=16 * (1 + step // 4), d_mlp=40, d_vocab=4096, n_ctx=24
        )
        Folder(tmp_path / str(step), config).save()
        own("quantize", tmp_path / str(step), "--as", f"mine@{step}")
    run = ("weights", "-m", "mine", "-o", out, "-c")
    line = error_line(own(*run, "3,4", status=None), USAGE)
    assert "'mine@4'; expected one of the same shape as the others" in line
    for step in (2, 3):
        forget_folder(own.store, f"mine/step{step}")
    line = error_line(own(*run, "1,2,3", status=None), NOT_FOUND)
    assert line == (
        "error: the float checkpoint that mine@2 was made from was not kept; try: pythia download"
        " -m mine -c 2,3 --keep-original --replace"
    )
    shutil.rmtree(tmp_path / "1")
    line = error_line(own("weights", "-m", "mine@1", status=None), NOT_FOUND)
    assert line.endswith("; try: -m FOLDER, with its present folder")
