"""Reads the file of a tuned lens (Belrose et al. 2023), as the package tuned-lens saves it.

Its translator of layer i is for the residual stream h that goes into layer i (tuned_lens/nn/
lenses.py, TunedLens.transform_hidden): h + W h + b takes the place of h before the final norm.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np

from pythia_cli.errors import IntegrityError, NotFound, ResourceError
from pythia_cli.files.reading import read_json_object
from pythia_cli.files.safetensors_layout import read_layout
from pythia_cli.measures.lens_problems import NotTheTunedLens
from pythia_cli.suite.config import ModelConfig
from pythia_cli.weights.strided import FLOATS, StridedPlace, contiguous, read_float32
from pythia_cli.weights.torch_file import read_places

_Array = np.ndarray[Any, Any]

CONFIG = "config.json"
PARAMETERS = ("params.pt", "params.safetensors")
_TYPE = "linear_tuned_lens"
_NOTHING = re.compile("(?!)")


class TunedLens:
    """The translators of a tuned lens. Headers are read at once, values where they are used.

    path: a folder with config.json and params.pt, or params.safetensors with the same names; or
    such a file alone. about: what config.json says. Raises NotFound, NotTheTunedLens for what is no
    tuned lens, or one of a model of another shape; IntegrityError, UnsafeFile and ResourceError.
    """

    def __init__(self, path: Path, config: ModelConfig) -> None:
        self.parameters, self._described = lens_files(path)
        self._config = config
        self.about = {} if self._described is None else read_json_object(self._described)
        self._check_about()
        self._places = _places(self.parameters)
        self._check_places()

    @property
    def base(self) -> tuple[str, str] | None:
        """The model that it was trained for, without its owner, and the branch; None: unknown."""
        name = self.about.get("base_model_name_or_path")
        if not isinstance(name, str) or not name:
            return None
        revision = self.about.get("base_model_revision")
        return name.rpartition("/")[2], revision if isinstance(revision, str) else "main"

    def translated(self, layer: int, residual: _Array) -> _Array:
        """h + W h + b of the residual stream h [n, d_model] that goes into a layer, as float32.

        It is summed in float64. Raises IntegrityError for NaN and infinity, and ResourceError.
        """
        h = residual.astype(np.float64)
        change = h @ self._values(f"{layer}.weight").T
        if (bias := f"{layer}.bias") in self._places:
            change += self._values(bias)
        translated: _Array = (h + change).astype(np.float32)
        return translated

    def _values(self, name: str) -> _Array:
        values = read_float32(self.parameters, name, self._places[name])
        return values.astype(np.float64)

    def _check_about(self) -> None:
        """Raises NotTheTunedLens for config.json of something else, or of another shape."""
        if self._described is None:
            return
        expected = {
            "lens_type": _TYPE,
            "d_model": self._config.d_model,
            "num_hidden_layers": self._config.n_layers,
        }
        given = {"lens_type": _TYPE, **self.about}  # early versions of the package had one type
        for field, value in expected.items():
            if field not in given:
                reason = f"has no {field}: not the {CONFIG} of a tuned lens"
                raise NotTheTunedLens(self._described, reason)
            if given[field] != value:
                of_model = "" if field == "lens_type" else ", as in the model"
                reason = f"{field} is {given[field]!r}; expected {value!r}{of_model}"
                raise NotTheTunedLens(self._described, reason)

    def _check_places(self) -> None:
        """Raises NotTheTunedLens for another number of layers or shape, else IntegrityError."""
        path, n_layers, d_model = self.parameters, self._config.n_layers, self._config.d_model
        shapes: dict[str, tuple[int, ...]] = {
            f"{i}.weight": (d_model, d_model) for i in range(n_layers)
        }
        biases = {f"{i}.bias": (d_model,) for i in range(n_layers)}
        # The package can be asked for translators without a bias.
        if self.about.get("bias") is True or self._places.keys() & biases.keys():
            shapes |= biases
        if not self._places.keys() & shapes.keys():
            raise NotTheTunedLens(path, "has no 0.weight: not the parameters of a tuned lens")
        for name, shape in shapes.items():
            if name not in self._places:
                reason = f"has no {name}; expected translators of {n_layers} layers"
                raise NotTheTunedLens(path, f"{reason}, as the model has")
            if (found := self._places[name].shape) != shape:
                reason = f"{name} has shape {list(found)}; the model requires {list(shape)}"
                raise NotTheTunedLens(path, reason)
        for name, place in self._places.items():
            if name not in shapes:
                reason = f"has {name}; expected translators of {n_layers} layers"
                raise NotTheTunedLens(path, f"{reason}, as the model has")
            if place.dtype not in FLOATS:
                raise IntegrityError(path, f"{name} is {place.dtype}; expected F16, BF16 or F32")


def lens_files(path: Path) -> tuple[Path, Path | None]:
    """The file with the parameters, and config.json if a folder has both.

    Raises NotFound, NotTheTunedLens for another folder, and ResourceError.
    """
    try:
        is_folder, is_there = path.is_dir(), path.exists()
    except OSError as error:  # a name that is too long
        raise ResourceError(path, f"cannot be read ({error.strerror})") from error
    if not is_there:
        raise NotFound(f"{path} does not exist")
    if not is_folder:
        return path, None
    found = [path / name for name in PARAMETERS if (path / name).exists()]
    if not found:
        raise NotTheTunedLens(
            path, f"is no folder of a tuned lens: it has no {' or '.join(PARAMETERS)}"
        )
    if not (path / CONFIG).exists():
        raise NotTheTunedLens(path, f"is no folder of a tuned lens: it has no {CONFIG}")
    return found[0], path / CONFIG


def _places(path: Path) -> dict[str, StridedPlace]:
    """Where each tensor lies. Raises IntegrityError, UnsafeFile, ResourceError."""
    try:
        if path.suffix == ".safetensors":
            tensors = read_layout(path).tensors
            return {name: contiguous(place) for name, place in tensors.items()}
        return read_places(path, skipped=_NOTHING)
    except OSError as error:
        raise ResourceError(path, f"cannot be read ({error.strerror or error})") from error
