"""A page of a whole sweep, that works offline: curves, the table, and where it comes from."""

from __future__ import annotations

import html
import json
import math
from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any

from pythia_cli.sweeps.curves import Row, XAxis

_SCRIPTS = ("curves.js", "chart.js", "table.js", "page.js")
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'"


def page_of(
    rows: Sequence[Row], title: str, provenance: Mapping[str, Any], *, x: XAxis = "step"
) -> str:
    """One HTML file, with all rows and no links to anything else.

    rows: those of a sweep's table; all have the same columns. provenance: what to say of where
    they come from, by name; anything but texts and numbers is shown as JSON. x: the axis that the
    page begins with.
    """
    island = _json({"x": x, "columns": {name: _column(rows, name) for name in _columns(rows)}})
    known = "".join(
        f"<dt>{_escaped(name)}</dt><dd>{_escaped(_worded(value))}</dd>\n"
        for name, value in provenance.items()
    )
    script = "".join(_part(name).replace('"use strict";\n', "") for name in _SCRIPTS)
    return (
        '<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{_escaped(title)}</title>\n<style>\n{_part('page.css')}</style>\n"
        f"<h1>{_escaped(title)}</h1>\n"
        "<noscript><p>The curves and the table need JavaScript.</p></noscript>\n"
        '<div id="choices"></div>\n<div id="panels"></div>\n'
        '<h2>Table</h2>\n<div id="table"></div>\n'
        f"<details><summary>Provenance</summary>\n<dl>\n{known}</dl>\n</details>\n"
        f'<script type="application/json" id="rows">{island}</script>\n'
        f'<script>\n"use strict";\n{script}</script>\n</html>\n'
    )


def _part(name: str) -> str:
    return files("pythia_cli.sweeps").joinpath("browser", name).read_text(encoding="utf-8")


def _columns(rows: Sequence[Row]) -> list[str]:
    return list(dict.fromkeys(name for row in rows for name in row))


def _column(rows: Sequence[Row], name: str) -> Any:
    """The values of a column; where texts repeat, as places in a list of different values."""
    values = [_finite(row.get(name)) for row in rows]
    if all(value is None or isinstance(value, int | float) for value in values):
        return values
    places: dict[Any, int] = {}
    return {"of": [places.setdefault(value, len(places)) for value in values], "values": [*places]}


def _finite(value: Any) -> Any:
    """JSON has no NaN and no infinities: they are texts, which are shown and not drawn."""
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def _json(value: Any) -> str:
    """JSON that can stand within a script element: it has no `<`, and only ASCII."""
    return json.dumps(value, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")


def _worded(value: Any) -> str:
    return str(value) if isinstance(value, str | int | float) else json.dumps(value, indent=1)


def _escaped(text: str) -> str:
    """The text in HTML. Halves of surrogate pairs, which cannot be encoded, become escapes."""
    return html.escape(text.encode(errors="backslashreplace").decode())
