"""A run of a fake measure over a file of items, into a table."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pythia_cli.reporting import SILENT, Reporter
from pythia_cli.tables.batch_size import Limits
from pythia_cli.tables.items import open_items
from pythia_cli.tables.layout import RowLayout
from pythia_cli.tables.running import ItemRun, run_items
from pythia_cli.tables.table import open_table
from tests.tables.fakes import LENGTH, FakeModel, length

NASTY = [
    "two\nlines",
    'a "quote"',
    "tab\tand, comma",
    "caf\u00e9 \U0001f600",
    " spaces ",
    "cr\rin it",
]


def write_items(path: Path, n: int, *, more: Sequence[str] = ()) -> None:
    """JSON lines with ids and texts of all kinds."""
    texts = [f"{NASTY[i % len(NASTY)]} {i}" for i in range(n)] + list(more)
    path.write_text(
        "".join(json.dumps({"id": f"id{i}", "text": t}) + "\n" for i, t in enumerate(texts))
    )


def run(
    source: Path,
    out: Path,
    *,
    models: Sequence[FakeModel] | None = None,
    identity: dict[str, Any] | None = None,
    resume: bool = False,
    skip_errors: bool = False,
    batch: int = 3,
    measure: Any = length,
    reporter: Reporter = SILENT,
) -> ItemRun:
    models = [FakeModel(64), FakeModel(512)] if models is None else models
    with open_items(source) as items:
        layout = RowLayout.of(items.columns, LENGTH, [items.column])
        with open_table(
            out,
            columns=layout.columns,
            identity={"command": "length"} if identity is None else identity,
            resume=resume,
            reporter=reporter,
        ) as table:
            return run_items(
                items,
                table,
                layout,
                [model.opened for model in models],
                measure,
                skip_errors=skip_errors,
                limits=Limits(items=batch),
                reporter=reporter,
            )


def names(folder: Path, out: str) -> list[str]:
    """The files of a table, without the beginning that they share."""
    return sorted(path.name.removeprefix(out) for path in folder.iterdir() if out in path.name)
