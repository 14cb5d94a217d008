"""Reads a float checkpoint in a Hugging Face folder, one tensor at a time."""

from __future__ import annotations

import re
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from pythia_cli.errors import InputError, IntegrityError, NotFound, ResourceError, UnsafeFile
from pythia_cli.files.reading import file_sha256, read_at_most, read_json_object
from pythia_cli.files.safetensors_layout import read_layout
from pythia_cli.reporting import NO_TASK, Task
from pythia_cli.suite.config import ModelConfig
from pythia_cli.suite.config_json import parse_config_json
from pythia_cli.suite.parameters import published_tensors
from pythia_cli.text.tokenizer import PythiaTokenizer
from pythia_cli.text.tokenizer_json import MOST_BYTES
from pythia_cli.weights.fingerprint import fingerprint
from pythia_cli.weights.strided import FLOATS, StridedPlace, Widen, contiguous, read_float32
from pythia_cli.weights.torch_file import read_places

SINGLE_FILES = ("model.safetensors", "pytorch_model.bin")
INDEX_FILES = ("model.safetensors.index.json", "pytorch_model.bin.index.json")
PREFERENCE = (SINGLE_FILES[0], INDEX_FILES[0], SINGLE_FILES[1], INDEX_FILES[1])

# Masks and frequencies that older versions of transformers saved too. The config determines them.
_BUFFERS = re.compile(
    r"gpt_neox\.(layers\.\d+\.attention\.)?(bias|masked_bias|rotary_emb\.inv_freq)"
)


def expected_tensors(config: ModelConfig) -> dict[str, tuple[int, ...]]:
    """Published names and shapes of all tensors of a GPT-NeoX checkpoint."""
    return {name: tensor.shape for name, tensor in published_tensors(config).items()}


class FloatCheckpoint:
    """An opened checkpoint folder: `config`, `tokenizer`, and `tensor(name)` as float32.

    Of the weights, opening reads headers only, and checks names and shapes. A tensor's values are
    checked when it is read; several threads may read at once. files: those of the weights.
    fingerprint: of all_files, made before any of them was read. Raises NotFound, InputError (not a
    checkpoint), UnsupportedModel, IntegrityError, UnsafeFile and ResourceError, with the file and
    the tensor or field.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.all_files = read_files(folder)
        self.fingerprint = fingerprint(self.all_files)
        _, self.tokenizer_path, *self.files = self.all_files
        self.config = read_config(folder)
        self.tokenizer_json = read_at_most(self.tokenizer_path, MOST_BYTES)
        place = _find_weights(folder)
        self._places: dict[str, StridedPlace] = {}
        self._where: dict[str, Path] = {}
        for path in self.files:
            self._open(path)
        self._check_names(place)

    @cached_property
    def tokenizer(self) -> PythiaTokenizer:
        """The tokenizer of the folder. Raises IntegrityError if it is none."""
        return PythiaTokenizer(self.tokenizer_path, content=self.tokenizer_json)

    def tensor(self, name: str) -> np.ndarray[Any, Any]:
        """A tensor as float32, by its published name. Raises IntegrityError for NaN or infinity."""
        return self.rows(name, 0, None)

    def rows(
        self, name: str, lo: int, hi: int | None, widen: Widen | None = None
    ) -> np.ndarray[Any, Any]:
        """Rows lo..hi of a tensor, or all rows from lo if hi is None. Otherwise as `tensor`.

        widen: as for read_float32.
        """
        return read_float32(self._where[name], name, self._places[name], lo, hi, widen)

    def sha256(self, task: Task = NO_TASK) -> dict[str, str]:
        """sha256 of each weights file, by name; `task` advances by bytes."""
        return {path.name: file_sha256(path, task) for path in self.files}

    def is_unchanged(self, hashes: dict[str, str]) -> bool:
        """Whether the files hold what was read. hashes: what `sha256` gave since it was opened.

        Raises what opening it raises.
        """
        now = fingerprint(self.all_files)
        if now == self.fingerprint:
            return True
        if any(now[name][:2] != stat[:2] for name, stat in self.fingerprint.items()):
            return False
        # A hard link or another mode, or a file put in its place: only the content tells.
        again = FloatCheckpoint(self.folder)
        if (again.config, again.tokenizer_json) != (self.config, self.tokenizer_json):
            return False
        return again._places == self._places and again.sha256() == hashes

    def _open(self, path: Path) -> None:
        try:
            if path.suffix == ".safetensors":
                tensors = read_layout(path).tensors
                places = {name: contiguous(place) for name, place in tensors.items()}
            else:
                places = read_places(path, skipped=_BUFFERS)
        except OSError as error:
            raise ResourceError(path, f"cannot be read ({error.strerror or error})") from error
        for published, place in places.items():
            if _BUFFERS.fullmatch(published):
                continue
            if place.dtype not in FLOATS:
                reason = f"{published} is {place.dtype}; expected F16, BF16 or F32"
                raise IntegrityError(path, reason)
            # transformers 4 calls it embed_out; newer versions may call it lm_head.
            name = "embed_out.weight" if published == "lm_head.weight" else published
            if name in self._places:
                raise IntegrityError(path, f"{name} appears twice")
            self._places[name], self._where[name] = place, path

    def _check_names(self, place: Path) -> None:
        expected = expected_tensors(self.config)
        if missing := [name for name in expected if name not in self._places]:
            raise IntegrityError(place, f"{missing[0]} is missing{_and_more(missing)}")
        if extra := [name for name in self._places if name not in expected]:
            raise IntegrityError(place, f"{extra[0]} is not part of the model{_and_more(extra)}")
        for name, shape in expected.items():
            if (found := self._places[name].shape) != shape:
                raise IntegrityError(
                    self._where[name],
                    f"{name} has shape {list(found)}; config.json requires {list(shape)}",
                )


def read_config(folder: Path) -> ModelConfig:
    """Read config.json in a checkpoint folder."""
    path = _config_file(folder)
    return parse_config_json(read_json_object(path), path)


def read_files(folder: Path) -> list[Path]:
    """The files of a checkpoint folder that we use: config.json, tokenizer.json, then weights.

    Opens none of them but an index of shards. Raises NotFound, InputError and, for an index,
    IntegrityError and UnsafeFile.
    """
    config = _config_file(folder)
    tokenizer = folder / "tokenizer.json"
    if not tokenizer.is_file():
        raise NotFound(f"{tokenizer} does not exist; expected it beside config.json")
    place = _find_weights(folder)
    weights = _shards(place) if place.name in INDEX_FILES else [place]
    return [config, tokenizer, *weights]


def _config_file(folder: Path) -> Path:
    try:
        exists = folder.exists()
    except OSError as error:  # a name that is too long
        raise ResourceError(folder, f"cannot be read ({error.strerror})") from error
    if not exists:
        raise NotFound(f"{folder} does not exist")
    if not folder.is_dir():
        raise InputError(folder, "not a folder; expected a Hugging Face checkpoint folder")
    path = folder / "config.json"
    if not path.is_file():
        raise InputError(folder, "not a checkpoint folder: it has no config.json")
    return path


def _find_weights(folder: Path) -> Path:
    for name in PREFERENCE:
        if (folder / name).is_file():
            return folder / name
    raise InputError(
        folder, "not a checkpoint folder: it has neither model.safetensors nor pytorch_model.bin"
    )


def _shards(index: Path) -> list[Path]:
    weight_map = read_json_object(index).get("weight_map")
    if not isinstance(weight_map, dict) or not weight_map:
        raise IntegrityError(index, "has no weight_map")
    names = sorted({str(name) for name in weight_map.values()})
    suffix = ".safetensors" if index.name.startswith("model.safetensors") else ".bin"
    for name in names:
        if Path(name).name != name or "\\" in name or not name.endswith(suffix):
            raise UnsafeFile(index, f"weight_map names {name!r}, not a {suffix} file beside it")
        if not (index.parent / name).is_file():
            raise NotFound(f"{index.parent / name} does not exist, but {index.name} names it")
    return [index.parent / name for name in names]


def _and_more(names: list[str]) -> str:
    return f" (and {len(names) - 1} more)" if len(names) > 1 else ""
