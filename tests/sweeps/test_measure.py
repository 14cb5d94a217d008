"""Options of measures, as they are typed and as TOML has them."""

from __future__ import annotations

import math
from typing import Any

import pytest

from pythia_cli.errors import InvalidValue, UnknownName
from pythia_cli.sweeps.item_measures import SweptChoices, SweptMemorization, SweptSurprisal
from pythia_cli.sweeps.measure import options_of, with_options


def test_texts_become_what_the_option_holds() -> None:
    given = {"by": "token", "base": "10", "bos": "false", "context": "128", "column": "x"}
    made = with_options(SweptSurprisal, given)
    assert made == SweptSurprisal(by="token", base=10.0, bos=False, context=128, column="x")
    assert with_options(SweptChoices, {"choices": "a,b"}).choices == ("a", "b")
    assert with_options(SweptChoices, {"choices": ["a", "b"]}).choices == ("a", "b")
    assert with_options(SweptMemorization, {"input_format": "npy", "limit": None}).limit is None
    assert options_of(made)["base"] == 10.0
    assert with_options(SweptSurprisal, {"base": "e"}).base == math.e


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("by", "sentence"),
        ("by", 3),
        ("base", "two"),
        ("base", True),
        ("bos", "maybe"),
        ("bos", None),
        ("context", "1.5"),
        ("context", 1.5),
        ("context", math.inf),
        ("base", math.nan),
        ("column", 3),
        ("correction", ["pimentel-meister"]),
    ],
)
def test_other_values_are_refused(name: str, value: Any) -> None:
    with pytest.raises(InvalidValue, match=f"{name} is "):
        with_options(SweptSurprisal, {name: value})


@pytest.mark.parametrize("value", [[], [1], 5])
def test_a_list_of_texts(value: Any) -> None:
    with pytest.raises(InvalidValue, match="expected a list of texts"):
        with_options(SweptChoices, {"choices": value})


def test_an_unknown_option_names_the_nearest() -> None:
    with pytest.raises(UnknownName, match="unknown option of surprisal 'colum'") as caught:
        with_options(SweptSurprisal, {"colum": "x"})
    assert caught.value.nearest == ["column"]
