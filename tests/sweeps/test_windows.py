"""Windows that no model can have."""

from __future__ import annotations

import pytest

from pythia_cli.engine.windows import window_sizes
from pythia_cli.errors import InvalidValue
from pythia_cli.sweeps.windows import checked_window


@pytest.mark.parametrize(("context", "stride"), [(None, None), (2, 2), (None, 5000), (4096, None)])
def test_some_model_may_have_them(context: int | None, stride: int | None) -> None:
    window_sizes(checked_window(context, stride), context, stride)


@pytest.mark.parametrize(("context", "stride"), [(1, None), (None, 0), (8, 9), (2.0, None)])
def test_no_model_has_them(context: int | None, stride: int | None) -> None:
    with pytest.raises(InvalidValue):
        checked_window(context, stride)
