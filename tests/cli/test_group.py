"""Groups of commands, each imported when it is used."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from typer.main import get_command

from pythia_cli.cli.app import app
from pythia_cli.cli.group import Commands
from pythia_cli.cli.grouped import Grouped

IMPORTED = """
import json, sys
from pythia_cli.cli import app
app.run(sys.argv[1:])
print(json.dumps([name for name in sys.modules if name.startswith("pythia_cli.cli.commands.")]))
"""


def commands(group: Any) -> Iterator[tuple[str, Any]]:
    for name, command in group.commands.items():
        yield name, command
        if isinstance(command, Commands):
            yield from commands(command)


def test_every_command_is_found_under_its_name() -> None:
    found = dict(commands(get_command(app)))
    assert len(found) >= 12
    for name, command in found.items():
        assert command.name == name
        assert isinstance(command, Grouped | Commands)
        assert command.help


def test_a_command_is_made_once() -> None:
    group: Any = get_command(app)
    assert group.commands["doctor"] is group.commands["doctor"]
    assert "doctor" in group.commands
    assert "doctors" not in group.commands
    assert group.commands.get("doctors") is None


@pytest.mark.parametrize(
    ("arguments", "modules"),
    [
        (["generate", "--max-tokens", "0"], ["generate"]),
        (["checkpoint", "current", "--nope"], ["checkpoint", "checkpoint_current"]),
        (["--version"], []),
        (["--nope"], []),
    ],
)
def test_only_what_is_used_is_imported(arguments: list[str], modules: list[str]) -> None:
    command = [sys.executable, "-c", IMPORTED, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found = json.loads(done.stdout.splitlines()[-1])
    assert found == [f"pythia_cli.cli.commands.{name}" for name in modules]
