"""Write docs/cli.md from the commands of `pythia` themselves: their docstrings and help texts.

    python tools/make_cli_reference.py [--check]

It reads what --help reads, and not the text of --help, whose layout changes with Typer's version.
"""

import inspect
import re
import sys
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

from generated import write_or_check
from typer.core import TyperArgument
from typer.main import get_command
from typer.models import ParameterInfo

from pythia_cli.cli.app import app

HEAD = """\
# Command line

<!-- Made by tools/make_cli_reference.py: edit the help texts in pythia_cli/cli/ and run it. -->

Every command also takes `-h`, `--help`. stdout carries the payload and nothing else; what is for
people goes to stderr. The fields of `--json` and `--per-token` are in [output.md](output.md), the
protocols of `perplexity` in [measures.md](measures.md), the exit statuses in
[exit-statuses.md](exit-statuses.md).
"""

PLACEHOLDERS = {int: "N", float: "X", str: "TEXT", Path: "PATH"}


def reference() -> str:
    """The whole page."""
    sections = [HEAD, *_sections("pythia", get_command(app))]
    return "\n".join(sections)


def _sections(path: str, command: Any) -> list[str]:
    """One command's section, then those of its subcommands."""
    subcommands = getattr(command, "commands", {})
    parameters = [p for p in command.params if not _is_typers_own(p) and not p.hidden]
    annotated = get_type_hints(command.callback, include_extras=True) if command.callback else {}
    arguments = [p for p in parameters if isinstance(p, TyperArgument)]
    options = [p for p in parameters if not isinstance(p, TyperArgument)]

    usage = [path, *(["[OPTIONS]"] if options else [])]
    usage += [_argument_name(p) if p.required else f"[{_argument_name(p)}]" for p in arguments]
    usage += ["COMMAND"] if subcommands else []
    text = [f"## {path}\n", f"    {' '.join(usage)}\n", _description(command.help or "")]
    if subcommands:
        rows = [
            f"- [`{path} {name}`](#{path.replace(' ', '-')}-{name}): {_first_line(c.help)}"
            for name, c in subcommands.items()
        ]
        text.append("\n".join(rows) + "\n")
    groups: dict[str, list[str]] = {}
    for parameter in [*arguments, *options]:
        kind = "Arguments" if parameter in arguments else "Options"
        panel = getattr(parameter, "rich_help_panel", None) or kind
        groups.setdefault(panel, []).append(_line(parameter, annotated.get(parameter.name)))
    for panel in sorted(groups, key=lambda name: (name != "Arguments", name == "Options")):
        text.append(f"{panel}:\n")
        text.append("\n".join(groups[panel]) + "\n")
    inner = [_sections(f"{path} {name}", c) for name, c in subcommands.items()]
    return ["\n".join(text), *(section for sections in inner for section in sections)]


def _is_typers_own(parameter: Any) -> bool:
    return parameter.name in ("install_completion", "show_completion")


def _argument_name(parameter: Any) -> str:
    return parameter.metavar or parameter.name.upper()


def _line(parameter: Any, annotation: Any) -> str:
    """One parameter: its spellings, its help, and what the help does not say."""
    kind, info = _kind(annotation)
    facts = []
    if isinstance(parameter, TyperArgument):
        names = f"`{_argument_name(parameter)}`"
    else:
        names = ", ".join(f"`{name}`" for name in [*parameter.opts, *parameter.secondary_opts])
        if not parameter.is_flag:
            names = names[:-1] + f" {parameter.metavar or _placeholder(kind)}`"
    if parameter.required and not isinstance(parameter, TyperArgument):
        facts.append("required")
    if not any(parameter.default is nothing for nothing in (None, False)):
        facts.append(f"default {parameter.default}")
    if info is not None and info.min is not None:
        bounds = f"at least {info.min}" if info.max is None else f"{info.min} to {info.max}"
        facts.append(bounds)
    if parameter.envvar:
        facts.append(f"environment: `{parameter.envvar}`")
    tail = f" ({'; '.join(facts)})" if facts else ""
    return f"- {names}: {_prose(parameter.help or '')}{tail}"


def _kind(annotation: Any) -> tuple[Any, ParameterInfo | None]:
    """The plain type inside an annotation, and Typer's description of it."""
    info = None
    if get_origin(annotation) is Annotated:
        annotation, *extras = get_args(annotation)
        info = next((extra for extra in extras if isinstance(extra, ParameterInfo)), None)
    if get_origin(annotation) is not Literal:
        inner = [kind for kind in get_args(annotation) if kind is not type(None)]
        annotation = inner[0] if inner else annotation
    return annotation, info


def _placeholder(kind: Any) -> str:
    if get_origin(kind) is Literal:
        return "|".join(str(value) for value in get_args(kind))
    return PLACEHOLDERS[kind]


def _first_line(text: str) -> str:
    return _prose(inspect.cleandoc(text).split("\n\n")[0].replace("\n", " "))


def _description(text: str) -> str:
    """A docstring as Markdown: the indented lines of its examples become one code block."""
    blocks, examples = [], []
    for block in inspect.cleandoc(text).split("\n\n"):
        if block.startswith("  "):
            examples.append(block.strip())
        else:
            blocks.append(_prose(block))
    if examples:
        blocks.append("```sh\n" + "\n".join(examples) + "\n```")
    return "\n\n".join(blocks) + "\n"


def _prose(text: str) -> str:
    """Text that Markdown shows as it stands: tokens, options and * in code spans."""
    return re.sub(r"(?<!\w)(<\|\w+\|>|--[a-z][a-z-]*|\*)(?=\W|$)", r"`\1`", text)


if __name__ == "__main__":
    sys.exit(write_or_check({"docs/cli.md": reference()}, "tools/make_cli_reference.py"))
