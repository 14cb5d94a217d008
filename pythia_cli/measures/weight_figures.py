"""Norms and spectra of the float weights, and how far they moved from an earlier checkpoint.

Singular values come from the eigenvalues of the Gram matrix W^T W (or W W^T, if that is smaller),
summed in float64 from blocks of rows: two to four times as fast as a singular value decomposition.
An eigenvalue is off by some eps times the largest one, eps = 2.2e-16: measured, 4 at 1024 columns
and 12 at 2048. So a singular value s is off by about 1e-15 s_1^2 / s at most; s_1 is the largest.
Eigenvalues up to n eps times the largest, n of them, may be all error, and count as 0: singular
values of less than sqrt(n eps) s_1, which is 5e-7 s_1 at n = 1024, are 0.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from math import prod, sqrt
from typing import Any, overload

import numpy as np

from pythia_cli.errors import InvalidValue
from pythia_cli.measures.weight_parameters import WeightName
from pythia_cli.tables.kinds import Kind
from pythia_cli.weights.float_checkpoint import FloatCheckpoint

DIGITS = 9
"""Figures are rounded to so many. BLAS with another number of threads adds in another order, which
shows from the 13th digit on, so a rounded figure rarely changes."""

_VALUES = 1 << 20  # in a block of rows; 8 MB as float64
_EPS = float(np.finfo(np.float64).eps)

_Array = np.ndarray[Any, Any]


@dataclass(frozen=True, eq=False)
class WeightFigures:
    """The figures of a parameter W, or of a part of one, which has w_i, n of them.

    part: q, k or v, of attention.query_key_value; None for the whole. s: the singular values.

    frobenius_norm: sqrt(sum w_i^2); of a vector, its Euclidean norm. rms: sqrt(sum w_i^2 / n).
    spectral_norm: s_1, the largest s. stable_rank: sum s_j^2 / s_1^2, that is (frobenius_norm /
    spectral_norm)^2 (Rudelson and Vershynin 2007, Sampling from large matrices, who call it the
    numerical rank). effective_rank: exp(-sum p_j ln p_j), with p_j = s_j / sum s (Roy and Vetterli
    2007, The effective rank). distance: sqrt(sum (w_i - v_i)^2) from V, the same parameter of
    the earlier checkpoint. relative_distance: distance / sqrt(sum v_i^2). cosine: sum w_i v_i /
    sqrt(sum w_i^2 sum v_i^2).

    A vector has no s; what is divided by 0 is None. singular_values: s [min(shape)] float64, the
    largest first; None for a vector.
    """

    part: str | None
    shape: tuple[int, ...]
    frobenius_norm: float
    rms: float
    spectral_norm: float | None
    stable_rank: float | None
    effective_rank: float | None
    distance: float | None
    relative_distance: float | None
    cosine: float | None
    singular_values: _Array | None = field(repr=False)

    def to_dict(self) -> dict[str, Any]:
        """The figures for records, without the singular values."""
        named = {name: getattr(self, name) for name in FIGURE_COLUMNS}
        return {**named, "shape": list(self.shape)}


FIGURE_COLUMNS: dict[str, Kind] = {
    "part": str,
    "shape": object,
    "frobenius_norm": float,
    "rms": float,
    "spectral_norm": float,
    "stable_rank": float,
    "effective_rank": float,
    "distance": float,
    "relative_distance": float,
    "cosine": float,
}
"""The fields of a record, and what each holds."""


def weight_figures(
    checkpoint: FloatCheckpoint, parameter: WeightName, previous: FloatCheckpoint | None = None
) -> list[WeightFigures]:
    """The figures of a parameter, and then of each of its parts.

    previous: the earlier checkpoint; None: there are no distances. Reads blocks of rows; a matrix
    with more columns than rows is in memory as float32. Raises InvalidValue if `previous` is of
    another shape, and what `FloatCheckpoint.rows` raises.
    """
    if previous is not None and previous.config != checkpoint.config:
        raise InvalidValue("previous", previous.config, f"a checkpoint of {checkpoint.config}")
    parts = _summed(checkpoint, parameter, previous)
    whole = parts[0] if not parameter.parts else _total(parts)
    found = [_figures(None, parameter.shape, whole, has_previous=previous is not None)]
    for name, sums in zip(parameter.parts, parts, strict=False):
        shape = (parameter.shape[0] // len(parameter.parts), *parameter.shape[1:])
        found.append(_figures(name, shape, sums, has_previous=previous is not None))
    return found


@dataclass
class _Sums:
    """Sums over values w of a parameter and v of the earlier checkpoint, in float64.

    gram: W^T W or W W^T; None of a vector.
    """

    ww: float = 0.0
    vv: float = 0.0
    wv: float = 0.0
    apart: float = 0.0  # (w - v)^2
    gram: _Array | None = None

    def add(self, w: _Array, v: _Array | None) -> None:
        """Add a block [n, ...]. numpy adds in an order of its own, whatever BLAS does."""
        self.ww += float(np.square(w).sum())
        if v is not None:
            self.vv += float(np.square(v).sum())
            self.wv += float((w * v).sum())
            self.apart += float(np.square(w - v).sum())

    def add_gram(self, rows: _Array) -> None:
        """Add rows^T rows."""
        gram = rows.T @ rows
        self.gram = gram if self.gram is None else np.add(self.gram, gram, out=self.gram)


def _total(parts: list[_Sums]) -> _Sums:
    """The sums of a parameter of those of its parts, which are rows of it."""
    grams = [one.gram for one in parts if one.gram is not None]
    gram = np.sum(grams, axis=0) if grams else None
    ww, vv, wv, apart = (
        sum(getattr(one, name) for one in parts) for name in ("ww", "vv", "wv", "apart")
    )
    return _Sums(ww, vv, wv, apart, gram)


def _summed(
    checkpoint: FloatCheckpoint, parameter: WeightName, previous: FloatCheckpoint | None
) -> list[_Sums]:
    """The sums of each part; of the whole, if it has none."""
    n_parts = len(parameter.parts) or 1
    found = [_Sums() for _ in range(n_parts)]
    is_matrix = len(parameter.shape) == 2
    is_wide = is_matrix and parameter.shape[0] < parameter.shape[1]
    # Only the parts of query_key_value take turns, each with the rows of one head.
    unit = n_parts * checkpoint.config.d_head if n_parts > 1 else 1
    kept: list[_Array] = []
    for lo, hi in _blocks(parameter.shape, unit):
        now = checkpoint.rows(parameter.published, lo, hi)
        then = None if previous is None else previous.rows(parameter.published, lo, hi)
        for at, sums in enumerate(found):
            w = _part(now, at, n_parts, unit)
            sums.add(w, None if then is None else _part(then, at, n_parts, unit))
            if is_matrix and not is_wide:
                sums.add_gram(w)
        if is_wide:
            kept.append(now)
    if is_wide:
        found[0].gram = _gram_of_columns(kept)
    return found


def _blocks(shape: tuple[int, ...], unit: int) -> Iterator[tuple[int, int]]:
    """Where blocks of whole units of rows begin and end."""
    step = max(1, _VALUES // (prod(shape[1:]) * unit)) * unit
    for lo in range(0, shape[0], step):
        yield lo, min(lo + step, shape[0])


def _part(rows: _Array, at: int, n_parts: int, unit: int) -> _Array:
    """The rows of one part, as float64; rows [n_heads * n_parts * d_head, ...]."""
    if n_parts == 1:
        return rows.astype(np.float64)
    by_head = rows.reshape(-1, n_parts, unit // n_parts, *rows.shape[1:])
    return by_head[:, at].astype(np.float64).reshape(-1, *rows.shape[1:])


def _gram_of_columns(blocks: list[_Array]) -> _Array:
    """W W^T of the rows of W, in blocks: from some columns at a time."""
    n_rows, n_columns = sum(map(len, blocks)), blocks[0].shape[1]
    sums = _Sums()
    for lo, hi in _blocks((n_columns, n_rows), 1):
        sums.add_gram(np.concatenate([rows[:, lo:hi] for rows in blocks]).T.astype(np.float64))
    assert sums.gram is not None
    return sums.gram


def _figures(
    part: str | None, shape: tuple[int, ...], sums: _Sums, *, has_previous: bool
) -> WeightFigures:
    singular = None if sums.gram is None else singular_values_of(sums.gram)
    spectral = stable = effective = None
    if singular is not None:
        spectral = float(singular[0])
        if spectral > 0:
            stable, effective = sums.ww / spectral**2, effective_rank(singular)
    both = sqrt(sums.ww) * sqrt(sums.vv)
    return WeightFigures(
        part,
        shape,
        frobenius_norm=_rounded(sqrt(sums.ww)),
        rms=_rounded(sqrt(sums.ww / prod(shape))),
        spectral_norm=_rounded(spectral),
        stable_rank=_rounded(stable),
        effective_rank=_rounded(effective),
        distance=_rounded(sqrt(sums.apart) if has_previous else None),
        relative_distance=_rounded(sqrt(sums.apart / sums.vv) if sums.vv else None),
        cosine=_rounded(min(max(sums.wv / both, -1.0), 1.0) if both else None),
        singular_values=singular,
    )


def singular_values_of(gram: _Array) -> _Array:
    """The singular values of W, largest first, of its Gram matrix [n, n] float64."""
    squares = np.linalg.eigvalsh(gram)[::-1]
    is_error = squares <= len(gram) * _EPS * squares[0]
    return np.sqrt(np.where(is_error, 0.0, squares))


def effective_rank(singular: _Array) -> float:
    """exp of the entropy of the singular values s [n], divided by their sum, which is not 0."""
    share = singular[singular > 0] / singular.sum()
    return float(np.exp(-(share * np.log(share)).sum()))


@overload
def _rounded(value: float) -> float: ...
@overload
def _rounded(value: float | None) -> float | None: ...
def _rounded(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.{DIGITS}g}")
