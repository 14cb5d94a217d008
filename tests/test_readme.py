"""The README's commands print what it shows; the pages' links lead somewhere, their tables hold."""

from __future__ import annotations

import json
import math
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md"))]

RUNNABLE = re.compile(r"<!-- runnable -->\n```console\n(.*?)```", re.S)
NUMBER = re.compile(r"\d+\.\d+")
JQ = re.compile(r" \| jq( -\w+)? ('[^']*'|\S+)")
CLOSE = 1e-3  # other processors may round the last digits of a figure otherwise


class Command(NamedTuple):
    line: str
    shown: str


def commands(readme: str) -> list[Command]:
    """What stands behind `$ ` with its `> ` lines, and the output shown below it."""
    found: list[Command] = []
    for line in "".join(RUNNABLE.findall(readme)).splitlines(keepends=True):
        if line.startswith("$ "):
            found.append(Command(line[2:], ""))
        elif line.startswith("> "):
            found[-1] = Command(found[-1].line + line[2:], "")
        else:
            found[-1] = Command(found[-1].line, found[-1].shown + line)
    return found


def same(shown: str, printed: str) -> bool:
    """Equal, but for the last digits of decimal numbers."""
    if NUMBER.sub("#", shown) != NUMBER.sub("#", printed):
        return False
    pairs = zip(NUMBER.findall(shown), NUMBER.findall(printed), strict=True)
    return all(math.isclose(float(a), float(b), rel_tol=CLOSE) for a, b in pairs)


def test_the_readme_has_the_table_that_the_bench_wrote() -> None:
    written = (ROOT / "docs/performance-table.md").read_text(encoding="utf-8")
    table = next(part for part in written.split("\n\n") if part.startswith("|  | machine"))
    assert table.strip() in (ROOT / "README.md").read_text(encoding="utf-8")


def test_same_is_strict_about_text_and_near_about_numbers() -> None:
    assert same("nll 3.5788, 12 tokens\n", "nll 3.5789, 12 tokens\n")
    assert not same("nll 3.5788\n", "nll 3.6\n")
    assert not same("12 tokens\n", "13 tokens\n")
    assert not same("one\n", "One\n")


def test_the_readme_shows_what_its_commands_print(tmp_path: Path) -> None:
    environment = os.environ | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHIA_HOME": str(tmp_path / "home"),
    }
    work = tmp_path / "work"
    work.mkdir()
    (work / "pythia_cli").symlink_to(ROOT / "pythia_cli")
    has_jq = shutil.which("jq") is not None
    run = commands((ROOT / "README.md").read_text(encoding="utf-8"))
    assert sum("pythia" in command.line for command in run) > 10
    for line, shown in run:
        # Without jq, what would be piped into it still has to run, and to be JSON.
        runs = line if has_jq else JQ.sub("", line)
        if runs.startswith("jq") and not has_jq:
            continue
        result = subprocess.run(
            ["bash", "-ec", runs],
            cwd=work, env=environment, stdin=subprocess.DEVNULL, capture_output=True, timeout=300,
        )  # fmt: skip
        printed = result.stdout.decode()
        assert result.returncode == 0, f"{line}{result.stderr.decode()}"
        if runs == line:
            assert same(shown, printed), f"{line}prints:\n{printed}"
        else:
            assert all(json.loads(record) for record in printed.splitlines()), line


def slug(heading: str) -> str:
    """A heading's anchor, as GitHub makes it."""
    plain = re.sub(r"[^\w\- ]", "", heading.strip().lower().replace("`", ""))
    return plain.replace(" ", "-")


def without_code(text: str) -> str:
    return re.sub(r"`[^`\n]*`", "", re.sub(r"^```.*?^```", "", text, flags=re.S | re.M))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)\s]+)\)", without_code(text)):
        if "://" in target:
            continue
        name, _, anchor = target.partition("#")
        path = (page.parent / name).resolve() if name else page
        assert path.is_relative_to(ROOT), f"{target} leads out of the repository"
        assert path.exists(), f"{target} leads nowhere"
        if anchor:
            headings = re.findall(r"^#+ (.*)$", path.read_text(encoding="utf-8"), re.M)
            assert anchor in map(slug, headings), f"{target}: no such heading"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_tables_have_as_many_cells_in_every_row(page: Path) -> None:
    """A pipe in a cell, in code too, has to be escaped."""
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.S | re.M)
    for table in re.findall(r"(?:^\|.*\n)+", text, re.M):
        counts = {len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines()}
        assert len(counts) == 1, table
