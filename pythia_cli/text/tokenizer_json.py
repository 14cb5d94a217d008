"""What a tokenizer.json must be, checked before the tokenizers library uses it.

A GPT-NeoX tokenizer is a byte-level BPE. Other parts that the library offers can panic, never end,
or multiply a text, so everything but what a GPT-NeoX tokenizer has is refused.
"""

from __future__ import annotations

import json
import reprlib
from collections.abc import Mapping
from itertools import chain
from typing import Any

MOST_BYTES = 32 << 20
"""The largest tokenizer.json that is read. Those of Pythia have 2 to 4 MB."""

MOST_TOKENS = 1 << 20
"""All ids are below this."""

_MOST_ADDED = 1 << 20  # characters of all added tokens; the library's automaton grows with them
_NFC = {"type": "NFC"}
_PROCESSORS = ("ByteLevel", "TemplateProcessing")  # not used: we add no special tokens
_BYTE_LEVEL = {"add_prefix_space": (False,), "use_regex": (True,), "trim_offsets": (False, True)}
MODEL_OPTIONS: dict[str, tuple[Any, ...]] = {
    "dropout": (None, 0.0),
    "unk_token": (None,),
    "continuing_subword_prefix": (None, ""),
    "end_of_word_suffix": (None, ""),
    "fuse_unk": (False, True),  # only matters with unk_token
    "byte_fallback": (False,),
    "ignore_merges": (False, True),
}
"""The options of the BPE model, and their values that leave it a byte-level BPE."""


def check_content(data: bytes) -> dict[str, int]:
    """Check a whole tokenizer.json. Returns its added tokens. Raises ValueError with the reason."""
    if len(data) > MOST_BYTES:
        raise ValueError(f"it has {len(data)} bytes; at most {MOST_BYTES} are read")
    try:
        content = json.loads(data)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    _require(isinstance(content, dict), "it is no JSON object")
    model = content.get("model")
    _require(isinstance(model, dict), "it has no model")
    check_parts(content, model)
    added = _added(content)
    _check_ids(_vocabulary(model), added)
    return added


def check_parts(parts: Mapping[str, Any], model: Mapping[str, Any]) -> None:
    """Check normalizer, pre-tokenizer, post-processor, decoder, and the model's options.

    All as in tokenizer.json. Raises ValueError with the reason.
    """
    normalizer, processor = parts.get("normalizer"), parts.get("post_processor")
    _require(normalizer in (None, _NFC), "its normalizer is not NFC")
    _require(
        processor is None or (isinstance(processor, dict) and processor.get("type") in _PROCESSORS),
        f"its post_processor is not one of {', '.join(_PROCESSORS)}",
    )
    for name in ("pre_tokenizer", "decoder"):
        part = parts.get(name)
        is_byte_level = isinstance(part, dict) and part.get("type") == "ByteLevel"
        _require(is_byte_level, f"its {name} is not ByteLevel; not a byte-level BPE")
    for key, allowed in _BYTE_LEVEL.items():
        value = parts["pre_tokenizer"].get(key, allowed[0])
        _require(_is_one_of(value, allowed), f"its pre_tokenizer has {key} {reprlib.repr(value)}")
    _require(model.get("type", "BPE") == "BPE", "its model is not BPE")
    for key, allowed in MODEL_OPTIONS.items():
        value = model.get(key, allowed[0])
        _require(_is_one_of(value, allowed), f"its model has {key} {reprlib.repr(value)}")


def _vocabulary(model: Mapping[str, Any]) -> dict[str, int]:
    vocab, merges = model.get("vocab"), model.get("merges")
    if not isinstance(vocab, dict) or not vocab:
        raise ValueError("its model has no vocab")
    if not isinstance(merges, list):
        raise ValueError("its model has no merges")
    _check_merges(merges)
    for key, value in model.items():
        known = key in MODEL_OPTIONS or key in ("type", "vocab", "merges")
        _require(known or not value, f"its model has {reprlib.repr(key)}, which is not known")
    return vocab


def _check_merges(merges: list[Any]) -> None:
    """Each is two strings: in a list, or with a space between them."""
    kinds = set(map(type, merges))
    if kinds == {list} and set(map(len, merges)) == {2}:
        if set(map(type, chain.from_iterable(merges))) == {str}:
            return
    elif kinds == {str} and {merge.count(" ") for merge in merges} == {1}:
        return
    for merge in merges:
        parts = merge.split(" ") if isinstance(merge, str) else merge
        is_pair = isinstance(parts, list) and len(parts) == 2
        if not is_pair or not all(isinstance(part, str) for part in parts):
            raise ValueError(f"{reprlib.repr(merge)} is no merge")


def _added(content: Mapping[str, Any]) -> dict[str, int]:
    tokens = content.get("added_tokens", [])
    _require(isinstance(tokens, list), "its added_tokens are no list")
    found: dict[str, int] = {}
    for token in tokens:
        _require(isinstance(token, dict), "an added token is no JSON object")
        text = token.get("content")
        if not isinstance(text, str) or not text:
            raise ValueError("an added token has no content")
        if text in found:
            raise ValueError(f"the token {reprlib.repr(text)} is added twice")
        found[text] = token.get("id")
    _require(sum(map(len, found)) <= _MOST_ADDED, "its added tokens are too long")
    return found


def _check_ids(vocab: Mapping[str, int], added: Mapping[str, int]) -> None:
    for text, token_id in [*vocab.items(), *added.items()]:
        if type(token_id) is not int or not 0 <= token_id < MOST_TOKENS:
            raise ValueError(
                f"the id of {reprlib.repr(text)} is {reprlib.repr(token_id)};"
                f" expected a whole number below {MOST_TOKENS}"
            )
    for text in vocab.keys() & added.keys():
        if vocab[text] != added[text]:
            raise ValueError(f"the token {reprlib.repr(text)} has two ids")
    ids = {**vocab, **added}
    _require(len(set(ids.values())) == len(ids), "two of its tokens have the same id")


def _is_one_of(value: object, allowed: tuple[Any, ...]) -> bool:
    """Whether it is one of them; True is not 1 here."""
    return any(value == one and isinstance(value, bool) == isinstance(one, bool) for one in allowed)


def _require(holds: bool, reason: str) -> None:
    if not holds:
        raise ValueError(reason)
