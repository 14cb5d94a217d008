"""Numbers and names as a drawing has them."""

from __future__ import annotations

from collections.abc import Sequence

from pythia_cli.text.printable import on_paper

_UNITS = ((10**12, "T"), (10**9, "B"), (10**6, "M"), (10**3, "k"))


def compact(number: float, digits: int = 4) -> str:
    """A number as an axis writes it: 0, 0.5, 10, 1k, 143k, 10M, 300B. digits: of significance."""
    for unit, sign in _UNITS:
        if abs(number) >= unit:
            return f"{number / unit:.{digits}g}{sign}"
    return f"{number:.{digits}g}"


def number_labels(numbers: Sequence[float]) -> list[str]:
    """Numbers as short as tells them apart, of three digits or more."""
    labels: list[str] = []
    for digits in range(3, 17):
        labels = [compact(number, digits) for number in numbers]
        if len(set(labels)) == len(set(numbers)):
            break
    return labels


def drawn_name(text: str, longest: int) -> str:
    """A name as matplotlib draws it, which hides labels that begin with an underscore."""
    text = on_paper(text, longest)
    return f" {text}" if text.startswith("_") else text


def typed_name(text: str, longest: int, *, ascii: bool = False) -> str:
    """A name as a line of text has it. ascii: only characters of ASCII."""
    shown = on_paper(text, longest)
    return shown.replace("…", "~").encode("ascii", "replace").decode() if ascii else shown
