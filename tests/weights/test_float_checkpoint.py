"""Float checkpoints: every published form is read, one tensor at a time, and nothing else is."""

from __future__ import annotations

import hashlib
import json
import shutil
import struct
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pythia_cli.errors import (
    InputError,
    IntegrityError,
    NotFound,
    PythiaError,
    ResourceError,
    UnsafeFile,
    UnsupportedModel,
)
from pythia_cli.files.safetensors_layout import read_layout
from pythia_cli.suite.config import ModelConfig
from pythia_cli.suite.models import SIZES
from pythia_cli.weights.float_checkpoint import FloatCheckpoint, expected_tensors
from tests.float_folders import BIAS, DENSE, EMBED_IN, TINY, Folder
from tests.reporting import Counted

SAFE, BIN = "model.safetensors", "pytorch_model.bin"
both_forms = pytest.mark.parametrize("form", [SAFE, BIN])


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """A checkpoint folder that has no weights yet."""
    return Folder(tmp_path / "checkpoint")


def refused(folder: Path | Folder, kind: type[PythiaError], *words: str) -> PythiaError:
    """Opening the folder and reading its tensors raises this, and says these words."""
    with pytest.raises(kind) as raised:
        read_all(folder.path if isinstance(folder, Folder) else folder)
    assert raised.type is kind
    for word in words:
        assert word in str(raised.value)
    return raised.value


def read_all(path: Path) -> dict[str, np.ndarray[Any, Any]]:
    checkpoint = FloatCheckpoint(path)
    return {name: checkpoint.tensor(name) for name in expected_tensors(checkpoint.config)}


def assert_reads(folder: Folder) -> None:
    for name, values in read_all(folder.path).items():
        assert values.dtype == np.float32
        np.testing.assert_array_equal(values, folder.tensors[name].float().numpy())


# What is read -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("size", "n_not_embedding", "n_all"),
    [
        ("70m", 18_915_328, 70_426_624),
        ("160m", 85_056_000, 162_322_944),
        ("410m", 302_311_424, 405_334_016),
        ("1b", 805_736_448, 1_011_781_632),
        ("1.4b", 1_208_602_624, 1_414_647_808),
        ("2.8b", 2_517_652_480, 2_775_208_960),
        ("6.9b", 6_444_163_072, 6_857_302_016),
        ("12b", 11_327_027_200, 11_846_072_320),
    ],
)
def test_tensors_hold_the_published_numbers_of_parameters(
    size: str, n_not_embedding: int, n_all: int
) -> None:
    """Those of the suite's own table, without and with both embeddings."""
    sizes = {name: int(np.prod(shape)) for name, shape in expected_tensors(SIZES[size]).items()}
    assert sum(sizes.values()) == n_all
    assert sum(n for name, n in sizes.items() if "embed" not in name) == n_not_embedding


@both_forms
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_every_float_is_read_exactly(folder: Folder, form: str, dtype: torch.dtype) -> None:
    nasty = [0.0, -0.0, 65504.0, -65504.0, 6e-8, 6.1e-5, 1.0009765625, 2**-24, -(2**-14), 1 / 3]
    folder.tensors = {name: tensor.to(dtype) for name, tensor in folder.tensors.items()}
    folder.tensors[EMBED_IN].view(-1)[: len(nasty)] = torch.tensor(nasty).to(dtype)
    folder.save(form)
    assert_reads(folder)


@pytest.mark.parametrize("suffix", [".safetensors", ".bin"])
def test_shards_are_read(folder: Folder, suffix: str) -> None:
    shards = folder.save_sharded(suffix)
    assert FloatCheckpoint(folder.path).files == shards
    assert_reads(folder)


def test_forms_are_preferred_in_order(folder: Folder) -> None:
    """safetensors before .bin, one file before shards."""
    folder.save_sharded(".bin")
    assert len(FloatCheckpoint(folder.path).files) == 2
    folder.save(BIN)
    assert FloatCheckpoint(folder.path).files == [folder.path / BIN]
    folder.save_sharded(".safetensors")
    assert len(FloatCheckpoint(folder.path).files) == 2
    folder.save(SAFE)
    assert FloatCheckpoint(folder.path).files == [folder.path / SAFE]


@both_forms
def test_the_unembedding_may_be_called_lm_head(folder: Folder, form: str) -> None:
    tensors = dict(folder.tensors)
    tensors["lm_head.weight"] = tensors.pop("embed_out.weight")
    folder.save(form, tensors)
    assert_reads(folder)


@both_forms
def test_buffers_of_old_checkpoints_are_ignored(folder: Folder, form: str) -> None:
    buffers: dict[str, torch.Tensor] = {"gpt_neox.bias": torch.ones(3, dtype=torch.uint8)}
    for layer in range(TINY.n_layers):
        prefix = f"gpt_neox.layers.{layer}.attention."
        buffers[prefix + "bias"] = torch.ones(1, 1, 24, 24, dtype=torch.bool).tril()
        buffers[prefix + "masked_bias"] = torch.tensor(-np.inf)
        buffers[prefix + "rotary_emb.inv_freq"] = torch.full((2,), np.nan, dtype=torch.float64)
    folder.save(form, {**folder.tensors, **buffers})
    assert_reads(folder)


def test_parameters_in_a_bin_are_tensors(folder: Folder) -> None:
    folder.save(BIN, {name: torch.nn.Parameter(t) for name, t in folder.tensors.items()})
    assert_reads(folder)


def test_a_bin_of_the_format_before_zip_is_read(folder: Folder) -> None:
    torch.save(folder.tensors, folder.path / BIN, _use_new_zipfile_serialization=False)
    assert_reads(folder)


def test_tensors_that_are_views_are_read_as_what_they_show(folder: Folder) -> None:
    wide = torch.randn(16, 64).half()
    folder.tensors[DENSE] = wide.T[8:24]
    folder.save(BIN)
    assert_reads(folder)


def test_all_files_and_their_hashes(folder: Folder) -> None:
    shards = folder.save_sharded()
    checkpoint = FloatCheckpoint(folder.path)
    configuration = [folder.path / "config.json", folder.path / "tokenizer.json"]
    assert checkpoint.all_files == [*configuration, *shards]
    task = Counted()
    hashes = checkpoint.sha256(task)
    assert hashes == {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in shards}
    assert task.done == sum(path.stat().st_size for path in shards)


def test_a_safetensors_file_is_read_one_tensor_at_a_time(tmp_path: Path) -> None:
    config = ModelConfig(4, 8, 512, 2048, 4000, 64)
    folder = Folder(tmp_path / "large", config)
    path = folder.save(SAFE)
    expected = {name: tensor.float().sum().item() for name, tensor in folder.tensors.items()}
    folder.tensors.clear()
    n_bytes, largest = path.stat().st_size, 4 * 4000 * 512
    assert n_bytes > 30e6
    tracemalloc.start()
    try:
        checkpoint = FloatCheckpoint(folder.path)
        _, peak = tracemalloc.get_traced_memory()
        assert peak < 1e6
        for name, total in expected.items():
            assert checkpoint.tensor(name).sum(dtype=np.float64) == pytest.approx(total, abs=0.5)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 1.6 * largest < n_bytes / 2
    maps = Path("/proc/self/maps")
    if maps.exists():
        assert str(path) not in maps.read_text()


# What is refused: the folder ----------------------------------------------------------------------


def test_no_folder(tmp_path: Path) -> None:
    refused(tmp_path / "nowhere", NotFound, "nowhere does not exist")


def test_a_name_that_is_too_long(tmp_path: Path) -> None:
    refused(tmp_path / ("x" * 300), ResourceError, "cannot be read")


def test_not_a_folder(folder: Folder) -> None:
    path = folder.save(SAFE)
    refused(path, InputError, SAFE, "not a folder")


def test_no_config(folder: Folder) -> None:
    folder.save(SAFE)
    (folder.path / "config.json").unlink()
    refused(folder, InputError, "no config.json")


@pytest.mark.parametrize("text", ["{", "[1]"])
def test_a_config_that_is_no_json_object(folder: Folder, text: str) -> None:
    folder.save(SAFE)
    (folder.path / "config.json").write_text(text, encoding="utf-8")
    refused(folder, IntegrityError, "config.json", "not")


def test_a_config_of_another_model(folder: Folder) -> None:
    folder.save(SAFE)
    folder.write("config.json", {"model_type": "llama"})
    refused(folder, UnsupportedModel, "config.json", "model_type", "llama")


def test_no_tokenizer(folder: Folder) -> None:
    folder.save(SAFE)
    (folder.path / "tokenizer.json").unlink()
    refused(folder, NotFound, "tokenizer.json", "beside config.json")


def test_no_weights(folder: Folder) -> None:
    folder.save("other.safetensors")
    refused(folder, InputError, "neither model.safetensors nor pytorch_model.bin")


# What is refused: tensors -------------------------------------------------------------------------


@both_forms
def test_a_missing_tensor(folder: Folder, form: str) -> None:
    del folder.tensors[DENSE]
    folder.save(form)
    refused(folder, IntegrityError, form, f"{DENSE} is missing")
    del folder.tensors[BIAS], folder.tensors[EMBED_IN]
    folder.save(form)
    refused(folder, IntegrityError, f"{EMBED_IN} is missing (and 2 more)")


@both_forms
@pytest.mark.parametrize(
    "name",
    [
        "gpt_neox.layers.2.attention.dense.weight",
        "transformer.wte.weight",
        "gpt_neox.layers.0.attention.bias.weight",
        "gpt_neox.layers.x.attention.bias",
    ],
)
def test_an_extra_tensor(folder: Folder, form: str, name: str) -> None:
    folder.save(form, {**folder.tensors, name: torch.zeros(3)})
    refused(folder, IntegrityError, form, f"{name} is not part of the model")


@both_forms
@pytest.mark.parametrize("shape", [(16, 17), (17, 16), (256,), (16, 16, 1), (0, 16), ()])
def test_a_wrong_shape(folder: Folder, form: str, shape: tuple[int, ...]) -> None:
    folder.tensors[DENSE] = torch.zeros(shape, dtype=torch.float16)
    folder.save(form)
    refused(folder, IntegrityError, form, DENSE, f"has shape {list(shape)}", "[16, 16]")


@both_forms
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
@pytest.mark.parametrize(
    ("value", "what"),
    [(np.nan, "NaN"), (-np.nan, "NaN"), (np.inf, "infinite"), (-np.inf, "infinite")],
)
def test_values_that_are_no_numbers(
    folder: Folder, form: str, dtype: torch.dtype, value: float, what: str
) -> None:
    folder.tensors[DENSE] = folder.tensors[DENSE].to(dtype)
    folder.tensors[DENSE][3, 5] = value
    folder.save(form)
    FloatCheckpoint(folder.path)
    refused(folder, IntegrityError, form, f"{DENSE} holds {what} values")


@both_forms
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_the_largest_numbers_are_numbers(folder: Folder, form: str, dtype: torch.dtype) -> None:
    folder.tensors[DENSE] = folder.tensors[DENSE].to(dtype)
    most = torch.finfo(dtype).max
    folder.tensors[DENSE][3, 5:8] = torch.tensor([most, -most, -0.0])
    folder.save(form)
    found = FloatCheckpoint(folder.path).tensor(DENSE)
    np.testing.assert_array_equal(found[3, 5:8], np.float32([most, -most, 0]))


@both_forms
def test_a_file_that_is_gone_when_it_is_read(folder: Folder, form: str) -> None:
    path = folder.save(form)
    checkpoint = FloatCheckpoint(folder.path)
    path.unlink()
    with pytest.raises(ResourceError, match=f"{form}: cannot be read"):
        checkpoint.tensor(DENSE)


@both_forms
def test_infinities_that_cancel_are_no_numbers(folder: Folder, form: str) -> None:
    folder.tensors[DENSE][3, 5] = np.inf
    folder.tensors[DENSE][3, 6] = -np.inf
    folder.save(form)
    refused(folder, IntegrityError, form, f"{DENSE} holds infinite values")


@both_forms
@pytest.mark.parametrize(
    "dtype", [torch.int8, torch.uint8, torch.int32, torch.int64, torch.bool, torch.float64]
)
def test_other_types_than_floats(folder: Folder, form: str, dtype: torch.dtype) -> None:
    folder.tensors[BIAS] = torch.ones(40, dtype=dtype)
    folder.save(form)
    refused(folder, IntegrityError, form, BIAS, "expected")


def test_floats_of_eight_bits(folder: Folder) -> None:
    folder.tensors[BIAS] = torch.ones(40).to(torch.float8_e4m3fn)
    folder.save(SAFE)
    refused(folder, IntegrityError, SAFE, BIAS, "F8")


def test_a_shape_of_many_axes(folder: Folder) -> None:
    path = folder.save(SAFE)
    data = path.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + length])
    header[BIAS]["shape"] = [40, *[1] * 500_000]
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data[8 + length :])
    refused(folder, IntegrityError, SAFE, f"{BIAS} has shape")


@both_forms
def test_both_names_of_the_unembedding(folder: Folder, form: str) -> None:
    tensors = {**folder.tensors, "lm_head.weight": folder.tensors["embed_out.weight"].clone()}
    folder.save(form, tensors)
    refused(folder, IntegrityError, form, "embed_out.weight appears twice")


@pytest.mark.parametrize("suffix", [".safetensors", ".bin"])
def test_a_tensor_in_two_shards(folder: Folder, suffix: str) -> None:
    first, second = folder.save_sharded(suffix)
    tensors = dict(list(folder.tensors.items())[1::2]) | {EMBED_IN: folder.tensors[EMBED_IN]}
    folder.save(second.name, tensors)
    assert first.exists()
    refused(folder, IntegrityError, second.name, f"{EMBED_IN} appears twice")


# What is refused: files ---------------------------------------------------------------------------


@pytest.mark.parametrize("keep", [0, 7, 8, 100, -1])
def test_a_truncated_safetensors_file(folder: Folder, keep: int) -> None:
    path = folder.save(SAFE)
    path.write_bytes(path.read_bytes()[:keep])
    refused(folder, IntegrityError, SAFE, "not a whole safetensors file")


def test_a_safetensors_file_cut_after_it_was_opened(folder: Folder) -> None:
    path = folder.save(SAFE)
    checkpoint = FloatCheckpoint(folder.path)
    path.with_name("whole").write_bytes(path.read_bytes())
    path.write_bytes(path.read_bytes()[:-10])
    last = list(read_layout(path.with_name("whole")).tensors)[-1]
    with pytest.raises(PythiaError, match=SAFE):
        checkpoint.tensor(last)


@pytest.mark.parametrize("index", [SAFE, BIN])
@pytest.mark.parametrize(
    "content", ["", "{", "[]", "{}", '{"weight_map": []}', '{"weight_map": {}}', "nul"]
)
def test_an_index_that_is_none(folder: Folder, index: str, content: str) -> None:
    (folder.path / f"{index}.index.json").write_text(content, encoding="utf-8")
    refused(folder, IntegrityError, f"{index}.index.json")


@pytest.mark.parametrize("suffix", [".safetensors", ".bin"])
@pytest.mark.parametrize(
    "name",
    [
        "../x{}", "/etc/x{}", "a/b{}", "..\\x{}", "C:\\x{}", "x.txt", "", "..", ".", "{}/..",
        "x{}\x00", "config.json", "x.gguf",
    ],
)  # fmt: skip
def test_an_index_that_leads_elsewhere(folder: Folder, suffix: str, name: str) -> None:
    outside = folder.path.parent / f"x{suffix}"
    shutil.copy(folder.save_sharded(suffix)[0], outside)
    stem = "model" if suffix == ".safetensors" else "pytorch_model"
    index = folder.path / f"{stem}{suffix}.index.json"
    content = json.loads(index.read_text())
    content["weight_map"][EMBED_IN] = name.format(suffix)
    index.write_text(json.dumps(content))
    with pytest.raises(UnsafeFile, match=index.name):
        FloatCheckpoint(folder.path)


@pytest.mark.parametrize("name", [3, None, ["x"], {"a": 1}])
def test_an_index_of_no_names(folder: Folder, name: Any) -> None:
    folder.write(f"{SAFE}.index.json", {"weight_map": {EMBED_IN: name}})
    refused(folder, UnsafeFile, f"{SAFE}.index.json")


@pytest.mark.parametrize("suffix", [".safetensors", ".bin"])
def test_a_missing_shard(folder: Folder, suffix: str) -> None:
    _, second = folder.save_sharded(suffix)
    second.unlink()
    refused(folder, NotFound, second.name, "index.json names it")
