"""Lists, ranges and named sets of steps."""

from __future__ import annotations

import numbers
from collections.abc import Iterable

from pythia_cli.errors import InvalidValue
from pythia_cli.suite.steps import RANGE, parse_step, steps_of

INSTALLED = "installed"
"""Names the steps that are in a store."""
_ALL, _LOG = "all", "log"


def names_several(steps: str) -> bool:
    """Whether a text is one of these words, a range or a list: it may name several steps."""
    return steps in (_ALL, _LOG, INSTALLED) or "," in steps or ":" in steps


def parse_steps(model: str, texts: Iterable[str]) -> list[int]:
    """The steps that the texts name, each once, in ascending order.

    A text has one or more parts, separated by commas: 3000, step3000 or main; FIRST:LAST or
    FIRST:LAST:EVERY (published steps only, both ends included); log (0, 1, 2, 4 .. 512); all.
    Raises UnknownName, and InvalidValue for a range or set without steps.
    """
    found: set[int] = set()
    for text in texts:
        for part in text.split(","):
            found.update(_part(model, part.strip()))
    return sorted(found)


def words_of(steps: str | int | Iterable[int]) -> list[str]:
    """Steps as texts for parse_steps: one text, one number, or several numbers.

    Raises InvalidValue for anything else.
    """
    if isinstance(steps, str | numbers.Integral):
        return [str(steps)]
    if not isinstance(steps, Iterable):
        raise InvalidValue("steps", steps, "a text, a whole number, or several of them")
    return [str(step) for step in steps]


def as_ranges(steps: Iterable[int]) -> str:
    """Steps in ascending order as one text for parse_steps: 0,1,2,4,1000:143000:1000.

    Three or more at equal distances become a range.
    """
    rest, parts = sorted(set(steps)), []
    while rest:
        every = rest[1] - rest[0] if len(rest) > 1 else 1
        n = next((i for i, step in enumerate(rest) if step != rest[0] + i * every), len(rest))
        if n < 3:
            parts.append(str(rest.pop(0)))
        else:
            parts.append(f"{rest[0]}:{rest[n - 1]}" + (f":{every}" if every != 1 else ""))
            del rest[:n]
    return ",".join(parts)


def _part(model: str, part: str) -> Iterable[int]:
    steps = steps_of(model)
    match = RANGE.fullmatch(part)
    if part in (_ALL, _LOG) or match:
        if steps is None:
            raise InvalidValue(
                "steps", part, f"single steps, as the published steps of {model} are not known"
            )
        if part == _ALL:
            return steps
        if match is None:
            chosen = [step for step in steps if step < 1000]
            expected = f"another set: the first published step of {model} is {steps[0]}"
        else:
            first, last, every = (int(group) if group else 1 for group in match.groups())
            chosen = [s for s in steps if first <= s <= last and every and (s - first) % every == 0]
            expected = f"a range with a published step of {model}: FIRST:LAST:EVERY"
        if not chosen:
            raise InvalidValue("steps", part, expected)
        return chosen
    return [parse_step(model, part)]
