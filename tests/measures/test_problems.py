"""What is wrong with what a measure is given."""

from __future__ import annotations

from pythia_cli.errors import InputError
from pythia_cli.measures.problems import NoWindows


def test_texts_without_a_window() -> None:
    error = NoWindows("a.txt", [12], 500)
    assert str(error) == "a.txt: has 12 tokens; a window needs 500"
    assert (error.n_tokens, error.n_needed) == ([12], 500)
    assert str(NoWindows("texts", [7, 0, 9], 500)).startswith("texts: have 0 to 9 tokens;")
    assert str(NoWindows("texts", [7, 7], 500)).startswith("texts: have 7 tokens;")
    assert isinstance(error, InputError)
