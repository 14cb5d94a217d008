"""Norms, spectra and distances against numpy's own, on models of all golden shapes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pythia_cli.errors import IntegrityError, InvalidValue
from pythia_cli.measures import weight_figures as module
from pythia_cli.measures.weight_figures import (
    FIGURE_COLUMNS,
    WeightFigures,
    effective_rank,
    singular_values_of,
    weight_figures,
)
from pythia_cli.measures.weight_parameters import WeightName, parameters_of
from pythia_cli.suite.config import ModelConfig
from pythia_cli.weights.float_checkpoint import FloatCheckpoint
from tests.conftest import GOLDEN
from tests.float_folders import DENSE, TINY, Folder

MODELS = [one["name"] for one in json.loads((GOLDEN / "models" / "index.json").read_text())]
RELATIVE = 5.1e-9  # half a unit of the ninth digit of 1.00000000, and what numpy's svd differs by

Array = np.ndarray[Any, Any]


def by_hand(w: Array, v: Array | None) -> dict[str, Any]:
    """The figures of w [...], as the definitions say, from numpy's svd in float64."""
    norm = np.linalg.norm(w.ravel())
    found = {
        "shape": list(w.shape),
        "frobenius_norm": norm,
        "rms": np.sqrt(np.mean(w**2)),
        **dict.fromkeys(["spectral_norm", "stable_rank", "effective_rank"]),
        **dict.fromkeys(["distance", "relative_distance", "cosine"]),
    }
    if w.ndim == 2:
        s = np.linalg.svd(w, compute_uv=False)
        p = s / s.sum()
        found["spectral_norm"] = s.max()
        found["stable_rank"] = (s**2).sum() / s.max() ** 2
        found["effective_rank"] = np.exp(-np.sum(p * np.log(p, where=p > 0, out=np.zeros_like(p))))
    if v is not None:
        before = np.linalg.norm(v.ravel())
        found["distance"] = np.linalg.norm((w - v).ravel())
        if before > 0:
            found["relative_distance"] = found["distance"] / before
        if before > 0 and norm > 0:
            found["cosine"] = w.ravel() @ v.ravel() / (norm * before)
    return found


def heads_of(w: Array, config: ModelConfig, part: str) -> Array:
    """The rows of q, k or v of all heads: a head's lie together, first q, then k, then v."""
    rows = []
    for head in range(config.n_heads):
        begin = 3 * head * config.d_head + "qkv".index(part) * config.d_head
        rows.append(w[begin : begin + config.d_head])
    return np.concatenate(rows)


def check(
    found: list[WeightFigures],
    parameter: WeightName,
    checkpoint: FloatCheckpoint,
    previous: FloatCheckpoint | None = None,
) -> None:
    w = checkpoint.tensor(parameter.published).astype(np.float64)
    v = None if previous is None else previous.tensor(parameter.published).astype(np.float64)
    assert [one.part for one in found] == [None, *parameter.parts]
    for one in found:
        own, before = w, v
        if one.part is not None:
            own = heads_of(w, checkpoint.config, one.part)
            before = None if v is None else heads_of(v, checkpoint.config, one.part)
        expected = by_hand(own, before)
        record = one.to_dict()
        assert list(record) == list(FIGURE_COLUMNS)
        assert record.pop("part") == one.part
        assert record.pop("shape") == expected.pop("shape")
        for figure, value in expected.items():
            close = None if value is None else pytest.approx(value, rel=RELATIVE, abs=1e-12)
            assert record[figure] == close, figure
        if own.ndim == 1:
            assert one.singular_values is None
            continue
        s = np.linalg.svd(own, compute_uv=False)
        assert one.singular_values is not None
        assert one.singular_values.dtype == np.float64
        # As the docstring says: the error of s is about 1e-15 s_1^2 / s.
        error = np.abs(one.singular_values - s)
        assert (error <= np.maximum(1e-14, 4e-15 * s[0] / np.maximum(s, 1e-300)) * s[0]).all()


@pytest.mark.parametrize("name", MODELS)
def test_golden_shapes(golden_folder: Callable[[str], Path], name: str) -> None:
    checkpoint = FloatCheckpoint(golden_folder(name))
    for parameter in parameters_of(checkpoint.config):
        check(weight_figures(checkpoint, parameter), parameter, checkpoint)


def test_steps_of_the_demo(demo_folder: Callable[[int], Path]) -> None:
    before, now = FloatCheckpoint(demo_folder(64)), FloatCheckpoint(demo_folder(3000))
    for parameter in parameters_of(now.config):
        check(weight_figures(now, parameter, before), parameter, now, before)


def test_small_blocks_of_rows(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The figures of many blocks, of tall, wide and query_key_value matrices."""
    made = [Folder(tmp_path / name) for name in "ab"]
    made[1].tensors = {name: -2 * t.flip(0) for name, t in made[1].tensors.items()}
    for folder in made:
        folder.save()
    now, before = (FloatCheckpoint(folder.path) for folder in made)
    for values in (1, 16 * 25, 700):
        monkeypatch.setattr(module, "_VALUES", values)
        for parameter in parameters_of(TINY):
            check(weight_figures(now, parameter, before), parameter, now, before)


def changed(tmp_path: Path, name: str, values: torch.Tensor) -> FloatCheckpoint:
    folder = Folder(tmp_path / "changed")
    folder.tensors[name] = values
    folder.save()
    return FloatCheckpoint(folder.path)


def dense() -> WeightName:
    (found,) = [one for one in parameters_of(TINY) if one.published == DENSE]
    return found


def test_the_same_weights_have_no_distance(small: FloatCheckpoint) -> None:
    for parameter in parameters_of(small.config):
        for one in weight_figures(small, parameter, small):
            assert one.distance == 0
            if one.frobenius_norm:
                assert (one.relative_distance, one.cosine) == (0, 1)


def test_what_is_divided_by_zero_is_none(tmp_path: Path) -> None:
    zero = changed(tmp_path, DENSE, torch.zeros(16, 16, dtype=torch.float16))
    other = Folder(tmp_path / "other")
    other.save()
    filled = FloatCheckpoint(other.path)
    (of_zero,) = weight_figures(zero, dense(), filled)
    assert of_zero.to_dict() | {"distance": None} == {
        "part": None, "shape": [16, 16], "frobenius_norm": 0, "rms": 0, "spectral_norm": 0,
        "stable_rank": None, "effective_rank": None, "distance": None, "relative_distance": 1,
        "cosine": None,
    }  # fmt: skip
    assert of_zero.singular_values is not None
    assert not of_zero.singular_values.any()
    (from_zero,) = weight_figures(filled, dense(), zero)
    assert from_zero.distance == from_zero.frobenius_norm
    assert (from_zero.relative_distance, from_zero.cosine) == (None, None)


def test_a_low_rank_is_found_exactly(tmp_path: Path) -> None:
    """Singular values that are 0 do not come out as the square root of rounding errors."""
    generator = torch.Generator().manual_seed(3)
    left, right = (torch.randint(-9, 9, (16, 2), generator=generator).half() for _ in range(2))
    low = changed(tmp_path, DENSE, left @ right.T)
    (found,) = weight_figures(low, dense())
    assert found.singular_values is not None
    assert np.count_nonzero(found.singular_values) == 2
    assert 1 < (found.effective_rank or 0) <= 2
    one = changed(tmp_path, DENSE, left[:, :1] @ right[:, :1].T)
    (found,) = weight_figures(one, dense())
    assert (found.stable_rank, found.effective_rank) == (1, 1)


@pytest.mark.parametrize("scale", [1e-40, 1e-30, 1e30, 3e38])
def test_very_small_and_very_large_values(tmp_path: Path, scale: float) -> None:
    values = scale * torch.eye(16, dtype=torch.float32)
    checkpoint = changed(tmp_path, DENSE, values)
    (found,) = weight_figures(checkpoint, dense(), checkpoint)
    exact = float(values[0, 0])
    assert found.spectral_norm == pytest.approx(exact, rel=1e-8)
    assert found.frobenius_norm == pytest.approx(4 * exact, rel=1e-8)
    assert (found.stable_rank, found.effective_rank, found.cosine) == (16, 16, 1)


def test_definitions_on_known_spectra() -> None:
    """Roy and Vetterli 2007: k equal singular values have the effective rank k."""
    assert effective_rank(np.array([2.0, 2.0, 2.0, 0.0])) == pytest.approx(3)
    assert effective_rank(np.array([1.0])) == 1
    rotation = np.linalg.qr(np.random.default_rng(0).standard_normal((3, 3)))[0]
    w = rotation @ np.diag([3.0, 2.0, 0.5])
    assert singular_values_of(w.T @ w) == pytest.approx([3, 2, 0.5])


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_values_that_are_no_numbers(tmp_path: Path, value: float) -> None:
    values = torch.zeros(16, 16)
    values[3, 5] = value
    with pytest.raises(IntegrityError, match=f"{DENSE} holds"):
        weight_figures(changed(tmp_path, DENSE, values), dense())


def test_another_shape(small: FloatCheckpoint, other: FloatCheckpoint) -> None:
    with pytest.raises(InvalidValue, match="previous is ModelConfig"):
        weight_figures(small, parameters_of(small.config)[0], other)
