from __future__ import annotations

import pytest

from pythia_cli.errors import InputError
from pythia_cli.measures.attempts import attempt_each, without_errors


def half(n: int) -> int:
    if n % 2:
        raise InputError("n", "is odd")
    return n // 2


def test_errors_stand_in_the_place_of_results() -> None:
    one, error, three = attempt_each(half, [2, 3, 6])
    assert (one, three) == (1, 3)
    assert isinstance(error, InputError)


def test_the_first_error_is_raised() -> None:
    assert without_errors(attempt_each(half, [2, 6])) == [1, 3]
    with pytest.raises(InputError):
        without_errors(attempt_each(half, [2, 3]))


def test_other_exceptions_are_not_caught() -> None:
    with pytest.raises(TypeError):
        attempt_each(half, ["x"])  # type: ignore[list-item]
