"""The int8 file: readable by others, aligned, and refused or reported wherever it is damaged."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file

from pythia_cli.checkpoints.quantize import write_int8
from pythia_cli.engine.reference import Reference, dequantized
from pythia_cli.engine.transformer import Transformer
from pythia_cli.errors import IntegrityError, NotFound, PythiaError
from pythia_cli.files.safetensors_layout import read_layout
from pythia_cli.weights import int8_writer
from pythia_cli.weights.float_checkpoint import FloatCheckpoint
from pythia_cli.weights.int8_file import Int8File
from pythia_cli.weights.int8_layout import (
    ALIGNMENT,
    DTYPES,
    FORMAT_VERSION,
    QUANTIZATION,
    QUANTIZATIONS,
    header_bytes,
    tensor_shapes,
)
from pythia_cli.weights.int8_writer import Int8Writer
from pythia_cli.weights.source import Source
from tests.conftest import GOLDEN
from tests.float_folders import TINY, Folder
from tests.golden_index import NAMES
from tests.int8_headers import with_header, with_tensors

SOURCE = Source("EleutherAI/pythia-x", "step3", "0" * 40, {"model.safetensors": "ab" * 32})
V1 = GOLDEN / "int8" / "v1-tiny.safetensors"


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    """A small int8 file, to be damaged."""
    folder = Folder(tmp_path / "checkpoint")
    folder.save()
    path = tmp_path / "tiny.int8.safetensors"
    write_int8(FloatCheckpoint(folder.path), path, SOURCE)
    return path


def refused(path: Path, *words: str) -> None:
    with pytest.raises(IntegrityError, match=path.name) as raised:
        Int8File(path)
    for word in words:
        assert word in str(raised.value)


# What is in it ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_it_is_aligned_and_undamaged_and_knows_its_model(
    golden_folder: Callable[[str], Path], quantized: Callable[[Path], Int8File], name: str
) -> None:
    folder = golden_folder(name)
    file = quantized(folder)
    assert file.config == FloatCheckpoint(folder).config
    assert file.damaged_tensors() == []
    assert list(file.tensors) == list(tensor_shapes(file.config))
    layout = read_layout(file.path)
    for tensor, array in file.tensors.items():
        assert layout.tensors[tensor].offset % ALIGNMENT == 0
        assert array.ctypes.data % ALIGNMENT == 0
        assert array.flags.c_contiguous
        assert not array.flags.writeable


@pytest.mark.parametrize("name", ["head12-f32", "head12-odd-rotary", "head36-sequential"])
def test_others_can_read_it(
    golden_folder: Callable[[str], Path], quantized: Callable[[Path], Int8File], name: str
) -> None:
    """With the safetensors library and a product, by our names or the published ones."""
    file = quantized(golden_folder(name))
    with safe_open(file.path, framework="numpy") as opened:
        metadata = opened.metadata()
    assert json.loads(metadata["config"]) == file.config.to_dict()
    tensors = load_file(file.path)
    assert {name for name in tensors if not name.startswith("_padding.")} == set(file.tensors)
    for tensor in ("embed_in.weight", "embed_out.weight"):
        scales = tensors[tensor.replace("weight", "scales")]
        published = tensor if tensor == "embed_out.weight" else f"gpt_neox.{tensor}"
        np.testing.assert_array_equal(
            tensors[tensor] * scales[:, None], dequantized(file, published)
        )
    for layer in range(file.config.n_layers):
        ours = "layers.mlp.dense_4h_to_h"
        w = tensors[f"{ours}.weight"][layer] * tensors[f"{ours}.scales"][layer][:, None]
        published = f"gpt_neox.layers.{layer}.mlp.dense_4h_to_h.weight"
        np.testing.assert_array_equal(w, dequantized(file, published))


def test_it_keeps_where_it_came_from(tiny: Path) -> None:
    file = Int8File(tiny)
    assert file.source == SOURCE
    assert file.quantization == QUANTIZATION
    tokenizer = (tiny.parent / "checkpoint" / "tokenizer.json").read_bytes()
    assert file.tokenizer_sha256 == hashlib.sha256(tokenizer).hexdigest()


def test_a_sources_hash_is_its_files_or_that_of_their_list() -> None:
    assert SOURCE.sha256 == "ab" * 32
    listing = "11  a.safetensors\n22  b.safetensors\n"
    sharded = Source(None, None, None, {"b.safetensors": "22", "a.safetensors": "11"})
    assert sharded.sha256 == hashlib.sha256(listing.encode()).hexdigest()
    assert sharded.to_dict()["sha256"] == sharded.sha256


def test_the_same_checkpoint_makes_the_same_bytes(tiny: Path) -> None:
    again = tiny.with_name("again")
    write_int8(FloatCheckpoint(tiny.parent / "checkpoint"), again, SOURCE)
    assert again.read_bytes() == tiny.read_bytes()


def test_the_header_holds_its_own_hash(tiny: Path) -> None:
    """sha256 of the JSON without that entry, as docs/int8-file.md says."""
    content = json.loads(read_layout(tiny).header)
    stated = content["__metadata__"].pop("header_sha256")
    assert hashlib.sha256(json.dumps(content).encode()).hexdigest() == stated


# What is refused ----------------------------------------------------------------------------------


def test_a_file_that_is_not_there_is_not_found(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for path in (tmp_path / "nothing", tmp_path / "file/below"):
        with pytest.raises(NotFound, match=path.name):
            Int8File(path)
    with pytest.raises(IntegrityError, match="not a regular file"):
        Int8File(tmp_path)


def test_every_changed_byte_of_the_header_is_refused(tiny: Path) -> None:
    data = tiny.read_bytes()
    n_header = 8 + struct.unpack("<Q", data[:8])[0]
    accepted = []
    with tiny.open("r+b", buffering=0) as file:
        for place in range(n_header):
            old = data[place]
            # A bit, a letter's case, and for a space another that JSON takes for one.
            for new in {old ^ 1, old ^ 0x20, 0x0A if old == 0x20 else old ^ 0x80}:
                file.seek(place)
                file.write(bytes([new]))
                try:
                    Int8File(tiny)
                    accepted.append((place, new))
                except PythiaError:
                    pass
            file.seek(place)
            file.write(bytes([old]))
    assert accepted == []
    assert Int8File(tiny).damaged_tensors() == []


def test_a_thousand_changed_bytes_are_found(tiny: Path) -> None:
    rng = np.random.default_rng(0)
    data = tiny.read_bytes()
    found = 0
    with tiny.open("r+b", buffering=0) as file:
        for place in rng.integers(0, len(data), 1000):
            file.seek(place)
            file.write(bytes([data[place] ^ int(rng.integers(1, 256))]))
            try:
                found += Int8File(tiny).damaged_tensors() != []
            except PythiaError:
                found += 1
            file.seek(place)
            file.write(data[place : place + 1])
    assert found == 1000
    assert Int8File(tiny).damaged_tensors() == []


def test_damage_in_a_tensor_is_found_by_its_name(tiny: Path) -> None:
    data = bytearray(tiny.read_bytes())
    for name, place in read_layout(tiny).tensors.items():
        for at in (place.offset, place.offset + place.n_bytes - 1):
            data[at] ^= 0x10
            tiny.write_bytes(data)
            # What fills up to the boundary counts as the tensor's before it.
            assert Int8File(tiny).damaged_tensors() == [name.removeprefix("_padding.")]
            data[at] ^= 0x10


@pytest.mark.parametrize("change", [-1, 1, -64, 64, -10_000])
def test_another_length_is_refused(tiny: Path, change: int) -> None:
    data = tiny.read_bytes()
    tiny.write_bytes(data[:change] if change < 0 else data + bytes(change))
    refused(tiny)


@pytest.mark.parametrize("keep", [0, 1, 7, 8, 9, 100, 5000])
def test_a_truncated_header_is_refused(tiny: Path, keep: int) -> None:
    tiny.write_bytes(tiny.read_bytes()[:keep])
    refused(tiny, "not a whole safetensors file")


def written_by(monkeypatch: pytest.MonkeyPatch, tiny: Path, constant: str, value: Any) -> Path:
    """What a pythia would have written whose constant is another."""
    path = tiny.with_name("other.safetensors")
    with monkeypatch.context() as patch:
        patch.setattr(int8_writer, constant, value)
        write_int8(FloatCheckpoint(tiny.parent / "checkpoint"), path, SOURCE)
    return path


@pytest.mark.parametrize("version", [0, 3, 10])
def test_another_version_is_refused(
    monkeypatch: pytest.MonkeyPatch, tiny: Path, version: int
) -> None:
    path = written_by(monkeypatch, tiny, "FORMAT_VERSION", version)
    refused(path, f"format version {version}", "versions 1 to 2")


def test_another_format_is_refused(monkeypatch: pytest.MonkeyPatch, tiny: Path) -> None:
    refused(written_by(monkeypatch, tiny, "FORMAT", "gguf"), "not an int8 file made by pythia")


def test_another_quantization_is_refused(monkeypatch: pytest.MonkeyPatch, tiny: Path) -> None:
    refused(written_by(monkeypatch, tiny, "QUANTIZATION", "int4"), "int4")


def test_quantizations_of_before_are_read(monkeypatch: pytest.MonkeyPatch, tiny: Path) -> None:
    *before, _ = QUANTIZATIONS[FORMAT_VERSION]
    assert before
    for name in before:
        path = written_by(monkeypatch, tiny, "QUANTIZATION", name)
        assert Int8File(path).quantization == name
        path.unlink()


def test_a_float_checkpoint_is_refused(tiny: Path) -> None:
    refused(tiny.parent / "checkpoint" / "model.safetensors", "not an int8 file made by pythia")


def with_metadata(tiny: Path, change: Callable[[dict[str, str]], Any]) -> Path:
    """The same data behind a header that was changed and is well-formed."""
    data = tiny.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    content = json.loads(data[8 : 8 + length])
    change(content["__metadata__"])
    text = json.dumps(content).encode()
    path = tiny.with_name("changed.safetensors")
    path.write_bytes(struct.pack("<Q", len(text)) + text + data[8 + length :])
    return path


@pytest.mark.parametrize(
    "entry",
    [
        "config",
        "source",
        "quantization",
        "tokenizer_sha256",
        "calibration",
        "tensors_sha256",
        "header_sha256",
    ],
)
@pytest.mark.parametrize("value", [None, "", "{}", "[]", "3", "null", '{"a": 1}'])
def test_an_entry_that_is_missing_or_another_is_refused(
    tiny: Path, entry: str, value: str | None
) -> None:
    refused(
        with_metadata(tiny, lambda m: m.pop(entry) if value is None else m.update({entry: value}))
    )


@pytest.mark.parametrize(
    "change", [{"n_layers": 3}, {"d_model": -1}, {"d_model": "16"}, {"d_mlp": 1.5}, {"x": 1}]
)
def test_another_config_is_refused(tiny: Path, change: dict[str, Any]) -> None:
    config = json.dumps(TINY.to_dict() | change)
    refused(with_metadata(tiny, lambda metadata: metadata.update(config=config)))


# What is refused although every hash fits ---------------------------------------------------------


@pytest.mark.parametrize(
    "config",
    [
        {"rotary_pct": 1e5},
        {"rotary_pct": "x"},
        {"rotary_base": 1e-300},
        {"n_heads": 3},
        {"n_heads": 0},
        {"n_heads": None},
        {"n_heads": 2.0},
        {"n_ctx": 10**30},
        {"n_ctx": True},
        {"layer_norm_eps": None},
        {"layer_norm_eps": float("nan")},
        {"use_parallel_residual": 1},
        {"x": 1},
        "[" * 100_000,
        "3",
        '{"n_layers": 2, "n_layers": 2}',
    ],
)
def test_a_config_that_kernels_cannot_take(tiny: Path, config: Any) -> None:
    with_header(tiny, config)
    refused(tiny, "damaged header")


@pytest.mark.parametrize("files", [None, {}, [], {"a": None}, {"a": 3}, "a"])
def test_a_source_without_hashes(tiny: Path, files: Any) -> None:
    with_header(tiny, source=json.dumps({**SOURCE.to_dict(), "files": files}))
    refused(tiny, "damaged header", "source.files")


def test_a_source_that_utf8_cannot_encode(tiny: Path) -> None:
    files = {"a\ud800": "ab", "b": "cd"}
    with_header(tiny, source=json.dumps({**SOURCE.to_dict(), "files": files}))
    refused(tiny, "damaged header")


@pytest.mark.parametrize("field", ["repo", "revision", "commit"])
def test_a_source_of_other_types(tiny: Path, field: str) -> None:
    with_header(tiny, source=json.dumps({**SOURCE.to_dict(), field: 3}))
    refused(tiny, "damaged header", f"source.{field}")


@pytest.mark.parametrize("digest", ["", "../../etc/passwd", "ab" * 31, "AB" * 32, "ab" * 32 + "\n"])
def test_a_tokenizer_that_is_named_by_no_hash(tiny: Path, digest: str) -> None:
    with_header(tiny, tokenizer_sha256=digest)
    refused(tiny, "damaged header", "tokenizer_sha256")


@pytest.mark.parametrize("change", [lambda names: names[::-1], lambda names: names[1:]])
def test_hashes_of_other_tensors(tiny: Path, change: Callable[[list[str]], list[str]]) -> None:
    """In a header whose own sha256 fits."""
    layout = read_layout(tiny)
    hashes = json.loads(layout.metadata["tensors_sha256"])
    metadata = {
        k: v for k, v in layout.metadata.items() if k not in ("tensors_sha256", "header_sha256")
    }
    changed = {name: hashes[name] for name in change(list(hashes))}
    header = header_bytes(tensor_shapes(TINY), metadata, changed)
    tiny.write_bytes(header + tiny.read_bytes()[8 + len(layout.header) :])
    refused(tiny, "tensors_sha256 does not list the tensors in their order")


def test_a_version_of_many_digits(tiny: Path) -> None:
    with_header(tiny, format_version="9" * 5000)
    refused(tiny, "format version 999999999;")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize(
    "changed",
    [n for n, (dtype, _) in tensor_shapes(TINY).items() if dtype == "F32" and "norm" not in n]
    + [
        "layers.input_layernorm.weight",
        "final_layer_norm.weight",
    ],
)
def test_values_that_are_not_finite(tiny: Path, changed: str, value: float) -> None:
    def change(name: str, array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        if name == changed:
            array.flat[-1] = value
        return array

    with_tensors(tiny, change)
    refused(tiny, f"{changed} holds values that are not finite")


def test_a_negative_scale(tiny: Path) -> None:
    with_tensors(tiny, lambda name, array: -array if name == "embed_out.scales" else array)
    refused(tiny, "embed_out.scales holds a negative scale")


def test_a_level_that_overflows_is_found(tiny: Path) -> None:
    def change(name: str, array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        if name == "layers.attention.dense.weight":
            array[1, 2, 3] = -128
        return array

    with_tensors(tiny, change)
    assert Int8File(tiny).damaged_tensors() == ["layers.attention.dense.weight"]


# Writing ------------------------------------------------------------------------------------------


def test_a_writer_puts_the_header_in_place_at_the_end(tiny: Path) -> None:
    """Until then there are zeros, which is no file."""
    buffer = io.BytesIO()
    writer = Int8Writer(buffer, TINY, SOURCE, "cd" * 32, {"text_sha256": "ef" * 32, "n_tokens": 3})
    for name, (dtype, shape) in tensor_shapes(TINY).items():
        values = np.ones(shape, DTYPES[dtype])
        writer.write_tensor(name, iter(np.array_split(values, 2)))
    path = tiny.with_name("written.safetensors")
    path.write_bytes(buffer.getvalue())
    refused(path)
    writer.finish()
    path.write_bytes(buffer.getvalue())
    file = Int8File(path)
    assert file.damaged_tensors() == []
    assert all((array == 1).all() for array in file.tensors.values())
    assert file.tokenizer_sha256 == "cd" * 32


# The kept file of version 1 -----------------------------------------------------------------------


def test_the_kept_file_of_version_1_is_read_to_the_bit(tmp_path: Path) -> None:
    """tests/golden/make_int8_v1.py made it; it is never made again."""
    path = Path(shutil.copy(V1, tmp_path))
    file = Int8File(path)
    assert file.damaged_tensors() == []
    assert file.source.repo == "EleutherAI/not-a-model"
    with np.load(V1.with_suffix(".npz")) as kept:
        assert {f"tensor:{name}" for name in file.tensors} | {"token_ids", "logits"} == set(kept)
        for name, array in file.tensors.items():
            assert array.tobytes() == kept[f"tensor:{name}"].tobytes(), name
            assert array.dtype == kept[f"tensor:{name}"].dtype
        token_ids, logits = kept["token_ids"], kept["logits"]
    # The tolerances of the plain model, and of the kernels with their 8-bit cache.
    assert np.abs(Reference.from_int8(file).logits(token_ids) - logits).max() <= 1e-4
    model = Transformer(file, 1)
    chunks = model.chunks(token_ids, model.new_cache())
    got = np.concatenate([rows.copy() for _, rows in chunks])
    model.close()
    assert np.abs(got - logits).max() <= 0.06


def test_the_kept_file_has_not_changed() -> None:
    digest = hashlib.sha256(V1.read_bytes()).hexdigest()
    assert digest == "67946520884d4da043383559d6b8c2ec6a0a67221f3eb9d94e7c3b29d5f0668c"
