"""A reporter that records its notes and tasks."""

from __future__ import annotations

from dataclasses import dataclass, field

from pythia_cli.reporting import Reporter, Task


@dataclass
class Counted(Task):
    """A task, and how much of it was done."""

    label: str = ""
    total: int = 0
    done: int = 0
    ended: bool = False

    def advance(self, amount: int) -> None:
        self.done += amount

    def __exit__(self, *details: object) -> None:
        self.ended = True


@dataclass
class Recording(Reporter):
    """Notes and tasks, in order."""

    notes: list[str] = field(default_factory=list)
    tasks: list[Counted] = field(default_factory=list)

    def note(self, text: str) -> None:
        self.notes.append(text)

    def task(self, label: str, total: int, unit: str) -> Counted:
        self.tasks.append(Counted(label, total))
        return self.tasks[-1]

    def of(self, label: str) -> Counted:
        """The last task of this label."""
        return [task for task in self.tasks if task.label == label][-1]
