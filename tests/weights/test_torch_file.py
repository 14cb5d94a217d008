"""pytorch_model.bin of every kind that torch writes, and of kinds that it does not write."""

from __future__ import annotations

import errno
import io
import os
import pickle
import struct
import subprocess
import sys
import tracemalloc
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pythia_cli.errors import IntegrityError, ResourceError
from pythia_cli.suite.config import ModelConfig
from pythia_cli.weights.float_checkpoint import FloatCheckpoint
from tests.float_folders import BIAS, DENSE, Folder

BIN = "pytorch_model.bin"


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path / "checkpoint")


def read(folder: Folder, name: str = BIAS) -> np.ndarray[Any, Any]:
    return FloatCheckpoint(folder.path).tensor(name)


def refused(folder: Folder, *words: str) -> None:
    with pytest.raises(IntegrityError, match=BIN) as raised:
        read(folder)
    for word in words:
        assert word in str(raised.value)


# What is read -------------------------------------------------------------------------------------


def with_attributes(values: torch.Tensor) -> torch.Tensor:
    parameter = torch.nn.Parameter(values.clone())
    parameter.detach = parameter.shape_of = "x"  # type: ignore[assignment, method-assign, attr-defined]
    return parameter


READ: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "a parameter": torch.nn.Parameter,
    "a parameter with attributes": with_attributes,
    "every second value": lambda values: values.repeat_interleave(2)[::2],
    "the end of a storage": lambda values: torch.cat([torch.zeros(3).half(), values])[3:],
    "a column": lambda values: torch.stack([values, values * 2]).T[:, 0],
    "one that needs a gradient": lambda values: values.clone().requires_grad_(),
    "bfloat16": lambda values: values.bfloat16(),
    "float32": lambda values: values.float(),
}


@pytest.mark.parametrize("kind", READ)
@pytest.mark.parametrize("is_zip", [True, False])
def test_plain_values_are_read_from_every_form(folder: Folder, kind: str, is_zip: bool) -> None:
    tensor = READ[kind](folder.tensors[BIAS])
    content = {**folder.tensors, BIAS: tensor}
    torch.save(content, folder.path / BIN, _use_new_zipfile_serialization=is_zip)
    expected = torch.Tensor.detach(tensor).float().numpy()
    np.testing.assert_array_equal(read(folder), expected)
    rows = FloatCheckpoint(folder.path).rows(BIAS, 3, 7)
    np.testing.assert_array_equal(rows, expected[3:7])


def test_rows_of_a_transposed_matrix(folder: Folder) -> None:
    folder.tensors[DENSE] = folder.tensors[DENSE].T.contiguous().T
    folder.save(BIN)
    rows = FloatCheckpoint(folder.path).rows(DENSE, 5, 9)
    np.testing.assert_array_equal(rows, folder.tensors[DENSE][5:9].float().numpy())


def test_rows_of_a_large_transposed_matrix_are_read_alone(tmp_path: Path) -> None:
    """Not all that lies between them in the file, which is the whole matrix."""
    folder = Folder(tmp_path / "wide", ModelConfig(1, 2, 512, 8192, 33, 24))
    name = "gpt_neox.layers.0.mlp.dense_h_to_4h.weight"
    folder.tensors[name] = folder.tensors[name].T.contiguous().T
    folder.save(BIN)
    checkpoint = FloatCheckpoint(folder.path)
    rows, peak = with_peak(lambda: checkpoint.rows(name, 96, 128))
    np.testing.assert_array_equal(rows, folder.tensors[name][96:128].float().numpy())
    assert peak < 1 << 20 < folder.tensors[name].nbytes / 4


@pytest.mark.parametrize(
    ("strides", "offset"), [((500_000, 1), 0), ((1, 500_000), 3), ((480_000, 33_000), 7)]
)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_what_lies_between_the_values_of_a_tensor_is_not_read(
    folder: Folder, strides: tuple[int, int], offset: int, dtype: torch.dtype
) -> None:
    """A file of some GB may have a small tensor that spans it, and take no room on the disk."""
    storage = torch.zeros(8 << 20, dtype=dtype)
    tensor = storage.as_strided((16, 16), strides, offset)
    tensor.copy_(folder.tensors[DENSE])
    folder.tensors[DENSE] = tensor
    folder.save(BIN)
    checkpoint = FloatCheckpoint(folder.path)
    values, peak = with_peak(lambda: checkpoint.tensor(DENSE))
    np.testing.assert_array_equal(values, tensor.float().numpy())
    np.testing.assert_array_equal(checkpoint.rows(DENSE, 5, 9), tensor[5:9].float().numpy())
    assert peak < 3e6 < storage.nbytes / 4


def with_peak(work: Callable[[], np.ndarray[Any, Any]]) -> tuple[np.ndarray[Any, Any], int]:
    """What it returns, and the most bytes that it had allocated."""
    tracemalloc.start()
    try:
        return work(), tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_every_protocol_of_pickle(folder: Folder, protocol: int) -> None:
    torch.save(folder.tensors, folder.path / BIN, pickle_protocol=protocol)
    np.testing.assert_array_equal(read(folder), folder.tensors[BIAS].float().numpy())


def test_a_state_dict_with_metadata(folder: Folder) -> None:
    content = OrderedDict(folder.tensors)
    content._metadata = OrderedDict({"": {"version": 1}})  # type: ignore[attr-defined]
    content.get = None  # type: ignore[method-assign, assignment]
    torch.save(content, folder.path / BIN)
    np.testing.assert_array_equal(read(folder), folder.tensors[BIAS].float().numpy())


def test_tensors_may_share_a_storage(folder: Folder) -> None:
    folder.tensors["embed_out.weight"] = folder.tensors["gpt_neox.embed_in.weight"]
    folder.save(BIN)
    first, second = (read(folder, n) for n in ("embed_out.weight", "gpt_neox.embed_in.weight"))
    np.testing.assert_array_equal(first, second)


def test_reading_needs_no_torch(folder: Folder) -> None:
    folder.save(BIN)
    program = (
        "import sys; from pathlib import Path;"
        "from pythia_cli.weights.float_checkpoint import FloatCheckpoint;"
        f"FloatCheckpoint(Path(sys.argv[1])).tensor({BIAS!r}); print('torch' in sys.modules)"
    )
    command = [sys.executable, "-c", program, str(folder.path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout == "False\n"


# What is refused ----------------------------------------------------------------------------------


def negated(values: torch.Tensor) -> torch.Tensor:
    return torch.complex(torch.zeros(len(values)), values.float()).conj().imag


def quantized(values: torch.Tensor) -> torch.Tensor:
    return torch.quantize_per_tensor(values.float(), 0.1, 0, torch.qint8)


ODD: dict[str, tuple[Callable[[torch.Tensor], Any], str]] = {
    "negated": (negated, "negated"),
    "conjugated": (lambda values: torch.complex(values.float(), values.float()).conj(), BIAS),
    "complex": (lambda values: torch.complex(values.float(), values.float()), "is C64"),
    "nested": (lambda values: torch.nested.nested_tensor([values, values[:5]]), "nested"),
    "sparse": (lambda values: values.float().to_sparse(), "sparse"),
    "meta": (lambda values: values.to("meta"), "meta"),
    "quantized": (quantized, "qtensor"),
    "float64": (lambda values: values.double(), "is F64; expected F16, BF16 or F32"),
    "float8": (lambda values: values.to(torch.float8_e4m3fn), BIAS),
    "no dimension": (lambda values: values[0].clone(), "has shape []"),
    "one value repeated": (lambda values: values[:1].expand(40), "fewer values"),
    "overlapping rows": (lambda values: values.as_strided((30, 2), (1, 1)), "fewer values"),
    "a size": (lambda values: torch.Size([1]), "torch.Size"),
    "a dict": (lambda values: {"a": values}, "is not a named tensor"),
}  # fmt: skip


@pytest.mark.parametrize("kind", ODD)
@pytest.mark.filterwarnings("ignore")
def test_other_kinds_of_tensors_are_refused(folder: Folder, kind: str) -> None:
    make, word = ODD[kind]
    torch.save({**folder.tensors, BIAS: make(folder.tensors[BIAS])}, folder.path / BIN)
    refused(folder, BIAS, word)


@pytest.mark.parametrize("kind", ODD)
@pytest.mark.filterwarnings("ignore")
def test_other_kinds_of_tensors_may_be_buffers(folder: Folder, kind: str) -> None:
    """Nobody reads those."""
    buffer = ODD[kind][0](folder.tensors[BIAS])
    torch.save({**folder.tensors, "gpt_neox.layers.0.attention.bias": buffer}, folder.path / BIN)
    np.testing.assert_array_equal(read(folder), folder.tensors[BIAS].float().numpy())


def rewritten(path: Path, change: Callable[[str, bytes], bytes | None], **options: Any) -> None:
    """Write the archive again, with other entries."""
    with zipfile.ZipFile(path) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w", **options) as archive:
        for name, data in entries.items():
            if (changed := change(name.partition("/")[2], data)) is not None:
                archive.writestr(name, changed)


def cut_storage(name: str, data: bytes) -> bytes:
    return data[:-1] if name == "data/3" else data


CHANGED: dict[str, Callable[[str, bytes], bytes | None]] = {
    "a storage is cut off": cut_storage,
    "a storage is missing": lambda name, data: None if name == "data/3" else data,
    "big-endian": lambda name, data: b"big" if name == "byteorder" else data,
    "no pickle": lambda name, data: None if name == "data.pkl" else data,
    "an empty pickle": lambda name, data: b"" if name == "data.pkl" else data,
    "a pickle that ends": lambda name, data: data[:-9] if name == "data.pkl" else data,
    "a large pickle": lambda name, data: data + bytes(2 << 20) if name == "data.pkl" else data,
}


@pytest.mark.parametrize("what", CHANGED)
def test_a_damaged_archive_is_refused(folder: Folder, what: str) -> None:
    rewritten(folder.save(BIN), CHANGED[what])
    refused(folder)


def test_an_archive_written_again_is_read(folder: Folder) -> None:
    rewritten(folder.save(BIN), lambda name, data: data)
    np.testing.assert_array_equal(read(folder), folder.tensors[BIAS].float().numpy())


def test_a_compressed_archive_is_refused(folder: Folder) -> None:
    rewritten(folder.save(BIN), lambda name, data: data, compression=zipfile.ZIP_DEFLATED)
    refused(folder, "not a whole PyTorch checkpoint")


def test_a_file_cut_after_it_was_opened(folder: Folder) -> None:
    path = folder.save(BIN)
    checkpoint = FloatCheckpoint(folder.path)
    with path.open("r+b") as file:
        file.truncate(1000)
    with pytest.raises(IntegrityError, match="the file has changed"):
        checkpoint.tensor(BIAS)


def archive_of(path: Path, pickled: bytes) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", pickled)


# A tuple that holds itself twice, forty times over: hashing it takes 2 ** 40 steps.
DEEP = (
    b"\x80\x02})q\x00" + b"".join(b"h%ch%c\x86q%c" % (i, i, i + 1) for i in range(60)) + b"K\x01s."
)

HOSTILE = {
    "a key that takes for ever to hash": DEEP,
    "a memo index of 2 billion": b"\x80\x02}r\xff\xff\xff\x7f.",
    "a text of 2 GB": b"\x80\x02X\xff\xff\xff\x7fabc.",
    "a list as a function": b"\x80\x02](R.",
    "an empty stack": b"\x80\x02R.",
    "no mark": b"\x80\x02}u.",
    "a dict that holds itself": b"\x80\x02}q\x00K\x01h\x00s.",
    "a storage of no kind": b"\x80\x02(X\x07\x00\x00\x00storageNNNNtQ.",
    "a number of many digits": b"\x80\x02L" + b"9" * 10_000 + b"L\n.",
    "a key of many digits": b"\x80\x02}\x8b\x00\x00\x08\x00" + b"\x7f" * (8 << 16) + b"K\x01s.",
    "an extension": b"\x80\x02\x82\x01.",
    "an out-of-band buffer": b"\x80\x05\x97.",
}  # fmt: skip


@pytest.mark.parametrize("what", HOSTILE)
@pytest.mark.parametrize("is_zip", [True, False])
def test_a_hostile_pickle_is_refused_at_once(folder: Folder, what: str, is_zip: bool) -> None:
    path = folder.path / BIN
    if is_zip:
        archive_of(path, HOSTILE[what])
    else:
        path.write_bytes(HOSTILE[what])
    refused(folder)


MANY_AXES = b"(" + b"M\xff\xff" * 90_000 + b"t"
MANY_DIGITS = b"\x8b\x00\x00\x02\x00" + b"\x7f" * (2 << 16) + b"\x85"


@pytest.mark.parametrize("numbers", [MANY_AXES, MANY_DIGITS], ids=["axes", "digits"])
@pytest.mark.filterwarnings("ignore")
def test_a_shape_of_many_axes_or_digits_is_refused(folder: Folder, numbers: bytes) -> None:
    storage = b"(X\x07\x00\x00\x00storagectorch\nHalfStorage\nX\x01\x00\x00\x000NK\x01tQ"
    tensor = b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + b"K\x00" + numbers * 2 + b"tR"
    archive_of(folder.path / BIN, b"\x80\x02}X\x01\x00\x00\x00a" + tensor + b"s.")
    refused(folder, "not a whole PyTorch checkpoint")


@pytest.mark.parametrize("n_items", [-1, 1 << 62, (1 << 63) - 1])
def test_a_storage_outside_a_file_before_zip(folder: Folder, n_items: int) -> None:
    path = folder.path / BIN
    torch.save(folder.tensors, path, _use_new_zipfile_serialization=False)
    data = bytearray(path.read_bytes())
    stored = [tensor.numpy().tobytes() for tensor in folder.tensors.values()]
    at = min(data.index(values) for values in stored)
    data[at - 8 : at] = struct.pack("<q", n_items)
    path.write_bytes(data)
    refused(folder, "not a whole PyTorch checkpoint")


@pytest.mark.parametrize("begin", [1 << 15, 1 << 31, (1 << 32) - 2])
def test_an_archive_that_leads_to_a_place_before_it(folder: Folder, begin: int) -> None:
    """Going there is an error of the system, not one of zipfile."""
    path = folder.save(BIN)
    rewritten(path, lambda name, data: data)
    data = bytearray(path.read_bytes())
    at = data.index(b"PK\x05\x06") + 16
    data[at : at + 4] = struct.pack("<I", begin)  # of the list of entries
    path.write_bytes(data)
    refused(folder, "not a whole PyTorch checkpoint")


@pytest.mark.parametrize("number", [errno.EIO, errno.EACCES])
def test_a_file_that_cannot_be_read_is_not_called_damaged(
    folder: Folder, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    folder.save(BIN)

    def fail(*arguments: Any) -> Any:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(zipfile, "ZipFile", fail)
    with pytest.raises(ResourceError, match="cannot be read"):
        read(folder)


def test_an_entry_outside_the_archive(folder: Folder) -> None:
    path = folder.save(BIN)
    data = bytearray(path.read_bytes())
    at = data.index(b"PK\x01\x02")
    while (at := data.find(b"PK\x01\x02", at + 1)) > 0:
        data[at + 42 : at + 46] = b"\xf0\xff\xff\xfe"
    path.write_bytes(data)
    refused(folder, "not a whole PyTorch checkpoint")


def test_a_list_of_entries_without_end_is_refused(folder: Folder) -> None:
    """It says that it has a million entries: they are not listed first."""
    path = folder.path / BIN
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps({}, protocol=2))
    data = buffer.getvalue()
    at = data.index(b"PK\x01\x02")
    entry, end = data[at : data.index(b"PK\x05\x06")], bytearray(data[data.index(b"PK\x05\x06") :])
    end[12:16] = struct.pack("<I", len(entry) * 1_000_000)
    path.write_bytes(data[:at] + entry * 1_000_000 + bytes(end))
    refused(folder, "not a whole PyTorch checkpoint")
