"""Colours for values: from dark blue to yellow, in steps that look equal.

The colour map is viridis (van der Walt and Smith 2015, in the public domain, CC0): its lightness
rises evenly, so that it is read in grey too, and by readers who do not tell red from green.
matplotlib has all of it; these are colours of it for a terminal.
"""

from __future__ import annotations

NAME = "viridis"
"""What matplotlib calls it."""

_PLACES = (
    "440154 48186a 472d7b 424086 3b528b 33638d 2c728e 26828e 21918c 1f9f88 27ad81 3dbc74 5cc863"
    " 81d34d aadc32 d5e21a fde725"
)
_COLOURS = tuple(bytes.fromhex(colour) for colour in _PLACES.split())
"""Of places at equal distances."""


def colour_at(share: float) -> tuple[int, int, int]:
    """Red, green and blue, from 0 to 255, of a place from 0 to 1 on the scale."""
    place = share * (len(_COLOURS) - 1)
    before = min(int(place), len(_COLOURS) - 2)
    rest = place - before
    first, second = _COLOURS[before : before + 2]
    red, green, blue = (round(a + rest * (b - a)) for a, b in zip(first, second, strict=True))
    return red, green, blue
