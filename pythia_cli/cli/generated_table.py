"""`pythia generate` over the items of a file: a table of continuations."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from pythia_cli.cli.errors import CommandError
from pythia_cli.cli.item_choices import InputChoice, OutputChoice
from pythia_cli.cli.options import first_given
from pythia_cli.cli.output import Notices
from pythia_cli.errors import PythiaError

if TYPE_CHECKING:
    from pythia_cli.engine.generate import GenerateOptions
    from pythia_cli.library.model import Model


def checked_prompt_file(prompt_file: Path | None, **others: object) -> str:
    """The file of a table's items. others: options that tables do not have.

    Raises CommandError if one of these is given, or if there is no file.
    """
    if prompt_file is None:
        raise CommandError("a table needs prompts from a file", hint="--prompt-file FILE")
    if (other := first_given(**others)) is not None:
        raise CommandError(
            f"{other} and a table exclude each other",
            hint="--prompt-file - < FILE, for a prompt on each line and no table",
        )
    return str(prompt_file)


def write_generated(
    prompt_file: str,
    choice: InputChoice,
    openers: Sequence[Callable[[], Model]],
    options: GenerateOptions,
    output: OutputChoice,
    notices: Notices,
    *,
    seed: int | None,
    num_samples: int,
    truncate_prompt: bool,
) -> None:
    """Continue the text of each item, and write a row for each sample.

    seed: as given; None: that of the table that is resumed, or a random one. Raises what
    `open_inputs` and `run_command` raise.
    """
    from pythia_cli.cli.item_runs import open_inputs, run_command
    from pythia_cli.measures.generated_items import GENERATED_COLUMNS, generated_measure

    if is_random := options.sampling.temperature > 0:
        options = replace(options, seed=_seed(output) if seed is None else seed)
    with open_inputs([prompt_file], choice, notices) as items:
        if is_random and seed is None:
            # The file beside a table has it too.
            tell = notices.say if output.path is None else notices.detail
            tell(f"seed {options.seed}")
        run_command(
            items,
            openers,
            generated_measure(options, num_samples=num_samples, truncate_prompt=truncate_prompt),
            GENERATED_COLUMNS,
            output,
            notices,
            identity={
                "measure": "generate",
                "column": items.column,
                "max_tokens": options.max_tokens,
                **vars(options.sampling),
                "seed": options.seed if is_random else None,
                "stop": list(options.stop),
                "ignore_eos": options.ignore_eos,
                "num_samples": num_samples,
                "truncate_prompt": truncate_prompt,
            },
            left_out=[items.column],
            files=[prompt_file],
            label="generating",
        )


def _seed(output: OutputChoice) -> int:
    """That of the table that is there and unfinished, or resumed; else a random one."""
    from pythia_cli.tables.progress import earlier_identity

    if output.path is not None:
        with contextlib.suppress(PythiaError):  # opening the table will report it
            earlier = earlier_identity(output.path, may_be_whole=output.resume)
            if isinstance(found := earlier.get("seed"), int):
                return found
    return secrets.randbits(32)
