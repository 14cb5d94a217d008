"""Inputs and plain twins of the kernels that refine likely logits (kernels/likely.py)."""

from __future__ import annotations

import numpy as np

from pythia_cli.kernels.likely import find_likely, find_residual, refine
from pythia_cli.kernels.linear import ByteLinear, Bytes, quantize_bytes
from pythia_cli.kernels.sizes import LANES, ROWS_TOGETHER
from tests.kernels.draws import Array, Arrays, Draw, Expected, unwritten

_NO_LANES = np.empty((0, 0, LANES), np.int32)


def coarse_inputs(case: Draw) -> Arrays:
    x = case.floats(case.n, case.d)
    centre = case.floats(case.d) * np.float32(case.rng.choice([0, 1, 30]))
    n = len(x)
    coarse = Bytes(
        np.zeros(x.shape, np.uint8), np.zeros(n, np.float32), np.zeros(n, np.int32), _NO_LANES
    )
    quantize_bytes(x, centre, coarse, 0, n)
    residual = unwritten(*x.shape, dtype=np.uint8)
    return {"x": x, "centre": centre, "coarse": coarse, "residual": residual}


def find_residuals(a: Arrays, lo: int, hi: int) -> None:
    find_residual(*a.values(), lo, hi)


def read_residual(a: Arrays) -> Arrays:
    coarse = a["coarse"]
    levels = coarse.q.astype(np.float64) - coarse.zeros[:, None]
    levels += (a["residual"].astype(np.float64) - 128) / 256
    return {"x": levels * coarse.scales.astype(np.float64)[:, None]}


def plain_residual(a: Arrays) -> dict[str, Expected]:
    """Half a 256th of a step, or a whole one where the residual is cut off at 255."""
    x = a["x"].astype(np.float64) - a["centre"]
    scales = a["coarse"].scales.astype(np.float64)[:, None]
    size = np.abs(a["x"]).max(axis=1) + np.abs(a["centre"]).max()
    rounded = (size[:, None] + 255 * scales) * (scales > 0)
    return {"x": Expected(x * (scales > 0), scales / 256 / 2e-7 + rounded)}


def pieces(case: Draw) -> Arrays:
    z = 3 * case.floats(case.n, case.d)
    z[case.rng.random(z.shape) < 0.05] = np.nan
    return {"z": z, "is_likely": unwritten(*z.shape, dtype=np.int8)}


def likely_of_row(a: Arrays, t: int) -> None:
    z, found = a["z"][t], np.full(a["z"].shape[1], -1, np.int32)
    n = find_likely(z, found)
    assert list(found[:n]) == sorted(set(found[:n].tolist()))
    a["is_likely"][t] = 0
    a["is_likely"][t, found[:n]] = 1


def plain_likely(a: Arrays) -> dict[str, Expected]:
    return {"is_likely": Expected(np.array([_is_likely(z) for z in a["z"]]), 0.0)}


def _is_likely(z: Array) -> Array:
    if len(z) < LANES:
        return ~np.isnan(z)
    columns = z[: len(z) - len(z) % LANES].reshape(-1, LANES)
    return z >= np.where(np.isnan(columns), -np.inf, columns).max(axis=0).min()


def residuals(case: Draw) -> Arrays:
    """Logits of all rows for each token, of which some rows are refined."""
    weight = case.int8(case.n_rows, case.d)
    chosen = [
        np.flatnonzero(case.rng.random(case.n_rows) < case.rng.choice([0.1, 0.5, 1]))
        for _ in range(case.n)
    ]
    return {
        "linear": ByteLinear(
            weight,
            case.scales(case.n_rows),
            case.floats(case.n_rows),
            weight.sum(axis=1, dtype=np.int32),
        ),
        "coarse": Bytes(
            np.empty((case.n, 0), np.uint8), case.scales(case.n), np.zeros(case.n, np.int32),
            _NO_LANES,
        ),
        "residual": case.uint8(case.n, case.d),
        "chosen": chosen,
        "z": case.floats(case.n, case.n_rows),
    }  # fmt: skip


def refine_row(a: Arrays, t: int) -> None:
    rows, n = a["chosen"][t], len(a["chosen"][t])
    room = np.full((2, -(-n // ROWS_TOGETHER) * ROWS_TOGETHER), 99, np.int32)
    room[0, :n] = rows
    refine(a["linear"], a["coarse"], a["residual"], t, room[0], n, room[1], a["z"][t])
    np.testing.assert_array_equal(room[0, :n], rows)


def plain_refined(a: Arrays) -> dict[str, Expected]:
    linear = a["linear"]
    sums = (a["residual"].astype(np.int64) - 128) @ linear.weight.astype(np.int64).T
    scales = a["coarse"].scales.astype(np.float64)[:, None] * linear.scales.astype(np.float64)
    added = sums * scales / 256
    for t, rows in enumerate(a["chosen"]):
        added[t, np.setdiff1d(np.arange(added.shape[1]), rows)] = 0
    z = a["z"].astype(np.float64)
    return {"z": Expected(z + added, np.abs(z) + np.abs(added) + np.abs(added))}
