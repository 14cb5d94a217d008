"""The page of a sweep."""

from __future__ import annotations

import json
import math
import re
import shutil
import subprocess
from html.parser import HTMLParser
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from pythia_cli.suite.steps import STEPS
from pythia_cli.sweeps.page import page_of
from pythia_cli.sweeps.panels import looks, panels_of
from tests.sweeps.sweep_rows import Rows, curve, row, sweep

BROWSER = files("pythia_cli.sweeps") / "browser"
NODE = shutil.which("node")
HOSTILE = [
    "</script><script>alert(1)</script>", "<!--", "]]>", "&amp;", '"', "'", "\u2028", "\x00\x1b",
    "\udcff", "__proto__", "日本", "\\u003c", "",
]  # fmt: skip


class _Elements(HTMLParser):
    """Start tags, and the text in each script."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self.shown = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag == "script":
            self.scripts.append("")

    def handle_data(self, data: str) -> None:
        if self.tags and self.tags[-1][0] == "script":
            self.scripts[-1] += data
        else:
            self.shown += data


def island(page: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(_Elements(page).scripts[0])
    return found


def decoded(columns: dict[str, Any]) -> Rows:
    """The rows of an island."""
    values = {
        name: column if isinstance(column, list) else [column["values"][i] for i in column["of"]]
        for name, column in columns.items()
    }
    return [dict(zip(values, cells, strict=True)) for cells in zip(*values.values(), strict=True)]


def test_rows_come_back_as_they_were() -> None:
    rows = [
        row(name, i, 0.5, input=name, group=name, figure=name, measure=name)
        for i, name in enumerate(HOSTILE)
    ]
    page = page_of(rows, HOSTILE[0], {HOSTILE[0]: HOSTILE[1], "odd": HOSTILE})
    assert decoded(island(page)["columns"]) == rows
    found = _Elements(page)
    assert [tag for tag, _ in found.tags if tag in ("script", "img", "b")] == ["script"] * 2
    assert HOSTILE[0] in found.shown
    page.encode()


def test_it_needs_nothing_else() -> None:
    page = page_of(sweep(["pythia-70m"], [0, 1]), "runs/grammar", {})
    for tag, attributes in _Elements(page).tags:
        assert tag not in ("link", "img", "iframe", "base")
        assert not attributes.keys() & {"src", "href"}
    assert set(re.findall(r"https?://[^\s\"']+", page)) == {"http://www.w3.org/2000/svg"}
    assert "default-src 'none'" in page


def test_what_json_lacks() -> None:
    rows = [row(step=i, value=v) for i, v in enumerate((math.nan, math.inf, None, 0.5))]
    columns = island(page_of(rows, "", {}))["columns"]
    assert [r["value"] for r in decoded(columns)] == ["nan", "inf", None, 0.5]


def test_provenance() -> None:
    shown = _Elements(page_of([], "title", {"rows": 3, "plan": {"steps": [0, 1]}})).shown
    assert "Provenance" in shown
    assert '"steps"' in shown
    assert island(page_of([], "", {}, x="tokens")) == {"x": "tokens", "columns": {}}


def test_fifty_thousand_rows_are_a_few_megabytes() -> None:
    rows: Rows = []
    for i in range(325):
        rows += curve(0.7, group=f"phenomenon{i}", steps=STEPS)
    assert len(rows) > 50_000
    assert len(page_of(rows, "", {})) < 110 * len(rows)


@pytest.mark.skipif(NODE is None, reason="node is not installed")
def test_the_scripts_find_the_same_panels(tmp_path: Path) -> None:
    rows = sweep(["pythia-70m", "pythia-160m"], STEPS, certified=True)
    rows += [row("pythia-70m", step, None, input="b") for step in (0, 5)]
    columns = island(page_of(rows, "", {}))["columns"]
    program = (BROWSER / "curves.js").read_text() + (
        "\nconst columns = JSON.parse(require('fs').readFileSync(0, 'utf-8'));"
        "const choice = {measure: ALL, figure: ALL, input: ALL, group: null, x: 'step'};"
        "const panels = panelsOf(rowsOf(columns), choice).map(panel => [panel.title,"
        " panel.curves.map(c => [c.label, c.colour, c.dash, c.points.map(p => [p.x, p.value])])]);"
        "const ticks = logAxis(panels[0][1][0][3].map(([x]) => x)).ticks;"
        "console.log(JSON.stringify([panels, ticks]));"
    )
    script = tmp_path / "curves.js"
    script.write_text(program)
    assert NODE is not None
    done = subprocess.run(
        [NODE, script], input=json.dumps(columns).encode(), capture_output=True, check=True
    )
    found, ticks = json.loads(done.stdout)
    panels = panels_of(rows)
    assert ticks == [0, 1, 10, 100, 1000, 10_000, 100_000]
    assert found == [
        [
            panel.title,
            [
                [curve.label, look.colour, look.dash, [[p.x, p.value] for p in curve.points]]
                for curve, look in zip(panel.curves, looked, strict=True)
            ],
        ]
        for panel, looked in zip(panels, looks(panels), strict=True)
    ]


@pytest.mark.skipif(NODE is None, reason="node is not installed")
def test_the_table_is_sorted_and_filtered(tmp_path: Path) -> None:
    program = (BROWSER / "table.js").read_text() + (
        "\nconst rows = [{m: 'B10', v: 2}, {m: 'b9', v: null}, {m: 'c', v: 10}];"
        "const texts = rows.map(row => row.m.toLowerCase());"
        "console.log(JSON.stringify([placesOf(rows, texts, '', null, true),"
        " placesOf(rows, texts, '', 'v', true), placesOf(rows, texts, '', 'v', false),"
        " placesOf(rows, texts, '', 'm', true), placesOf(rows, texts, 'B 1', null, true)]));"
    )
    script = tmp_path / "table.js"
    script.write_text(program)
    assert NODE is not None
    done = subprocess.run([NODE, script], capture_output=True, check=True)
    assert json.loads(done.stdout) == [[0, 1, 2], [0, 2, 1], [2, 0, 1], [1, 0, 2], [0]]


@pytest.mark.skipif(NODE is None, reason="node is not installed")
def test_the_script_of_a_page_is_one_program(tmp_path: Path) -> None:
    script = tmp_path / "page.js"
    script.write_text(_Elements(page_of([], "", {})).scripts[1])
    assert NODE is not None
    subprocess.run([NODE, "--check", script], check=True)
