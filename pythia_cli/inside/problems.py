"""The errors of looking inside a model."""

from __future__ import annotations

from pythia_cli.errors import InvalidValue


class OutsideText(InvalidValue):
    """A position that a text does not have. Carries the index of the text and its n_tokens."""

    def __init__(self, position: int, text: int, n_tokens: int) -> None:
        super().__init__(
            "positions",
            position,
            f"{-n_tokens} to {n_tokens - 1}, as text {text} has {n_tokens} tokens",
        )
        self.text, self.n_tokens = text, n_tokens


class BadPatch(InvalidValue):
    """What a patch gave cannot take the place of an activation. Carries its name."""

    def __init__(self, activation: str, value: object, expected: str) -> None:
        super().__init__(f"the patch of {activation}", value, expected)
        self.activation = activation


class TooLarge(InvalidValue):
    """A value of an activation that float16 does not hold."""

    def __init__(self, activation: str, value: float) -> None:
        super().__init__(
            f"a value of {activation}", value, "at most 65504, as float16 holds no more"
        )
        self.activation = activation
