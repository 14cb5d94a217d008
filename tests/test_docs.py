"""What the documents state is so: names, fields, statuses, and the reader of the int8 file."""

from __future__ import annotations

import doctest
import importlib
import io
import json
import re
import shutil
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pythia_cli.cli import app
from pythia_cli.cli.errors import ExitStatus
from pythia_cli.engine.activation_names import activations_of
from pythia_cli.files.safetensors_layout import read_layout
from pythia_cli.inside.difference import COLUMNS as COMPARED
from pythia_cli.kernels.sizes import activation_levels
from pythia_cli.measures import certificate
from pythia_cli.measures.generated_items import GENERATED_COLUMNS
from pythia_cli.measures.head_items import HEAD_COLUMNS
from pythia_cli.measures.icl import InContextTotals
from pythia_cli.measures.icl_items import ICL_COLUMNS
from pythia_cli.measures.memorize import MemorizationTotals
from pythia_cli.measures.memorize_items import MEMORIZED_COLUMNS
from pythia_cli.measures.perplexity_items import PERPLEXITY_COLUMNS
from pythia_cli.measures.weight_items import weight_columns
from pythia_cli.suite.checkpoint import Checkpoint
from pythia_cli.suite.config import ModelConfig
from pythia_cli.suite.expected_nll import expected_nll
from pythia_cli.suite.known_problems import REPORTS
from pythia_cli.suite.steps import DEMO_STEPS
from pythia_cli.weights.float_checkpoint import FloatCheckpoint
from pythia_cli.weights.int8_file import Int8File
from pythia_cli.weights.int8_layout import tensor_shapes

ROOT = Path(__file__).resolve().parent.parent

Records = Callable[..., list[dict[str, Any]]]


def section(page: str, heading: str) -> str:
    """The text below a heading, up to the next of its level or above."""
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    level = heading.split(" ")[0]
    begin = text.index(f"\n{heading}\n") + len(heading) + 2
    end = re.search(rf"^#{{1,{len(level)}}} ", text[begin:], re.M)
    return text[begin : begin + end.start()] if end else text[begin:]


def rows(text: str) -> list[list[str]]:
    """The cells of a section's tables, without their heads."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    rules = [i for i, row in enumerate(cells) if set("".join(row)) <= set("-")]
    return [row for i, row in enumerate(cells) if i not in rules and i + 1 not in rules]


def names(text: str) -> list[str]:
    """What the first cells of a section's tables name."""
    return [name for row in rows(text) for name in re.findall(r"`([^`]+)`", row[0])]


@pytest.fixture
def records(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Records:
    """records(*arguments): run a command; the JSON objects it prints."""

    def run(*arguments: str) -> list[dict[str, Any]]:
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO()))
        assert app.run(list(arguments)) == 0, capsys.readouterr().err
        return [json.loads(line) for line in capsys.readouterr().out.splitlines()]

    return run


def test_int8_reader_dequantizes(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    demo_int8: Int8File,
    demo_folder: Callable[[int], Path],
) -> None:
    text = (ROOT / "docs/int8-file.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"<!-- runnable -->\n```python\n(.*?)```", text, re.S)
    shutil.copy(demo_int8.path, tmp_path / "model.int8.safetensors")
    monkeypatch.chdir(tmp_path)
    found: dict[str, Any] = {}
    exec(code, found)
    w = FloatCheckpoint(demo_folder(3000)).tensor("gpt_neox.layers.5.mlp.dense_h_to_4h.weight")
    assert found["w"].shape == w.shape
    assert np.square(found["w"] - w).sum() < 1e-4 * np.square(w).sum()


def test_int8_tensors_and_metadata(demo_int8: Int8File) -> None:
    config = demo_int8.config
    shapes = tensor_shapes(config)
    table = rows(section("int8-file.md", "## Tensors"))
    assert [row[0].strip("`") for row in table] == list(shapes)
    for name, dtype, shape in table:
        expected = eval(shape.strip("`"), {}, config.to_dict())
        assert (dtype, tuple(expected)) == shapes[name.strip("`")]
    keys = [row[0].strip("`") for row in rows(section("int8-file.md", "## Metadata"))]
    assert keys == list(read_layout(demo_int8.path).metadata)
    (fields,) = [
        row[1] for row in rows(section("int8-file.md", "## Metadata")) if "config" in row[0]
    ]
    assert re.findall(r"`(\w+)`", fields) == list(config.to_dict())


def test_what_is_known_of_the_published_files() -> None:
    table = rows(section("checkpoints.md", "### What is known of the published files"))
    assert [(row[2], row[3]) for row in table] == [(r.text, r.source) for r in REPORTS]
    for row, report in zip(table, REPORTS, strict=True):
        named = re.findall(r"`(pythia[^`]*)`", row[0])
        assert tuple(named) == report.models or len(report.models) > 2
        listed = re.fullmatch(r"\d+(, \d+)*", row[1])
        assert not listed or tuple(map(int, row[1].split(", "))) == report.steps
        counted = re.fullmatch(r"(\d+) of them", row[1])
        assert not counted or int(counted[1]) == len(report.steps or ())


def test_bounds_of_content() -> None:
    for steps, low, high in rows(section("checkpoints.md", "### Check of content")):
        for step in re.findall(r"\d+", steps):
            expected = (float(low or 0), float(high or "inf"))
            assert expected_nll(Checkpoint("pythia-410m", int(step))) == expected


def test_the_functions_of_tables_in_python() -> None:
    said = (ROOT / "docs" / "tables.md").read_text(encoding="utf-8").split("\n## ")[0]
    named = re.findall(r"`(\w+)\.(\w+)`", said.partition("In Python, ")[2])[1:]
    assert len(named) == 5
    for module, name in named:
        assert hasattr(importlib.import_module(f"pythia_cli.tables.{module}"), name)


def test_exit_statuses() -> None:
    text = (ROOT / "docs/exit-statuses.md").read_text(encoding="utf-8")
    assert [int(row[0]) for row in rows(text)] == [status.value for status in ExitStatus]


def test_fields_of_generate(records: Records) -> None:
    command = (
        "generate",
        "5 6",
        "--ids",
        "-n",
        "2",
        "--seed",
        "1",
        "--top-logprobs",
        "1",
        "--json",
    )
    (record,) = records(*command)
    assert sorted(names(section("output.md", "## generate --json"))) == sorted(record)
    text = section("output.md", "## generate --top-logprobs")
    assert list(dict.fromkeys(names(text))) == list(record["logprobs"][0])


def test_fields_of_tokenize(records: Records) -> None:
    (record,) = records("tokenize", "Call me", "--json")
    text = section("output.md", "## tokenize")
    assert names(text) == ["position", "id", "piece", "n_bytes", *record]


def test_fields_of_perplexity_and_its_tokens(records: Records, tmp_path: Path) -> None:
    text, tokens = tmp_path / "text.txt", tmp_path / "tokens.jsonl"
    text.write_text("It was the best of times, it was the worst of times.")
    (record,) = records(
        "perplexity", str(text), "--json", "--per-token", str(tokens), "--precision", "fast"
    )
    assert sorted(names(section("output.md", "## perplexity --json"))) == sorted(record)
    token = json.loads(tokens.read_text().splitlines()[-1])
    assert names(section("measures.md", "## Per-token records")) == list(token)
    assert set(names(section("measures.md", "## Formulas"))) <= set(record)


def test_columns_of_generated_tables() -> None:
    assert names(section("output.md", "## generate, as a table")) == list(GENERATED_COLUMNS)


def test_columns_and_figures_of_perplexity_by_item(records: Records, tmp_path: Path) -> None:
    assert names(section("measures.md", "## Items")) == list(PERPLEXITY_COLUMNS)
    text = tmp_path / "text.txt"
    text.write_text("It was the best of times.\nIt was the worst of times.")
    (whole,) = records("perplexity", str(text), "--json")
    (record,) = records("perplexity", str(text), "--by", "line", "--json")
    provenance = list(whole)[1 : list(whole).index("ids")]
    assert [*provenance, *names(section("output.md", "## perplexity --by"))] == list(record)


def test_fields_of_quantize_and_checkpoint(
    records: Records, tmp_path: Path, demo_folder: Callable[[int], Path]
) -> None:
    store = ["--json", "--store", str(tmp_path / "store")]
    (record,) = records("quantize", str(demo_folder(0)), "--as", "mine@1", *store)
    assert names(section("output.md", "## quantize --json")) == list(record)
    (listed,) = records("checkpoint", "list", *store)
    (current,) = records("checkpoint", "current", *store)
    text = section("output.md", "## checkpoint list --json, checkpoint current --json")
    for field in [*listed, *current]:
        assert f"`{field}`" in text


def test_fields_of_bench(records: Records) -> None:
    (record,) = records("bench", "--rounds", "1", "--json")
    assert sorted(names(section("output.md", "## bench --json"))) == sorted(record)


def test_fields_of_the_certificate() -> None:
    fields = list(certificate.Certificate.__dataclass_fields__)
    assert names(section("measures.md", "## Certificate")) == fields


def test_columns_and_figures_of_memorization() -> None:
    assert names(section("memorize.md", "## Columns")) == list(MEMORIZED_COLUMNS)
    totals = MemorizationTotals()
    totals.add({"score": 1.0, "extractable": True, "n_near_ties": 0})
    assert names(section("memorize.md", "## Summary")) == list(totals.figures())


def test_columns_of_weights() -> None:
    columns = ["layer", "parameter", *weight_columns()]
    assert names(section("weights.md", "## Columns")) == columns


def test_names_of_activations() -> None:
    stated = {name.replace(".i.", ".0.") for name in names(section("inside.md", "## Names"))}
    known = {
        name
        for parallel in (True, False)
        for name in activations_of(_config(use_parallel_residual=parallel))
    }
    assert stated == known


def _config(*, use_parallel_residual: bool) -> ModelConfig:
    return ModelConfig(
        n_layers=1, n_heads=1, d_model=8, d_mlp=8, d_vocab=8, n_ctx=8, rotary_pct=0.25,
        rotary_base=1e4, layer_norm_eps=1e-5, use_parallel_residual=use_parallel_residual,
    )  # fmt: skip


def test_columns_of_heads_and_of_the_comparison() -> None:
    assert names(section("inside.md", "## int8 beside float32")) == list(COMPARED)
    heads = section("inside.md", "## Heads")
    assert all(f"`{name}`" in heads for name in HEAD_COLUMNS)


def test_the_session_inside_a_model() -> None:
    found = doctest.testfile(str(ROOT / "docs/inside.md"), module_relative=False)
    assert (found.failed, found.attempted > 10) == (0, True)


def test_columns_and_figures_of_icl() -> None:
    assert names(section("icl.md", "## Columns")) == list(ICL_COLUMNS)
    assert names(section("icl.md", "## Summary")) == list(InContextTotals().figures())


def test_activation_levels() -> None:
    table = rows(section("numerics.md", "## Matrix products: int8 times int16"))
    for d_in, levels in table:
        (width,) = re.findall(r"^(?:up to )?(\d+)", d_in)
        assert activation_levels(int(width)) == int(levels)


def test_the_demo_steps_are_named() -> None:
    text = (ROOT / "docs/demo.md").read_text(encoding="utf-8")
    *steps, last = DEMO_STEPS
    assert f"steps {', '.join(map(str, steps))} and {last}" in text


def test_the_page_on_architecture_names_every_room_and_no_file_that_is_gone() -> None:
    text = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    drawn = text.split("```")[1]
    files = {path.name for path in (ROOT / "pythia_cli").rglob("*.py")}
    rooms = {
        path.name for path in (ROOT / "pythia_cli").iterdir() if (path / "__init__.py").exists()
    }
    assert {room for room in rooms if f"\n  {room}/" not in drawn} == set()
    assert set(re.findall(r"\b(\w+\.py)\b", drawn)) <= files


def test_the_measure_on_the_page_is_short_and_works(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    page = section("architecture.md", "## Adding a measure")
    blocks = re.findall(r"^`(\S+)`:\n\n```python\n(.*?)```", page, re.S | re.M)
    assert len(blocks) == 4
    assert sum(code.count("\n") for _, code in blocks) <= 60
    for path, code in blocks:
        if path == "pythia_cli/cli/app.py":
            places = app.app.info.cls.places
            monkeypatch.setattr(app.app.info.cls, "places", {**places, **eval(f"{{{code}}}")})
            continue
        module = types.ModuleType(path.removesuffix(".py").replace("/", "."))
        monkeypatch.setitem(sys.modules, module.__name__, module)
        exec(compile(code, path, "exec"), vars(module))
    module.test_top1(tmp_path, capsys)
