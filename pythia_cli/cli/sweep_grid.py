"""The cells of a sweep as a grid of characters: checkpoints by measures."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pythia_cli.sweeps.status import CellState, SweepStatus

MARKS = {"done": "#", "running": ">", "failed": "x", "pending": "."}
"""What stands for a cell."""


def grid_lines(found: SweepStatus) -> list[str]:
    """A line for each run of checkpoints of a model whose cells are alike."""
    from pythia_cli.suite.step_sets import as_ranges

    rows: list[tuple[str, list[int], list[str]]] = []
    for checkpoint, cells in found.cells.items():
        marks = _marks(found, cells)
        if rows and rows[-1][0] == checkpoint.model and rows[-1][2] == marks:
            rows[-1][1].append(checkpoint.step)
        else:
            rows.append((checkpoint.model, [checkpoint.step], marks))
    heads = [planned.label for planned in found.plan.measures]
    table = [
        ["", *heads],
        *([f"{model} {as_ranges(steps)}", *marks] for model, steps, marks in rows),
    ]
    widths = [max(len(row[column]) for row in table) for column in range(len(heads) + 1)]
    return [
        "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip()
        for row in table
    ]


def _marks(found: SweepStatus, cells: list[CellState]) -> list[str]:
    """For each measure, a character for each of its inputs."""
    marks, rest = [], iter(cells)
    for planned in found.plan.measures:
        marks.append("".join(MARKS[next(rest).state] for _ in planned.inputs))
    return marks


def in_words(found: SweepStatus) -> str:
    """How many cells are in each state."""
    parts = [f"{found.count('done')} of {found.plan.n_cells} cells done"]
    parts += [
        f"{n} {state}" for state in ("failed", "running", "pending") if (n := found.count(state))
    ]
    return ", ".join(parts)


def duration(seconds: float) -> str:
    """A time in words: 40 s, 12 min, 3.5 h, 2 days."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    if seconds < 2 * 86400:
        return f"{seconds / 3600:.1f} h"
    return f"{seconds / 86400:.1f} days"
