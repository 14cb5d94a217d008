"""What a run has kept of a text, as a mapping."""

from __future__ import annotations

import numpy as np
import pytest

from pythia_cli.inside.activations import Activations


def test_it_is_a_mapping_in_the_order_of_computation() -> None:
    values = {name: np.full((2, 3), i) for i, name in enumerate("dcba")}
    found = Activations(np.arange(2), np.arange(2), values)
    assert list(found) == list("dcba")
    assert len(found) == 4
    assert "a" in found
    assert dict(found.items()) == values
    assert (found["b"] == 2).all()
    with pytest.raises(KeyError):
        found["e"]
    assert repr(found) == "Activations(2 tokens: d [2, 3], c [2, 3], b [2, 3], 1 more)"
