"""Files of tuned lenses: those of its package, in other forms, and those that are none."""

from __future__ import annotations

import json
import pickle
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from pythia_cli.errors import IntegrityError, NotFound, PythiaError, UnsafeFile
from pythia_cli.measures.lens_problems import NotTheTunedLens
from pythia_cli.measures.tuned_lens import TunedLens
from pythia_cli.suite.config import ModelConfig
from tests.golden_inside import TUNED_LENS

DEMO = ModelConfig(6, 4, 128, 512, 4096, n_ctx=512)
CONFIG = json.loads((TUNED_LENS / "config.json").read_text())
STREAM = np.random.default_rng(0).standard_normal((9, 128)).astype(np.float32)

Tensors = dict[str, torch.Tensor]


@pytest.fixture(scope="module")
def tensors() -> Tensors:
    found: Tensors = torch.load(TUNED_LENS / "params.pt", weights_only=True)
    return found


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "lens"
    shutil.copytree(TUNED_LENS, path)
    return path


def save(tensors: Tensors, path: Path, **how: Any) -> Path:
    if path.suffix == ".safetensors":
        save_file({name: values.contiguous() for name, values in tensors.items()}, path)
    else:
        torch.save(tensors, path, **how)
    return path


def expected(tensors: Tensors, layer: int) -> np.ndarray[Any, Any]:
    weight, bias = (tensors[f"{layer}.{part}"].double() for part in ("weight", "bias"))
    h = torch.from_numpy(STREAM).double()
    return (h + h @ weight.T + bias).float().numpy()


@pytest.mark.parametrize("layer", range(6))
def test_the_folder_of_the_package(tensors: Tensors, layer: int) -> None:
    lens = TunedLens(TUNED_LENS, DEMO)
    found = lens.translated(layer, STREAM)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected(tensors, layer), rtol=1e-6, atol=1e-6)
    assert lens.base == ("demo", "step3000")


@pytest.mark.parametrize(
    ("name", "how"),
    [
        ("params.pt", {"_use_new_zipfile_serialization": False}),
        ("other-name.bin", {}),
        ("params.safetensors", {}),
    ],
)
def test_other_forms_of_the_same(
    tmp_path: Path, tensors: Tensors, name: str, how: dict[str, Any]
) -> None:
    lens = TunedLens(save(tensors, tmp_path / name, **how), DEMO)
    assert np.array_equal(
        lens.translated(3, STREAM), TunedLens(TUNED_LENS, DEMO).translated(3, STREAM)
    )
    assert lens.base is None


def test_a_folder_with_safetensors(folder: Path, tensors: Tensors) -> None:
    (folder / "params.pt").unlink()
    save(tensors, folder / "params.safetensors")
    lens = TunedLens(folder, DEMO)
    assert lens.parameters.name == "params.safetensors"
    assert lens.base == ("demo", "step3000")


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_halves(tmp_path: Path, tensors: Tensors, dtype: torch.dtype) -> None:
    """As the package saves those of a model that it loaded so."""
    halves = {name: values.to(dtype) for name, values in tensors.items()}
    lens = TunedLens(save(halves, tmp_path / "params.pt"), DEMO)
    np.testing.assert_allclose(
        lens.translated(5, STREAM), expected(halves, 5), rtol=1e-6, atol=1e-6
    )


def test_without_biases(folder: Path, tensors: Tensors) -> None:
    weights = {name: values for name, values in tensors.items() if name.endswith("weight")}
    save(weights, folder / "params.pt")
    (folder / "config.json").write_text(json.dumps({**CONFIG, "bias": False}))
    zero = {**weights, **{f"{i}.bias": torch.zeros(128) for i in range(6)}}
    found = TunedLens(folder, DEMO).translated(2, STREAM)
    np.testing.assert_allclose(found, expected(zero, 2), rtol=1e-6, atol=1e-6)


def test_an_early_config(folder: Path) -> None:
    early = {name: value for name, value in CONFIG.items() if name != "lens_type"}
    del early["base_model_revision"]
    (folder / "config.json").write_text(json.dumps(early))
    assert TunedLens(folder, DEMO).base == ("demo", "main")


def test_the_owner_of_the_model_is_left_out(folder: Path) -> None:
    named = {**CONFIG, "base_model_name_or_path": "EleutherAI/pythia-70m"}
    (folder / "config.json").write_text(json.dumps(named))
    assert TunedLens(folder, DEMO).base == ("pythia-70m", "step3000")


def refused(path: Path, kind: type[PythiaError], reason: str) -> None:
    with pytest.raises(kind) as caught:
        TunedLens(path, DEMO).translated(0, STREAM)
    assert type(caught.value) is kind
    assert reason in str(caught.value)


def test_places_that_hold_none(folder: Path, demo_folder: Callable[[int], Path]) -> None:
    refused(folder / "nothing", NotFound, "does not exist")
    refused(demo_folder(3000), NotTheTunedLens, "it has no params.pt or params.safetensors")
    refused(demo_folder(3000) / "model.safetensors", NotTheTunedLens, "has no 0.weight")
    refused(folder / "config.json", IntegrityError, "not a whole PyTorch checkpoint")
    (folder / "config.json").unlink()
    refused(folder, NotTheTunedLens, "it has no config.json")


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"d_model": 256}, "d_model is 256; expected 128, as in the model"),
        ({"num_hidden_layers": 12}, "num_hidden_layers is 12; expected 6, as in the model"),
        ({"lens_type": "mlp"}, "lens_type is 'mlp'; expected 'linear_tuned_lens'"),
        ({"d_model": None}, "d_model is None"),
    ],
)
def test_the_config_of_another_model(folder: Path, changed: dict[str, Any], reason: str) -> None:
    (folder / "config.json").write_text(json.dumps({**CONFIG, **changed}))
    refused(folder, NotTheTunedLens, reason)


def test_other_configs(folder: Path) -> None:
    (folder / "config.json").write_text('{"hidden_size": 128}')
    refused(folder, NotTheTunedLens, "has no d_model: not the config.json of a tuned lens")
    (folder / "config.json").write_text("[]")
    refused(folder, IntegrityError, "not a JSON object")


@pytest.mark.parametrize("suffix", ["pt", "safetensors"])
def test_parameters_of_another_model(tmp_path: Path, tensors: Tensors, suffix: str) -> None:
    path = tmp_path / f"params.{suffix}"
    fewer = {name: v for name, v in tensors.items() if not name.startswith("5")}
    refused(save(fewer, path), NotTheTunedLens, "has no 5.weight; expected translators of 6 layers")
    more = {**tensors, "6.weight": torch.zeros(128, 128)}
    refused(save(more, path), NotTheTunedLens, "has 6.weight; expected translators of 6 layers")
    wide = {**tensors, "2.weight": torch.zeros(128, 256)}
    refused(save(wide, path), NotTheTunedLens, "2.weight has shape [128, 256]; the model requires")
    flat = {**tensors, "2.bias": torch.zeros(1, 128)}
    refused(
        save(flat, path), NotTheTunedLens, "2.bias has shape [1, 128]; the model requires [128]"
    )
    some = {name: v for name, v in tensors.items() if name != "4.bias"}
    refused(save(some, path), NotTheTunedLens, "has no 4.bias")
    double = {**tensors, "1.weight": tensors["1.weight"].double()}
    refused(save(double, path), IntegrityError, "1.weight is F64; expected F16, BF16 or F32")


@pytest.mark.parametrize(("value", "what"), [(np.nan, "NaN"), (np.inf, "infinite")])
def test_values_that_are_not_finite(
    tmp_path: Path, tensors: Tensors, value: float, what: str
) -> None:
    bad = {name: values.clone() for name, values in tensors.items()}
    bad["0.bias"][7] = value
    refused(save(bad, tmp_path / "params.pt"), IntegrityError, f"0.bias holds {what} values")


def test_damaged_files(folder: Path) -> None:
    path = folder / "params.pt"
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    refused(folder, IntegrityError, "not a whole PyTorch checkpoint")
    lens_file = folder / "params.safetensors"
    lens_file.write_bytes(b"\x00" * 40)
    refused(lens_file, IntegrityError, "not a whole safetensors file")


def test_a_file_that_would_run_code_is_refused(tmp_path: Path) -> None:
    marker = tmp_path / "ran"

    class Bad:
        def __reduce__(self) -> Any:
            return Path.touch, (marker,)

    path = tmp_path / "params.pt"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("params/data.pkl", pickle.dumps({"0.weight": Bad()}, protocol=2))
    refused(path, UnsafeFile, "refused: reading it would run code")
    assert not marker.exists()


def test_a_file_that_is_cut_meanwhile(folder: Path) -> None:
    lens = TunedLens(folder, DEMO)
    (folder / "params.pt").write_bytes(b"PK\x03\x04")
    with pytest.raises(IntegrityError, match="ends too soon: the file has changed"):
        lens.translated(0, STREAM)
