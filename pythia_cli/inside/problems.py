"""The errors of looking inside a model."""

from __future__ import annotations

from pythia_cli.errors import InvalidValue, UsageError


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


class TooLarge(UsageError):
    """A value of an activation that float16 does not hold. Carries both."""

    def __init__(self, activation: str, value: float) -> None:
        super().__init__(f"{activation} has {value:g}, and float16 holds at most 65504")
        self.activation, self.value = activation, value


class TooManyTensors(UsageError):
    """More tensors than the header of a file may list."""

    def __init__(self, n: int) -> None:
        super().__init__(f"{n:,} tensors are more than the header of a safetensors file lists")
        self.n = n
