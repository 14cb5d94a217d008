"""Errors of pictures."""

from __future__ import annotations

from pythia_cli.errors import UsageError


class TooManyMaps(UsageError):
    """More heat maps than a page has room for, so that cells can be seen. Carries both numbers."""

    def __init__(self, n_maps: int, most: int) -> None:
        super().__init__(f"{n_maps} heat maps do not fit a page, which has room for {most} of them")
        self.n_maps, self.most = n_maps, most
