"""The weights of the demo against figures that numpy gave once (tests/golden/inside)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pythia_cli.measures.weight_figures import weight_figures
from pythia_cli.measures.weight_parameters import parameters_of
from pythia_cli.weights.float_checkpoint import FloatCheckpoint
from tests.golden_inside import golden_weights


def test_the_demo(demo_folder: Callable[[int], Path]) -> None:
    golden = golden_weights()
    steps = [FloatCheckpoint(demo_folder(int(step))) for step in golden["step"]]
    names = list(golden["name"])
    matrices = [one for one in parameters_of(steps[0].config) if len(one.shape) == 2]
    assert {one.published for one in matrices} == {str(name) for name in names}
    for parameter in matrices:
        at = names.index(parameter.published)
        for step, (checkpoint, previous) in enumerate(zip(steps, [None, steps[0]], strict=True)):
            found = weight_figures(checkpoint, parameter, previous)[0]
            assert found.shape == tuple(golden["shape"][at])
            assert found.frobenius_norm == pytest.approx(golden["frobenius"][step, at], rel=1e-8)
            expected = golden["singular_values"][step, at]
            assert found.singular_values is not None
            assert found.singular_values == pytest.approx(expected, abs=1e-12 * expected[0])
            if previous is not None:
                assert found.distance == pytest.approx(golden["distance"][at], rel=1e-8)
    assert np.all(golden["shape"].min(axis=1) == golden["singular_values"].shape[2])
