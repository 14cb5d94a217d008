"""Damaged and hostile tokenizer.json files are refused before the library can panic or hang."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pythia_cli.errors import IntegrityError
from pythia_cli.text import tokenizer_json
from pythia_cli.text.tokenizer import PythiaTokenizer
from tests.conftest import DEMO, GOLDEN

Content = dict[str, Any]
DEMO_FILE = DEMO / "step3000" / "tokenizer.json"


@pytest.fixture
def changed(tmp_path: Path) -> Callable[[Callable[[Content], object]], Path]:
    """changed(change): the demo's tokenizer.json after `change`, which edits the JSON object."""

    def write(change: Callable[[Content], object]) -> Path:
        content = json.loads(DEMO_FILE.read_text(encoding="utf-8"))
        change(content)
        path = tmp_path / "tokenizer.json"
        path.write_text(json.dumps(content), encoding="utf-8")
        return path

    return write


def option(key: str, value: Any) -> Callable[[Content], object]:
    return lambda t: t["model"].update({key: value})


def part(key: str, value: Any) -> Callable[[Content], object]:
    return lambda t: t.update({key: value})


BYTE_LEVEL = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True}
SLOW_SPLIT = {
    "type": "Split", "pattern": {"Regex": "(a+)+$"}, "behavior": "Isolated", "invert": False
}  # fmt: skip
MULTIPLIED = {
    "type": "Sequence",
    "normalizers": [
        {"type": "Prepend", "prepend": "a" * 1000},
        {"type": "Replace", "pattern": {"String": "a"}, "content": "a" * 1000},
    ],
}
DAMAGE: dict[str, tuple[Callable[[Content], object], str]] = {
    # These make the library panic.
    "precompiled": (part("normalizer", {"type": "Precompiled", "precompiled_charsmap": "AAAA"}),
                    "normalizer is not NFC"),
    "prefix": (option("continuing_subword_prefix", "####"), "continuing_subword_prefix '####'"),
    "no length": (part("pre_tokenizer", {"type": "FixedLength", "length": 0}),
                  "pre_tokenizer is not ByteLevel"),
    "regex": (part("pre_tokenizer",
                   {"type": "Sequence", "pretokenizers": [SLOW_SPLIT, BYTE_LEVEL]}),
              "pre_tokenizer is not ByteLevel"),
    # These multiply a text, or change it at random.
    "multiplied": (part("normalizer", MULTIPLIED), "normalizer is not NFC"),
    "dropout": (option("dropout", 0.5), "dropout 0.5"),
    "suffix": (option("end_of_word_suffix", "</w>"), "end_of_word_suffix '</w>'"),
    "fallback": (option("byte_fallback", True), "byte_fallback True"),
    "unknown": (option("unk_token", "a"), "unk_token 'a'"),
    "prefix space": (part("pre_tokenizer", {**BYTE_LEVEL, "add_prefix_space": True}),
                     "add_prefix_space True"),
    "no regex": (part("pre_tokenizer", {**BYTE_LEVEL, "use_regex": False}), "use_regex False"),
    "decoder": (part("decoder", {"type": "Metaspace"}), "decoder is not ByteLevel"),
    "no decoder": (part("decoder", None), "decoder is not ByteLevel"),
    "processor": (part("post_processor", {"type": "Other"}), "post_processor is not one of"),
    "wordpiece": (option("type", "WordPiece"), "model is not BPE"),
    "new option": (option("shuffle", 3), "'shuffle', which is not known"),
    # Ids.
    "far id": (lambda t: t["model"]["vocab"].update(qqzzq=2**32 - 1), "'qqzzq' is 4294967295"),
    "negative id": (lambda t: t["model"]["vocab"].update(qqzzq=-1), "id of 'qqzzq' is -1"),
    "no whole id": (lambda t: t["model"]["vocab"].update(qqzzq=5000.0), "is 5000.0"),
    "true": (lambda t: t["model"]["vocab"].update(qqzzq=True), "is True"),
    "same id": (lambda t: t["model"]["vocab"].update(qqzzq=100), "two of its tokens have the same"),
    "same added id": (lambda t: t["added_tokens"][5].update(id=100), "have the same id"),
    "two ids": (lambda t: t["added_tokens"][0].update(id=4078), "has two ids"),
    "added later": (lambda t: t["added_tokens"][-1].update(id=5000), "is not the next"),
    "added twice": (lambda t: t["added_tokens"].append(t["added_tokens"][3]), "added twice"),
    "empty": (lambda t: t["added_tokens"][3].update(content=""), "has no content"),
    "long": (lambda t: t["added_tokens"][3].update(content="x" * (1 << 20)), "are too long"),
    # The structure.
    "no model": (lambda t: t.pop("model"), "has no model"),
    "no vocab": (option("vocab", []), "has no vocab"),
    "no merges": (option("merges", None), "has no merges"),
    "odd merge": (lambda t: t["model"]["merges"].append(["a"]), "is no merge"),
    "odd merge text": (lambda t: t["model"]["merges"].append("a b c"), "is no merge"),
    "odd added": (part("added_tokens", {"a": 1}), "added_tokens are no list"),
    "odd added token": (part("added_tokens", [3]), "no JSON object"),
    "unknown merge": (lambda t: t["model"]["merges"].append(["qq", "zz"]), "out of vocabulary"),
}  # fmt: skip


@pytest.mark.parametrize("name", DAMAGE)
def test_damage_is_refused_and_named(
    changed: Callable[..., Path], name: str, capfd: pytest.CaptureFixture[str]
) -> None:
    change, words = DAMAGE[name]
    with pytest.raises(IntegrityError, match=re.escape(words)):
        PythiaTokenizer(changed(change))
    assert capfd.readouterr() == ("", "")  # no message of a panic either


@pytest.mark.parametrize("content", [b"[" * 100_000, b'{"a":' * 100_000, b"3", b"null", b"{}"])
def test_what_is_no_object_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "tokenizer.json"
    path.write_bytes(content)
    with pytest.raises(IntegrityError):
        PythiaTokenizer(path)


def test_only_so_much_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "tokenizer.json"
    path.write_bytes(b" " * 1001)
    for module in ("tokenizer_json", "tokenizer"):
        monkeypatch.setattr(f"pythia_cli.text.{module}.MOST_BYTES", 1000)
    with pytest.raises(IntegrityError, match="1001 bytes; at most 1000 are read"):
        PythiaTokenizer(path)


NEWER: dict[str, Callable[[Content], object]] = {
    "merges as text": lambda t: t["model"].update(
        merges=[" ".join(merge) for merge in t["model"]["merges"]]
    ),
    "empty instead of null": lambda t: t["model"].update(
        continuing_subword_prefix="", end_of_word_suffix="", dropout=0.0
    ),
    "older, without options": lambda t: [
        t["model"].pop(key) for key in tokenizer_json.MODEL_OPTIONS if key in t["model"]
    ],
    "no use_regex": lambda t: t["pre_tokenizer"].pop("use_regex"),
    "template": lambda t: t.update(
        post_processor=json.loads((GOLDEN / "tokenizer/tokenizer.json").read_text())[
            "post_processor"
        ]
    ),
    "byte-level processor": part("post_processor", {**BYTE_LEVEL, "trim_offsets": False}),
}


@pytest.mark.parametrize("name", NEWER)
def test_what_other_versions_write_is_the_same(
    changed: Callable[..., Path], demo_tokenizer: PythiaTokenizer, name: str, eval_text: str
) -> None:
    tokenizer = PythiaTokenizer(changed(NEWER[name]))
    tokenizer.check()
    assert tokenizer.size == demo_tokenizer.size
    text = eval_text[:3000]
    assert tokenizer.encode(text).tolist() == demo_tokenizer.encode(text).tolist()


def test_new_options_that_are_not_set_are_accepted() -> None:
    """The library itself takes those that it knows."""
    content = json.loads(DEMO_FILE.read_text(encoding="utf-8"))
    content["model"] |= {"new": None, "other": False, "third": ""}
    added = tokenizer_json.check_content(json.dumps(content | {"new": None}).encode())
    assert added["<|endoftext|>"] == 0


@pytest.mark.parametrize("path", ["tokenizer/tokenizer.json", "tokenizer/tiny.json"])
def test_known_files_are_accepted(path: str) -> None:
    PythiaTokenizer(GOLDEN / path).check()


def with_hole(content: Content) -> None:
    """Take a token out that no merge needs, and all that would be numbered from it on."""
    vocab, merges = content["model"]["vocab"], content["model"]["merges"]
    parts = {part for merge in merges for part in merge}
    gone = next(t for t, i in vocab.items() if 2000 < i < 3900 and t not in parts)
    vocab.pop(gone)
    content["model"]["merges"] = [merge for merge in merges if "".join(merge) != gone]
    content["added_tokens"] = content["added_tokens"][:2]


@pytest.mark.parametrize("d_vocab", [None, 4055, 4096])
def test_a_hole_in_the_ids_loses_no_token(
    changed: Callable[..., Path], d_vocab: int | None
) -> None:
    path = changed(with_hole)
    content = json.loads(path.read_text(encoding="utf-8"))
    last = max(content["model"]["vocab"].values())
    assert len(content["model"]["vocab"]) == last == 4054
    tokenizer = PythiaTokenizer(path, d_vocab=d_vocab)
    tokenizer.check()
    assert tokenizer.size == last + 1
    assert tokenizer.token_bytes(last) == b" Moore"
    assert tokenizer.encode("He said Moore")[-1] == last
    (hole,) = tokenizer.missing.tolist()
    assert 2000 < hole < 3900
    assert tokenizer.token_bytes(hole) == b""
