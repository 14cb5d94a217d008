"""500 texts on which the definition of a word, or the alignment of words and tokens, may fail.

Characters beyond ASCII are written as escapes, so that no editor or formatter can normalise them.
Everything is seeded: the same texts on every machine.
"""

import random
import re
from collections.abc import Callable

import golden_tokenizer

COUNT = 500
LONGEST = (
    250  # characters, of the texts that were written by hand: the demo's context is 512 tokens
)

PUNCTUATION = [
    *[", ", " , ", ". ", " . ", "; ", ": ", "! ", "? ", "... ", " ... ", " - ", "--", " -- "],
    *["\u2014", " \u2014 ", "\u2026 ", " (", ") ", "' ", " '", '" ', ' "', "/", " & ", "-", " * "],
]
SPACES = [
    *["  ", "   ", "\t", "\t\t", " \t", "\t ", "\u00a0", " \u00a0", "\u00a0 ", "\u200b", " \u200b"],
    *["\u3000", "\u2003", "\u2009", "\u202f", "\u2028", "\x0b", "\x0c", "\x1c", "\x85", "\ufeff"],
]
LINE_ENDS = ["\n", "\r\n", "\r", "\n\n", "\r\n\r\n", " \n", "\n ", "\n\t", " \r\n  "]
STRANGE_WORDS = [
    *[
        "caf\u00e9",
        "cafe\u0301",
        "na\u00efve",
        "nai\u0308ve",
        "\u212bngstr\u00f6m",
        "\u1ec7",
        "\u0301",
    ],
    *[
        "e\u0301\u0302\u0303",
        "x\u0338",
        "\ud55c\uad6d\uc5b4",
        "\u1112\u1161\u11ab\u1100\u116e\u11a8",
    ],
    *[
        "\u1100",
        "\U0001f600",
        "\U0001f44d\U0001f3fd",
        "\U0001f1e9\U0001f1ea",
        "\u2764\ufe0f",
        "\ufb01n",
    ],
    "\U0001f468\u200d\U0001f469\u200d\U0001f467\u200d\U0001f466",
    "\U0001f3f3\ufe0f\u200d\U0001f308",
    *["\u05e9\u05dc\u05d5\u05dd", "\u0627\u0644\u0633\u0644\u0627\u0645", "\u200f(\u05d0)\u200e"],
    *[
        "\u4eca\u5929",
        "\u3053\u3093",
        "\u0e19\u0e49\u0e33",
        "\u0928\u0939\u0940\u0902",
        "\U00020000",
    ],
    *["\u201cquoted\u201d", "\u2018it\u2019s\u2019", "\u00abx\u00bb", "\ufffd", "soft\u00adhyphen"],
]
NUMBERS_AND_CODE = [
    *[
        "1,234.56",
        "1813",
        "0x1F",
        "-2.5e-10",
        "3rd",
        "50%",
        "$4.99",
        "10:30",
        "x=1;",
        "a[i][j]",
        "f(x)",
    ],
    *[
        "if x != 0:",
        "return {'a': [1, 2]}",
        "snake_case",
        "camelCase",
        "<b>bold</b>",
        "\\frac{a}{b}",
    ],
    *[
        "https://example.org/a/b?c=d&e=%20f#g",
        "www.example.org",
        "user+tag@mail.example",
        "C:\\temp\\x",
    ],
    *[
        "```py\nx = 1\n```",
        "// note",
        "#include <stdio.h>",
        "a->b",
        "i++",
        "&amp;",
        "/usr/bin:/bin",
    ],
]
SPECIALS = [
    *[
        "<|endoftext|>",
        "<|padding|>",
        "<|endoftext|><|endoftext|>",
        "<|endoftext |>",
        "<|im_start|>",
    ],
    *["<s>", "</s>", "[PAD]", "\u0120", "\u010a", "<|endoftext|", "|>"],
]
CHARACTERS = [
    *[
        "I",
        "a",
        "z",
        "0",
        "7",
        ".",
        ",",
        "'",
        '"',
        "-",
        "_",
        "<",
        "|",
        "\\",
        "\u00e9",
        "\u00df",
        "\u0120",
    ],
    *["\u2014", "\u201c", "\u4e2d", "\uac00", "\u05d0", "\u0628", "\U0001f600", "\u200d", "\ufe0f"],
    *["\u0300", "\u1161", "\u11a8", "\u00ad"],
]
ONLY_SPACE = [
    *[
        " ",
        "  ",
        "     ",
        " " * 24,
        " " * 25,
        "\n",
        "\n\n",
        "\r\n",
        "\r",
        "\t",
        "\t\t",
        " \t ",
        "\n \n",
    ],
    *["\u00a0", "\u00a0\u00a0", "\u200b", "\u3000", "\u2003 ", " \r\n ", "\x0b\x0c"],
]


def nasty_texts(book: str) -> list[dict[str, str]]:
    """`book` is running English. Each text is {"kind", "text"}; no text occurs twice."""
    rng = random.Random(13)
    sentences = [s for s in sentences_of(book) if 20 <= len(s) <= 110]
    texts: dict[str, str] = {"": "empty"}

    def add(kind: str, count: int, make: Callable[[], str]) -> None:
        made = 0
        while made < count:
            text = make()
            if text not in texts:
                texts[text] = kind
                made += 1

    def phrase(low: int = 3, high: int = 8) -> list[str]:
        words = rng.choice(sentences).split()
        length = rng.randint(low, high)
        start = rng.randrange(max(1, len(words) - length))
        return words[start : start + length]

    def separated(by: list[str], share: float) -> str:
        words = phrase()
        parts = [words[0]]
        for word in words[1:]:
            parts += [rng.choice(by) if rng.random() < share else " ", word]
        return "".join(parts)

    def with_words(strange: list[str]) -> str:
        words = phrase()
        for _ in range(rng.randint(1, 3)):
            words.insert(rng.randint(0, len(words)), rng.choice(strange))
        return rng.choice(["", "", "", " "]) + " ".join(words) + rng.choice(["", "", ".", " "])

    def glued(strange: list[str]) -> str:
        words = phrase(2, 5)
        at = rng.randrange(len(words))
        words[at] = rng.choice([words[at] + rng.choice(strange), rng.choice(strange) + words[at]])
        return " ".join(words)

    def at_the_ends() -> str:
        ends = ["", " ", "  ", "\t", "\u00a0", *LINE_ENDS[:4], "\u200b"]
        return rng.choice(ends) + " ".join(phrase()) + rng.choice(ends[1:])

    def long_word() -> str:
        joined = "".join("".join(phrase()).split())
        return rng.choice(["", "a ", " "]) + joined * rng.randint(1, 4) + rng.choice(["", " end"])

    def run_of(length: int) -> str:
        words = phrase(4, 7)
        at = rng.randint(1, len(words) - 1)
        return " ".join(words[:at]) + " " * length + " ".join(words[at:])

    for kind, known in tokenizer_texts().items():
        texts.update({t: kind for t in known if t not in texts and len(t) <= LONGEST})
    for kind, listed in (("character", CHARACTERS), ("white space", ONLY_SPACE)):
        texts.update({text: kind for text in listed if text not in texts})
    for length in range(2, 31):
        add("run of spaces", 1, lambda length=length: run_of(length))
    add("plain", 70, lambda: rng.choice(sentences))
    add("punctuation", 40, lambda: separated(PUNCTUATION, 0.4))
    add("spaces", 40, lambda: separated(SPACES, 0.4))
    add("lines", 25, lambda: separated(LINE_ENDS, 0.4))
    add("ends", 25, at_the_ends)
    add("one word", 20, lambda: rng.choice(phrase()))
    add("unicode", 35, lambda: with_words(STRANGE_WORDS))
    add("unicode", 15, lambda: glued(STRANGE_WORDS))
    add("code", 20, lambda: with_words(NUMBERS_AND_CODE))
    add("code", 5, lambda: glued(NUMBERS_AND_CODE))
    add("special", 10, lambda: with_words(SPECIALS))
    add("special", 5, lambda: glued(SPECIALS))
    add("long word", 10, long_word)
    everything = STRANGE_WORDS + NUMBERS_AND_CODE + SPECIALS + SPACES + LINE_ENDS + PUNCTUATION
    add("mixed", COUNT - len(texts), lambda: glued(everything) + with_words(everything))
    return [{"kind": kind, "text": text} for text, kind in texts.items()]


def sentences_of(book: str) -> list[str]:
    return re.split(r"(?<=[.!?;]) ", " ".join(book.split()))


def tokenizer_texts() -> dict[str, list[str]]:
    return {
        "plain": golden_tokenizer.PLAIN,
        "unicode": golden_tokenizer.UNICODE_FORMS + golden_tokenizer.SCRIPTS_AND_SYMBOLS,
        "white space": golden_tokenizer.WHITESPACE,
        "control": golden_tokenizer.CONTROLS,
        "special": golden_tokenizer.SPECIALS,
        "code": golden_tokenizer.LONG_AND_NUMERIC,
    }
