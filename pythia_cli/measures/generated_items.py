"""Continuations of prompts that are items of a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pythia_cli.engine.generate import Generated, GenerateOptions, generate
from pythia_cli.engine.prompts import Prompt, encode_prompt
from pythia_cli.errors import PythiaError
from pythia_cli.model.open_model import OpenModel
from pythia_cli.tables.item import Item
from pythia_cli.tables.kinds import Kind
from pythia_cli.tables.measuring import measured_together
from pythia_cli.tables.running import Measure, RecordsOfItem

GENERATED_COLUMNS: Mapping[str, Kind] = {
    "sample": int,
    "text": str,
    "token_ids": object,
    "n_prompt_tokens": int,
    "n_prompt_tokens_cut": int,
    "finish_reason": str,
}


def generated_measure(
    options: GenerateOptions, *, num_samples: int = 1, truncate_prompt: bool = False
) -> Measure[OpenModel, Item]:
    """num_samples continuations of the text of each item; an empty one begins a text.

    An item's records do not depend on the others. PromptTooLong is the error of an item, unless
    truncate_prompt keeps its end.
    """

    def measure(model: OpenModel, items: Sequence[Item]) -> list[RecordsOfItem | PythiaError]:
        room = options.max_tokens if truncate_prompt else None

        def prompt_of(item: Item) -> Prompt:
            text = item.text(may_be_empty=True)
            return encode_prompt(model.tokenizer, text, model.config.n_ctx, make_room=room)

        def continued(prompts: list[Prompt]) -> list[RecordsOfItem | PythiaError]:
            found: list[list[dict[str, object]]] = [[] for _ in prompts]
            events = generate(model.transformer, model.tokenizer, prompts, options, num_samples)
            for index, event in events:
                if isinstance(event, Generated):
                    record = event.to_dict()
                    known = {name: record[name] for name in GENERATED_COLUMNS if name in record}
                    found[index].append({"sample": len(found[index]), **known})
            return list(found)

        return measured_together(items, prompt_of, continued)

    return measure
