"""A task that counts, and a reporter that remembers."""

from __future__ import annotations

from pythia_cli.reporting import Reporter, Task


class Counted(Task):
    """`done`: the sum of what it advanced by."""

    def __init__(self) -> None:
        self.done = 0

    def advance(self, amount: int) -> None:
        self.done += amount


class Remembering(Reporter):
    """`notes`, and the tasks by label with their totals."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.tasks: dict[str, Counted] = {}
        self.totals: dict[str, int] = {}

    def task(self, label: str, total: int, unit: str) -> Task:
        self.tasks[label], self.totals[label] = Counted(), total
        return self.tasks[label]

    def note(self, text: str) -> None:
        self.notes.append(text)
