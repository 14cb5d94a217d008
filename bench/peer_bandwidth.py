"""The machine's read bandwidth, as an engine: so it is measured in turn with the others."""

from __future__ import annotations

from pythia_cli.diagnostics.bench import read_bandwidth


class Engine:
    def __init__(self, model: str, n_threads: int) -> None:
        self._n_threads = n_threads

    def read_gb_per_second(self) -> float:
        return read_bandwidth(self._n_threads)

    def versions(self) -> dict[str, str]:
        return {}
