"""A model that takes no time, and a measure of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from pythia_cli.tables.item import Item
from pythia_cli.tables.measuring import measured_together


@dataclass
class FakeModel:
    """Counts how often it was asked, and for how many texts."""

    step: int = 3000
    asked: list[int] = field(default_factory=list)
    is_open: bool = False
    certificate: dict[str, float] | None = field(default_factory=lambda: {"kl_mean": 1e-4})

    def provenance(self) -> dict[str, Any]:
        return {
            "model": "fake",
            "step": self.step,
            "source": {"files": {"a": "b"}},
            "shape": (1, 2),
        }

    @contextmanager
    def opened(self) -> Iterator[FakeModel]:
        self.is_open = True
        yield self
        self.is_open = False


def length(model: FakeModel, items: Sequence[Item]) -> Any:
    """Characters of each text, and their share of 100."""
    assert model.is_open
    model.asked.append(len(items))
    return measured_together(
        items,
        lambda item: item.text(),
        lambda texts: [[{"length": len(text), "share": len(text) / 100}] for text in texts],
    )


LENGTH = {"length": int, "share": float}
