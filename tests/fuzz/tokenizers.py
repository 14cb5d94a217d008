"""tokenizer.json: with every component that the tokenizers library knows, and odd values."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random
from typing import Any

from pythia_cli.text.tokenizer import PythiaTokenizer
from tests.fuzz.mutate import NUMBERS, TEXTS, json_bytes, mutated_json, odd_value
from tests.fuzz.samples import TINY, tokenizer_json

_REGEX = (
    "a",
    "(a+)+$",
    r"\s+",
    "(",
    "",
    "(?=a)",
    "a{1000000}",
    r"(\w*)*b",
    "[[:alpha:]]",
    "^",
    "\\",
)
_BYTES = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
_COMPONENTS: dict[str, tuple[dict[str, Any], ...]] = {
    "normalizer": (
        {"type": "NFC"}, {"type": "NFD"}, {"type": "NFKC"}, {"type": "NFKD"}, {"type": "Nmt"},
        {"type": "Lowercase"}, {"type": "StripAccents"}, {"type": "ByteLevel"},
        {"type": "Strip", "strip_left": True, "strip_right": True},
        {"type": "Prepend", "prepend": "a" * 1000}, {"type": "Prepend", "prepend": ""},
        {"type": "Precompiled", "precompiled_charsmap": "AAAA"},
        {"type": "Replace", "pattern": {"String": "a"}, "content": "a" * 1000},
        {"type": "Replace", "pattern": {"String": ""}, "content": "b"},
        {"type": "Replace", "pattern": {"Regex": "(a+)+$"}, "content": ""},
        {"type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": True,
         "strip_accents": None, "lowercase": True},
    ),
    "pre_tokenizer": (
        _BYTES, {**_BYTES, "add_prefix_space": True}, {**_BYTES, "use_regex": False},
        {"type": "Whitespace"}, {"type": "WhitespaceSplit"}, {"type": "UnicodeScripts"},
        {"type": "Punctuation", "behavior": "Isolated"}, {"type": "BertPreTokenizer"},
        {"type": "Digits", "individual_digits": True}, {"type": "FixedLength", "length": 5},
        {"type": "FixedLength", "length": 0}, {"type": "CharDelimiterSplit", "delimiter": "a"},
        {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": True},
        {"type": "Split", "pattern": {"Regex": "a"}, "behavior": "Removed", "invert": False},
        {"type": "Split", "pattern": {"String": " "}, "behavior": "MergedWithNext", "invert": True},
    ),
    "post_processor": (
        _BYTES, {**_BYTES, "trim_offsets": False},
        {"type": "TemplateProcessing", "single": [
         {"SpecialToken": {"id": "<|padding|>", "type_id": 0}},
         {"Sequence": {"id": "A", "type_id": 0}}], "pair": [{"Sequence": {"id": "A", "type_id": 0}},
         {"Sequence": {"id": "B", "type_id": 1}}], "special_tokens": {"<|padding|>": {
         "id": "<|padding|>", "ids": [1], "tokens": ["<|padding|>"]}}},
        {"type": "BertProcessing", "sep": ["a", 70], "cls": ["b", 71]},
        {"type": "RobertaProcessing", "sep": ["a", 70], "cls": ["b", 71], "trim_offsets": True,
         "add_prefix_space": True},
    ),
    "decoder": (
        _BYTES, {"type": "Fuse"}, {"type": "ByteFallback"},
        {"type": "BPEDecoder", "suffix": "</w>"},
        {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": True},
        {"type": "WordPiece", "prefix": "##", "cleanup": True}, {"type": "Strip", "content": " ",
         "start": 1, "stop": 0}, {"type": "CTC", "pad_token": "a", "word_delimiter_token": "|",
         "cleanup": True}, {"type": "Sequence", "decoders": [_BYTES, {"type": "Fuse"}]},
    ),
    "truncation": (
        {"direction": "Right", "max_length": 3, "strategy": "LongestFirst", "stride": 0},
        {"direction": "Left", "max_length": 0, "strategy": "OnlyFirst", "stride": 5},
    ),
    "padding": (
        {"strategy": {"Fixed": 100}, "direction": "Right", "pad_to_multiple_of": 8, "pad_id": 1,
         "pad_type_id": 0, "pad_token": "<|padding|>"},
    ),
}  # fmt: skip
_PARTS = {
    "normalizer": "normalizers",
    "pre_tokenizer": "pretokenizers",
    "post_processor": "processors",
}
_BPE: dict[str, tuple[Any, ...]] = {
    "dropout": (0.0, 0.1, 1.0, 2.0, -1), "unk_token": ("a", "zzz", ""), "fuse_unk": (True,),
    "continuing_subword_prefix": ("##", "####", "", "é"), "end_of_word_suffix": ("</w>", "é"),
    "byte_fallback": (True,), "ignore_merges": (True,),
    "type": ("WordPiece", "WordLevel", "Unigram"),
    "cache_capacity": (0, 2**62), "max_input_chars_per_word": (0, 100),
}  # fmt: skip
_TEXTS = (
    "", "It was not a small one.", "a" * 60 + "!", " \r\n\t\n", "e\u0301 \u0344 ﬁ \u1e9b\u0323 한",
    "<|endoftext|>x<|padding|>", "🙂👩\u200d👧", "\0\x1b", "日本", "             z",
)  # fmt: skip


class Tokenizers:
    def __init__(self, folder: Path) -> None:
        self._path = folder / "tokenizer.json"
        self.valid = tokenizer_json()
        self._content: dict[str, Any] = json.loads(self.valid)

    def make(self, random: Random) -> bytes:
        content = {**self._content, "model": dict(self._content["model"])}
        kind = random.random()
        if kind < 0.35:
            for part in random.sample(list(_COMPONENTS), random.choice((1, 1, 2))):
                content[part] = self._component(random, part)
        elif kind < 0.5:
            for name in random.sample(list(_BPE), random.choice((1, 1, 2))):
                content["model"][name] = random.choice(_BPE[name])
        elif kind < 0.75:
            self._change_tokens(random, content)
        else:
            content = mutated_json(random, content)
        return json_bytes(random, content)

    def _component(self, random: Random, part: str) -> Any:
        chosen: Any = dict(random.choice(_COMPONENTS[part]))
        if random.random() < 0.3:
            key = random.choice(list(chosen))
            chosen[key] = odd_value(random)
        if "pattern" in chosen and random.random() < 0.5:
            chosen["pattern"] = {"Regex": random.choice(_REGEX)}
        if part in _PARTS and random.random() < 0.4:
            others = [self._component(random, part), self._content[part]]
            parts = [p for p in (chosen, *random.sample(others, random.randint(0, 2))) if p]
            chosen = {"type": "Sequence", _PARTS[part]: parts * random.choice((1, 1, 1, 2))}
        return chosen

    def _change_tokens(self, random: Random, content: dict[str, Any]) -> None:
        """Change the vocabulary, the merges or the added tokens."""
        model = content["model"]
        vocab, merges = dict(model["vocab"]), list(model["merges"])
        added = [dict(token) for token in content["added_tokens"]]
        model["vocab"], model["merges"], content["added_tokens"] = vocab, merges, added
        for _ in range(random.choice((1, 1, 2, 3))):
            token, merge, one = (
                random.choice(list(vocab)),
                random.choice(merges),
                random.choice(added),
            )
            kind = random.randrange(9)
            if kind == 0:
                vocab[token] = random.choice(NUMBERS)
            elif kind == 1:
                vocab[token], vocab["zz"] = vocab[random.choice(list(vocab))], len(vocab) + 9
            elif kind == 2:
                vocab[random.choice(TEXTS)] = vocab.pop(token)
            elif kind == 3:
                del vocab[token]
            elif kind == 4:
                merges[random.randrange(len(merges))] = random.choice((
                    " ".join(merge), merge[::-1], merge[:1], [*merge, "a"], ["a", "b"],
                    "a", "", [], 5,
                ))  # fmt: skip
            elif kind == 5:
                random.shuffle(merges)
            elif kind == 6:
                one["content"] = random.choice((*TEXTS, "the", "\u0120the", "<|endoftext|>", "a"))
            elif kind == 7:
                one["id"] = random.choice((*NUMBERS, 5, 299, 302))
            else:
                one[random.choice(("single_word", "lstrip", "rstrip", "normalized", "special"))] = (
                    True
                )

    def check(self, data: bytes) -> None:
        self._path.write_bytes(data)
        plain = len(data) % 2 == 1
        tokenizer = PythiaTokenizer(self._path, plain_text=plain, content=data)
        tokenizer.check()
        if tokenizer.size > TINY.d_vocab:
            return  # refused when it is installed or opened
        for text in _TEXTS:
            encoded = tokenizer.encode_covering(text)
            ids = encoded.token_ids
            assert len(ids) == 0 or 0 <= ids.min() <= ids.max() < tokenizer.size, "id out of range"
            assert (encoded.n_bytes >= 0).all(), "a negative number of bytes"
            if len(ids):
                assert encoded.n_bytes.sum() == len(text.encode()), f"not all of the text: {text!r}"
            b"".join(map(tokenizer.token_bytes, ids.tolist())).decode("utf-8", "replace")
