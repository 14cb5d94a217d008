"""What NFC may do with each character."""

from __future__ import annotations

import unicodedata
from functools import cache
from typing import Any

import numpy as np

KEPT = 0
"""NFC keeps the character, and never joins or reorders it with what is before it."""

REPLACED = 1
"""NFC replaces the character, also where it stands alone."""

JOINS = 2
"""NFC may join or reorder the character with what is before it."""


@cache
def nfc_kinds() -> np.ndarray[Any, Any]:
    """[0x110000] uint8: KEPT, REPLACED or JOINS for each character."""
    kinds = np.full(0x110000, KEPT, np.uint8)
    for place in (*range(0x80, 0x20000), *range(0x2F800, 0x2FA20)):  # there are none elsewhere
        character = chr(place)
        if unicodedata.normalize("NFC", character) != character:
            kinds[place] = REPLACED
    for place in range(0x80, 0x20000):
        decomposed = unicodedata.normalize("NFD", chr(place))
        if unicodedata.combining(decomposed[0]):
            kinds[place] = JOINS
        for joined in decomposed[1:]:
            kinds[ord(joined)] = JOINS
    return kinds
