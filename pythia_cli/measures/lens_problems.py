"""The errors of lenses."""

from __future__ import annotations

from pythia_cli.errors import InputError


class LongText(InputError):
    """A text has more tokens than the context of the model holds."""

    def __init__(self, n_tokens: int, n_ctx: int) -> None:
        super().__init__("text", f"has {n_tokens} tokens; the context of the model holds {n_ctx}")
        self.n_tokens, self.n_ctx = n_tokens, n_ctx


class NotTheTunedLens(InputError):
    """A folder or file that holds no tuned lens, or one of a model of another shape."""
