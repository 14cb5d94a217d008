"""Every kernel against its plain twin (twins.py), with odd shapes and extreme values."""

from __future__ import annotations

import copy
import importlib
import pkgutil

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numba.core.dispatcher import Dispatcher

import pythia_cli.kernels
from tests.kernels.draws import KINDS, Draw, Twin
from tests.kernels.twins import KERNELS

# Widths around the sizes of vectors, tiles, pieces and lanes, and large ones.
EDGES = [
    (1, 1, 1), (1, 15, 16), (1, 16, 17), (3, 31, 5), (4, 32, 6), (5, 33, 7), (8, 64, 48),
    (9, 248, 49), (2, 1023, 3), (1, 1024, 4), (2, 1025, 6), (1, 3000, 13),
]  # fmt: skip

# Tested with the whole model (tests/engine); `ahead` has no outputs.
_COMPOSED = ("ahead", "forward", "layer", "attention_pattern", "sharing", "unembedding")

every_kernel = pytest.mark.parametrize("twin", KERNELS, ids=lambda twin: twin.name)


@st.composite
def draws(draw: st.DrawFn, kinds: tuple[str, ...]) -> Draw:
    seed = draw(st.integers(0, 2**32 - 1))
    n, d, n_rows = draw(st.integers(1, 9)), draw(st.integers(1, 200)), draw(st.integers(1, 70))
    return Draw(np.random.default_rng(seed), n, d, n_rows, draw(st.sampled_from(kinds)))


def assert_agrees(twin: Twin, draw: Draw) -> None:
    a = twin.inputs(draw)
    expected = twin.twin(a)
    twin(a, 0, twin.length(a))
    outputs = twin.outputs(a)
    assert set(outputs) == set(expected)
    for name, (value, magnitude) in expected.items():
        off = np.abs(outputs[name].astype(np.float64) - value)
        bad = ~(off <= twin.tolerance * magnitude)
        assert not bad.any(), f"{twin.name} {name}: {off[bad].max()} off at {np.argwhere(bad)[0]}"


@every_kernel
@given(data=st.data())
def test_it_agrees_with_its_twin(twin: Twin, data: st.DataObject) -> None:
    assert_agrees(twin, data.draw(draws(twin.kinds)))


@every_kernel
@pytest.mark.parametrize("shape", EDGES, ids=str)
def test_it_agrees_with_its_twin_at_edges(twin: Twin, shape: tuple[int, int, int]) -> None:
    for seed, kind in enumerate(twin.kinds):
        assert_agrees(twin, Draw(np.random.default_rng(seed), *shape, kind))


@every_kernel
@given(data=st.data())
def test_dividing_its_range_changes_no_bit(twin: Twin, data: st.DataObject) -> None:
    a = twin.inputs(data.draw(draws(twin.kinds)))
    b, length = copy.deepcopy(a), twin.length(a)
    cuts = sorted(data.draw(st.lists(st.integers(0, length), max_size=4)))
    pieces = list(zip([0, *cuts], [*cuts, length], strict=True))
    twin(a, 0, length)
    for lo, hi in data.draw(st.permutations(pieces)):
        twin(b, lo, hi)
    for name, whole in twin.written(a).items():
        assert whole.tobytes() == twin.written(b)[name].tobytes(), name


@every_kernel
@given(data=st.data())
def test_it_writes_only_its_range(twin: Twin, data: st.DataObject) -> None:
    a = twin.inputs(data.draw(draws(twin.kinds)))
    before, length = copy.deepcopy(twin.written(a)), twin.length(a)
    lo, hi = sorted((data.draw(st.integers(0, length)), data.draw(st.integers(0, length))))
    twin(a, lo, hi)
    for name, after in twin.written(a).items():
        np.testing.assert_array_equal(after[:lo], before[name][:lo])
        np.testing.assert_array_equal(after[hi:], before[name][hi:])


def test_the_table_has_every_kernel() -> None:
    """A kernel is a public jitted function in kernels/. Modules in _COMPOSED only call kernels."""
    kernels = set()
    for module in pkgutil.walk_packages(pythia_cli.kernels.__path__):
        if module.name not in _COMPOSED:
            members = vars(importlib.import_module(f"pythia_cli.kernels.{module.name}"))
            kernels |= {
                name
                for name, member in members.items()
                if isinstance(member, Dispatcher) and not name.startswith("_")
            }
    assert sorted(kernels) == sorted(twin.name for twin in KERNELS)


def test_every_tolerance_is_explained() -> None:
    assert all(twin.why and set(twin.kinds) <= set(KINDS) for twin in KERNELS)
