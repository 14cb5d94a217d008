"""Checks windows over texts before a model is open."""

from __future__ import annotations

from pythia_cli.engine.checks import check_whole


def checked_window(context: int | None, stride: int | None) -> int:
    """A context, in tokens, that suits the windows, as that of a model is not known yet.

    Raises InvalidValue for windows that no model can have.
    """
    if context is not None:
        check_whole("context", context, 2)
    if stride is not None:
        check_whole("stride", stride, 1, context)
    return context or max(2, stride or 2)
