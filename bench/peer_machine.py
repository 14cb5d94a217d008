"""The machine's peak of products, as an engine: measured in turn with others."""

from __future__ import annotations

from instruction_peak import products_per_second


class Engine:
    def __init__(self, model: str, n_threads: int) -> None:
        self._n_threads = n_threads

    def exact_peak(self) -> float:
        return products_per_second(self._n_threads) / 1e9

    def versions(self) -> dict[str, str]:
        return {}
