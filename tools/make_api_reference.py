"""Write docs/api.md: tools/api_session.md, followed by the docstrings of the public names.

    python tools/make_api_reference.py [--check]

tests/test_api.py runs the session and the examples in the docstrings.
"""

import dataclasses
import importlib
import inspect
import re
import sys
from typing import Any

from generated import ROOT, write_or_check

import pythia_cli

SECTIONS = {
    "Opening": ("load", "checkpoints", "Model"),
    "What a model returns": ("Generated", "ScoredText", "Loglikelihood", "Records", "Activations"),
    "What a patch is given": ("Hook",),
    "Options of generating": ("GenerateOptions", "SamplingOptions"),
    "Measures": (
        "perplexity",
        "Perplexity",
        "TextCertifier",
        "check_content",
        "ContentCheck",
        "read_rows",
    ),
    "Sweeps": ("sweep", "Sweep", "WantedMeasure"),
    "The store": (
        *("install", "download", "audit", "verify", "remove"),
        *("Store", "Installed", "Checkpoint"),
    ),
    "Progress": ("Reporter", "Bars"),
}


def reference() -> str:
    """The whole page."""
    parts = [(ROOT / "tools/api_session.md").read_text(encoding="utf-8").rstrip()]
    for title, names in SECTIONS.items():
        parts.append(f"## {title}")
        parts += [_entry(name, _public(name)) for name in names]
    parts += ["## Errors", _errors()]
    missing = set(pythia_cli.__all__) - {n for ns in SECTIONS.values() for n in ns}
    assert missing == {"__version__", "errors"}, missing
    return "\n\n".join(parts) + "\n"


def _public(name: str) -> Any:
    """The object of a public name; `checkpoints` is the function, not the package."""
    return getattr(importlib.import_module(f"pythia_cli.{pythia_cli._HOMES[name]}"), name)


def _entry(name: str, thing: Any) -> str:
    if inspect.isfunction(thing):
        return f"### {name}\n\n{_described(name, thing)}"
    parts = [f"### {name}"]
    if dataclasses.is_dataclass(thing) and name.endswith("Options"):
        parts.append(_signature(name, thing))
    parts.append(_text(thing.__doc__))
    for member_name, member in _members(thing).items():
        if member_name.startswith("_") or not getattr(member, "__doc__", None):
            continue
        if isinstance(member, classmethod):
            member = member.__func__
        if inspect.isfunction(member):
            parts.append(_described(f"{name}.{member_name}", member))
        elif isinstance(member, property) or hasattr(member, "attrname"):
            parts.append(f"`{name}.{member_name}`: {_text(member.__doc__)}")
    return "\n\n".join(parts)


def _members(thing: type) -> dict[str, Any]:
    """The members of a class, those of our classes that it inherits from first."""
    found: dict[str, Any] = {}
    for base in reversed(thing.__mro__):
        if base.__module__.startswith("pythia_cli."):
            found |= vars(base)
    return found


def _described(name: str, function: Any) -> str:
    return f"{_signature(name, function)}\n\n{_text(function.__doc__)}"


def _signature(name: str, thing: Any) -> str:
    signature = inspect.signature(thing)
    shown = [p for p in signature.parameters.values() if p.name not in ("self", "cls")]
    result = signature.return_annotation
    returns = (
        "" if result in (signature.empty, "None") or inspect.isclass(thing) else f" -> {result}"
    )
    one_line = f"{name}({', '.join(_starred(shown))}){returns}"
    if len(one_line) <= 88:
        return f"```python\n{one_line}\n```"
    lines = "".join(f"    {part},\n" for part in _starred(shown))
    return f"```python\n{name}(\n{lines}){returns}\n```"


def _starred(parameters: list[inspect.Parameter]) -> list[str]:
    parts, is_named = [], False
    for parameter in parameters:
        if parameter.kind is parameter.KEYWORD_ONLY and not is_named:
            parts.append("*")
            is_named = True
        text = parameter.name
        if parameter.annotation is not parameter.empty:
            text += f": {parameter.annotation}"
        if parameter.default is not parameter.empty:
            default = re.sub(
                r"<factory>|<(function )?[\w.]+ (object )?at 0x\w+>", "...", repr(parameter.default)
            )
            text += f" = {default}"
        parts.append(text)
    return parts


def _text(docstring: str) -> str:
    """A docstring as Markdown; examples become code blocks."""
    text = inspect.cleandoc(docstring)
    return (
        re.sub(r"((?:^(?:>>>|\.\.\. ).*\n?)(?:.+\n?)*)", r"```pycon\n\1\n```", text, flags=re.M)
        .replace("\n\n```", "\n```")
        .replace("```pycon", "\n```pycon")
        .replace("\n\n\n", "\n\n")
    )


def _errors() -> str:
    text = inspect.cleandoc(pythia_cli.errors.__doc__ or "")
    head, tree = text.split("\n\n", 1)
    return f"`pythia_cli.errors`. {head}\n\n```text\n{tree}\n```"


if __name__ == "__main__":
    sys.exit(write_or_check({"docs/api.md": reference()}, "tools/make_api_reference.py"))
