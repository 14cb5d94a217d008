"""Numbers and names in drawings."""

from __future__ import annotations

from pythia_cli.pictures.labels import compact, drawn_name, number_labels, typed_name


def test_numbers() -> None:
    assert [compact(n) for n in (0, 0.5, 143_000, 2.5e6, 3e11, -5000)] == [
        "0", "0.5", "143k", "2.5M", "300B", "-5k",
    ]  # fmt: skip
    assert number_labels([0.12341, 0.12342]) == ["0.12341", "0.12342"]
    assert number_labels([1, 2.00001]) == ["1", "2"]
    assert number_labels([5.0, 5.0]) == ["5", "5"]


def test_names_are_cut_and_have_no_controls() -> None:
    assert drawn_name("_a\x1b", 20) == " _a\\x1b"
    assert typed_name("a" * 20, 5) == "aa…aa"
    assert typed_name("日a" * 3, 5, ascii=True) == "?a~?a"
