"""Write docs/picture.svg: a terminal, drawn from a real run of the commands shown in it.

    python tools/make_picture.py

Each command runs in a pseudo-terminal, with a fresh store and the demo model. rich draws the final
screen. Run this after a change of what a terminal shows. POSIX only.
"""

import os
import pty
import re
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

import pyte
from rich.console import Console
from rich.style import Style
from rich.text import Text

ROOT = Path(__file__).resolve().parent.parent
PICTURE = ROOT / "docs/picture.svg"
WIDTH = 92
_COLOURS = {"brown": "yellow"}  # names that differ between pyte and rich
_DEMO = ROOT / "pythia_cli/demo"
SETUP = [
    "pythia checkpoint use demo@64 -q",
    f"pythia quantize {_DEMO}/step512 --as mine@512 --certify {_DEMO}/eval.txt --quiet",
    "pythia checkpoint use demo@3000 -q",
]
COMMANDS = [
    'pythia generate "She looked at him and" --echo -n 20 --top-p 0.9 --seed 1',
    "pythia checkpoint list",
    "pythia perplexity line.txt -c 64",
    "pythia perplexity line.txt --show",
]


def shown(command: str, environment: dict[str, str], folder: Path) -> list[Text]:
    """The lines on the screen of a terminal after a command."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(folder)
        os.execve("/bin/bash", ["bash", "-c", f"stty cols {WIDTH}; {command}"], environment)
    seen = b""
    while True:
        try:
            data = os.read(terminal, 4096)
        except OSError:
            break
        if not data:
            break
        seen += data
    _, status = os.waitpid(pid, 0)
    if os.waitstatus_to_exitcode(status):
        raise SystemExit(f"{command} failed:\n{seen.decode()}")
    screen = pyte.Screen(WIDTH, 60)
    pyte.ByteStream(screen).feed(seen)
    lines = [_line(screen.buffer[y]) for y in range(screen.lines)]
    while lines and not lines[-1].plain.strip():
        lines.pop()
    return lines


def _line(row: Mapping[int, pyte.screens.Char]) -> Text:
    line = Text()
    for x in range(WIDTH):
        character = row[x]
        colour = character.fg
        if re.fullmatch("[0-9a-f]{6}", colour):
            colour = f"#{colour}"
        style = Style(
            color=None if colour == "default" else _COLOURS.get(colour, colour),
            bold=character.bold,
            underline=character.underscore,
        )
        line.append(character.data, style)
    line.rstrip()
    return line


def main() -> None:
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        text = (ROOT / "pythia_cli/demo/eval.txt").read_text(encoding="utf-8")
        (folder / "line.txt").write_text(text.splitlines()[2], encoding="utf-8")
        environment = os.environ | {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "PYTHIA_HOME": str(folder / "store"),
            "TERM": "xterm-256color",
        }
        for command in SETUP:
            shown(command, environment, folder)
        console = Console(record=True, width=WIDTH, file=open(os.devnull, "w"), soft_wrap=False)
        for command in COMMANDS:
            console.print(Text("$ ", style="bold green") + Text(command, style="bold"))
            for line in shown(command, environment, folder):
                console.print(line, no_wrap=True)
            console.print()
        # Load no fonts from another server.
        drawn = re.sub(r"@font-face \{.*?\}\s*", "", console.export_svg(title="pythia"), flags=re.S)
        PICTURE.write_text(drawn, encoding="utf-8")
    print(f"wrote {PICTURE.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
