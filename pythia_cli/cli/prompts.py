"""The prompts of `pythia generate`: an argument and standard input, or the lines of a file."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pythia_cli.cli import inputs
from pythia_cli.cli.errors import CommandError
from pythia_cli.cli.failures import Failures
from pythia_cli.cli.output import Notices
from pythia_cli.cli.streams import STANDARD_INPUT
from pythia_cli.errors import PythiaError

if TYPE_CHECKING:
    from pythia_cli.library.model import Model

Prompt = str | list[int]
"""A text, or token ids."""


def read_prompts(
    prompt: str | None, prompt_file: Path | None, notices: Notices, *, as_ids: bool
) -> Sequence[Prompt | PythiaError]:
    """The prompt with standard input before it, or the lines of the prompt file.

    A line that is not UTF-8, or not ids, is its error.
    """
    from pythia_cli.errors import InputError

    if prompt_file is not None:
        lines: Sequence[Prompt | PythiaError]
        if as_ids:
            from pythia_cli.cli.token_ids import read_id_prompts

            lines = read_id_prompts(prompt_file, notices)
        else:
            lines = inputs.read_lines(prompt_file, notices, used="part of a prompt")
        if not lines:
            name = inputs.name_of(prompt_file)
            raise InputError(name, "has no prompts; expected one on each line")
        return lines
    piped = None if sys.stdin.isatty() else inputs.read_prompt(notices)
    if prompt is None and piped is None:
        raise CommandError("there is no prompt", hint='pythia generate "Call me"')
    named = [] if piped is None else [(STANDARD_INPUT, piped)]
    if prompt is not None:
        named.append(("PROMPT", inputs.argument_text(prompt, "PROMPT")))
    if not as_ids:
        return ["\n".join(text for _, text in named)]
    from pythia_cli.cli.token_ids import parse_ids

    return [[i for name, text in named for i in parse_ids(text, name).tolist()]]


def with_known_ids(
    prompts: Sequence[Prompt | PythiaError],
    model: Model,
    failures: Failures,
    place_of: Callable[[int], str],
) -> list[Prompt | PythiaError]:
    """The prompts; in place of ids of which a token has none, the error, which is reported."""
    import numpy as np

    from pythia_cli.cli.token_ids import check_ids
    from pythia_cli.text.token_ids import IdLines

    def checked(index: int, prompt: Prompt | PythiaError) -> Prompt | PythiaError:
        if isinstance(prompt, str | PythiaError):
            return prompt
        lines = IdLines.whole(np.array(prompt, np.int64))
        failed = failures.attempt(check_ids, lines, model.tokenizer, place_of(index))
        return prompt if failed is None else failed

    return [checked(index, prompt) for index, prompt in enumerate(prompts)]


def prompt_fields(prompt: Prompt, model: Model) -> dict[str, Any]:
    """The fields of a record that say what the prompt is."""
    if isinstance(prompt, str):
        return {"prompt": prompt}
    return {"prompt": model.decode(prompt), "prompt_token_ids": prompt}


def is_table_file(prompt_file: Path) -> bool:
    """Whether a prompt file has the suffix of a table."""
    from pythia_cli.tables.file_formats import input_format

    return input_format(str(prompt_file)) != "lines"


def check_one_step(steps: str) -> None:
    """Raises CommandError for several steps, whose samples would not say which is whose."""
    from pythia_cli.suite.step_sets import names_several

    if names_several(steps):
        raise CommandError(
            f"-c {steps} names several checkpoints, which give a table",
            hint="--prompt-file FILE --output FILE, or one step",
        )
