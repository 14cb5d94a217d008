"""A kernel's arguments: checked by name and type, packed into words in order."""

from __future__ import annotations

import ctypes
import sys
from typing import Any, NamedTuple

import numpy as np
import pytest

from pythia_cli.jit.arguments import Arguments
from pythia_cli.jit.signature import (
    Doubles1,
    Floats1,
    Int8s2,
    Int64s1,
    from_json,
    hints_of,
    signature_of,
    to_json,
)


class Pair(NamedTuple):
    weight: Int8s2
    scales: Floats1


class Nested(NamedTuple):
    pair: Pair
    eps: float


def kernel(weights: Floats1, fraction: float, out: Int64s1, n: int, nested: Nested) -> None:
    """Only its annotations are used."""


def team_kernel(rank: Any, n_ranks: Any, sums: Doubles1) -> None:
    """A kernel that a team runs."""


HINTS, _ = hints_of(kernel)
SIGNATURE = signature_of(HINTS)
WEIGHTS = np.array([0.0, 3.0, 0.0, 1.0], np.float32)
PAIR = Pair(np.ones((3, 2), np.int8), np.ones(3, np.float32))


def values(**more: Any) -> dict[str, Any]:
    given = {
        "weights": WEIGHTS,
        "fraction": 0.5,
        "out": np.zeros(1, np.int64),
        "n": 7,
        "nested": {"eps": 0.25, "pair": PAIR},
    }
    return given | more


def words(arguments: Arguments, n: int) -> list[int]:
    return list((ctypes.c_int64 * n).from_address(arguments.address))


def test_a_signature_is_made_from_annotations_and_survives_json() -> None:
    assert list(SIGNATURE) == ["weights", "fraction", "out", "n", "nested"]
    assert SIGNATURE["nested"] == {
        "pair": {"weight": ("i1", 2), "scales": ("f4", 1)},
        "eps": "float",
    }
    assert from_json(to_json(SIGNATURE)) == SIGNATURE
    assert hints_of(kernel)[1] is False
    hints, for_team = hints_of(team_kernel)
    assert (list(hints), for_team) == (["sums"], True)


def test_words_are_in_the_order_of_the_signature() -> None:
    given = values()
    found = words(Arguments(SIGNATURE, dict(reversed(given.items()))), 12)
    half, quarter = np.array([0.5, 0.25]).view(np.int64).tolist()
    assert found == [
        WEIGHTS.ctypes.data, 4, half, given["out"].ctypes.data, 1, 7,
        PAIR.weight.ctypes.data, 3, 2, PAIR.scales.ctypes.data, 3, quarter,
    ]  # fmt: skip


def test_a_replaced_argument_leaves_the_others() -> None:
    arguments = Arguments(SIGNATURE, values())
    before = words(arguments, 12)
    arguments.replace("n", 8)
    arguments.replace("nested", {"pair": PAIR._asdict(), "eps": 0.5})
    after = words(arguments, 12)
    assert [i for i in range(12) if before[i] != after[i]] == [5, 11]
    assert after[5] == 8
    with pytest.raises(KeyError):
        arguments.replace("m", 8)


def test_a_replacement_that_was_interrupted_is_made_by_the_next_call() -> None:
    """Between any two lines. Otherwise a kernel would read an array that is gone."""
    code = Arguments.replace.__code__
    lines = sorted({line for *_, line in code.co_lines() if line and line > code.co_firstlineno})
    new = np.ones(9, np.float32)
    for last in lines:
        arguments = Arguments(SIGNATURE, values())

        def inside(frame: Any, event: str, _: object, last: int = last) -> Any:
            if event == "line" and frame.f_lineno == last:
                raise KeyboardInterrupt
            return inside

        tracing = sys.gettrace()
        sys.settrace(lambda frame, *_: inside if frame.f_code is code else None)
        try:
            arguments.replace("weights", new)
        except KeyboardInterrupt:
            pass
        finally:
            sys.settrace(tracing)
        arguments.replace("weights", new)
        assert words(arguments, 2) == [new.ctypes.data, 9]


@pytest.mark.parametrize(
    "weights",
    [
        WEIGHTS.astype(np.float64),
        WEIGHTS.astype(np.float16),
        WEIGHTS.view(np.int32),
        WEIGHTS[None],
        np.float32(1.0).reshape(()),
        np.repeat(WEIGHTS, 2)[::2],
        WEIGHTS[::-1],
        np.frombuffer(b"\0" * 17, np.uint8)[1:].view(np.float32),
    ],
    ids=["double", "half", "int", "two axes", "no axis", "strided", "reversed", "unaligned"],
)
def test_arrays_of_another_type_are_refused(weights: np.ndarray[Any, Any]) -> None:
    with pytest.raises(TypeError, match="in place of"):
        Arguments(SIGNATURE, values(weights=weights))
    arguments = Arguments(SIGNATURE, values())
    before = words(arguments, 12)
    with pytest.raises(TypeError, match="in place of"):
        arguments.replace("weights", weights)
    assert words(arguments, 12) == before


@pytest.mark.parametrize(
    "weight",
    [np.ones((2, 3), np.int8).T, np.ones((3, 2), np.uint8)],
    ids=["in order of columns", "unsigned"],
)
def test_arrays_of_another_type_in_a_structure_are_refused(weight: np.ndarray[Any, Any]) -> None:
    with pytest.raises(TypeError, match="in place of"):
        Arguments(SIGNATURE, values(nested=Nested(PAIR._replace(weight=weight), 0.5)))


@pytest.mark.parametrize("nested", [{"pair": PAIR}, {"pair": PAIR, "eps": 1.0, "n": 2}])
def test_missing_and_unknown_names_are_refused(nested: dict[str, Any]) -> None:
    with pytest.raises(TypeError, match="expected pair, eps"):
        Arguments(SIGNATURE, values(nested=nested))
    with pytest.raises(TypeError, match="expected weights, fraction, out, n, nested"):
        Arguments(SIGNATURE, values(m=1))
    missing = values()
    del missing["fraction"]
    with pytest.raises(TypeError, match="expected weights"):
        Arguments(SIGNATURE, missing)
