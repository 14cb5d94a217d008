"""What transformers, wordsprobability and minicons say of each of the 500 texts.

All run the demo's last step in float32, one text at a time, behind <|endoftext|>. Figures are in
nats. A text on which an authority fails has the name of its exception.
"""

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import golden_texts
import numpy as np
import torch
import wordsprobability.main as wordsprobability
import wordsprobability.models as published_models
from minicons.scorer import IncrementalLMScorer
from transformers import PreTrainedTokenizerFast
from wordsprobability.models.bow_lm import PythiaBaseModel

# Unicode's property White_Space; str.isspace() has U+001C to U+001F too.
WHITE_SPACE = (
    "\t\n\x0b\x0c\r \x85\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009"
    "\u200a\u2028\u2029\u202f\u205f\u3000"
)
MOST_TOKENS = 500

Arrays = dict[str, np.ndarray]
Words = dict[str, Any]


def make(model: torch.nn.Module, tokenizer: PreTrainedTokenizerFast, book: str, out: Path) -> None:
    """Write texts.json, sets.json and golden.npz into `out`."""
    texts = golden_texts.nasty_texts(book)
    sets = token_sets(tokenizer, model.config.vocab_size)
    scorer = IncrementalLMScorer(model, tokenizer=tokenizer)
    scorer.bow_subword_idx.sort()  # it sums in the vocabulary's order, which differs between runs
    register_with_wordsprobability(model, tokenizer)
    columns: dict[str, list[np.ndarray]] = {}
    for entry in texts:
        ids = tokenizer(entry["text"], add_special_tokens=False).input_ids
        assert len(ids) <= MOST_TOKENS, entry
        figures = scored(model, tokenizer.bos_token_id, ids, sets)
        for authority, ask in (
            ("wordsprobability", ask_wordsprobability),
            ("minicons", lambda text: ask_minicons(scorer, text)),
        ):
            answer, arrays = answered(ask, entry["text"])
            entry[authority] = answer
            figures |= {f"{authority}_{name}": array for name, array in arrays.items()}
        for name, array in figures.items():
            columns.setdefault(name, []).append(array)
    out.mkdir(exist_ok=True)
    lines = [json.dumps(entry) for entry in texts]
    (out / "texts.json").write_text("[\n" + ",\n".join(lines) + "\n]\n", encoding="ascii")
    (out / "sets.json").write_text(json.dumps(sets) + "\n", encoding="ascii")
    np.savez_compressed(out / "golden.npz", **joined(columns))
    failed = {
        authority: sum("error" in entry[authority] for entry in texts)
        for authority in ("wordsprobability", "minicons")
    }
    print(
        f"words: {len(texts)} texts, {len(np.concatenate(columns['nll']))} tokens; none: {failed}"
    )


def joined(columns: dict[str, list[np.ndarray]]) -> Arrays:
    """Each column's arrays one after the other, and `NAME_length`: how long each is."""
    arrays = {}
    for name, parts in columns.items():
        arrays[name] = np.concatenate(parts)
        arrays[f"{name}_length"] = np.array([len(part) for part in parts], dtype=np.uint16)
    return arrays


def token_sets(tokenizer: PreTrainedTokenizerFast, n_logits: int) -> dict[str, list[int]]:
    """Ids of the tokens that may end a word, by four definitions."""
    vocabulary = tokenizer.get_vocab()
    byte_of = {symbol: byte for byte, symbol in bytes_to_symbols().items()}
    spaces = [character.encode() for character in WHITE_SPACE]

    def spelled(token: str) -> bytes:
        """Added tokens are stored as plain text, all others in the symbols for bytes."""
        if vocabulary[token] in tokenizer.added_tokens_decoder:
            return token.encode()
        return bytes(byte_of[symbol] for symbol in token)

    return {
        "space": sorted(i for token, i in vocabulary.items() if token[0] == "\u0120"),
        "end": [tokenizer.eos_token_id],
        "white": sorted(
            i for token, i in vocabulary.items() if spelled(token).startswith(tuple(spaces))
        ),
        "added": list(range(tokenizer.vocab_size, n_logits)),
    }


def bytes_to_symbols() -> dict[int, str]:
    """Byte-level BPE: printable Latin-1 stands for itself, the rest for U+0100 and on."""
    itself = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    symbols = {byte: chr(byte) for byte in itself}
    rest = [byte for byte in range(256) if byte not in symbols]
    return symbols | {byte: chr(0x100 + i) for i, byte in enumerate(rest)}


def scored(model: torch.nn.Module, bos: int, ids: list[int], sets: dict[str, list[int]]) -> Arrays:
    """The model in float32; the sums over its n + 1 distributions in float64."""
    with torch.no_grad():
        logits = model(torch.tensor([[bos, *ids]])).logits[0]
    assert logits.dtype == torch.float32
    log_p = torch.log_softmax(logits.double(), dim=-1)
    nll = -log_p[torch.arange(len(ids)), torch.tensor(ids, dtype=torch.long)]
    figures = {
        "token_ids": np.array(ids, dtype=np.uint16),
        "nll": nll.numpy(),
        "entropy": -(log_p.exp() * log_p).sum(-1).numpy(),
    }
    for name, members in sets.items():
        figures[f"log_{name}"] = log_p[:, members].logsumexp(-1).numpy()
    return {name: stored(array) for name, array in figures.items()}


def stored(values: Iterable[float] | np.ndarray) -> np.ndarray:
    """Figures with the 7 significant digits of float32; integers as they are."""
    array = np.asarray(values if isinstance(values, np.ndarray) else list(values))
    return array if array.dtype.kind == "u" else array.astype(np.float32)


def answered(ask: Callable[[str], tuple[Words, Arrays]], text: str) -> tuple[Words, Arrays]:
    """An authority's answer, or the name of its exception and empty arrays."""
    try:
        return ask(text)
    except Exception as error:
        empty = {name: array[:0] for name, array in ask("a b")[1].items()}
        return {"error": type(error).__name__}, empty


def register_with_wordsprobability(
    model: torch.nn.Module, tokenizer: PreTrainedTokenizerFast
) -> None:
    """Its class for the Pythia suite, with the demo in place of a published name."""

    class Demo(PythiaBaseModel):
        def _initialise_model(self):
            return model, tokenizer

        def _get_n_logits(self):
            return model.config.vocab_size  # it asks for embed_out, which transformers 5 renamed

    published_models.MODELS["demo"] = Demo


def ask_wordsprobability(text: str) -> tuple[Words, Arrays]:
    """Its words, in the symbols for bytes, and the line of each; it strips and scores each line."""
    table = wordsprobability.get_surprisal_per_word(text, "demo", return_buggy_surprisals=True)
    words = {
        "words": [str(word) for word in table["word"]],
        "lines": [int(line) for line, _ in table.index],
    }
    return words, {
        "surprisal": stored(table["surprisal"]),
        "surprisal_buggy": stored(table["surprisal_buggy"]),
    }


def ask_minicons(scorer: IncrementalLMScorer, text: str) -> tuple[Words, Arrays]:
    """Words by str.split; `spans` are the tokens that it takes for each, right or wrong."""
    spans, words = scorer.word_spans_tokenized([" ".join(text.split())], str.split)
    arrays = {"spans": np.array(spans[0], dtype=np.uint16).reshape(-1)}
    for name, correct in (("", False), ("_corrected", True)):
        tokens = scorer.token_score([text], bow_correction=correct, bos_token=True, surprisal=True)[
            0
        ]
        scores = scorer.word_score_tokenized(
            [text], str.split, bow_correction=correct, bos_token=True, surprisal=True
        )[0]
        assert [word for word, _ in scores] == words[0]
        arrays[f"token{name}"] = stored(figure for _, figure in tokens[1:])
        arrays[f"word{name}"] = stored(figure for _, figure in scores)
    return {"words": words[0]}, arrays
