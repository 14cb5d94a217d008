"""Token ids of nasty texts, from transformers' own tokenizer classes.

Characters beyond ASCII are written as escapes, so that no editor or formatter can normalise them.
"""

import json
from pathlib import Path

from transformers import GPTNeoXTokenizerFast, PreTrainedTokenizerFast

CODE = '''def nll(logits, token_ids):
    """Sum over tokens."""
    total = 0.0
    for i, t in enumerate(token_ids):
        if t != 0:
            total -= logits[i][t]
\t\treturn total  # tabs

    return {"nll": total,\t'n': len(token_ids)}
'''

PLAIN = [
    "",
    "a",
    "Hello, world!",
    "The quick brown fox jumps over the lazy dog.",
    "It's I'm we've they'd you'll don't she's IT'S DON'T o'clock 'tis ''s 's",
    "It\u2019s \u201cquoted\u201d \u2014 and\u2026 so on\u2013",
    "snake_case camelCase kebab-case SCREAMING __dunder__ a.b.c",
]

UNICODE_FORMS = [
    "caf\u00e9 na\u00efve \u00c5ngstr\u00f6m",  # NFC
    "cafe\u0301 nai\u0308ve A\u030angstro\u0308m",  # the same in NFD
    "\u212b \u2126 \u212a",  # Angstrom, ohm and kelvin signs: NFC replaces them
    "\u1e9b\u0323 \u0344 \u0958 \u2adc \ufb1d",  # singletons and composition exclusions
    "a\u0323\u0302 a\u0302\u0323 \u1ead",  # marks of two classes, in both orders
    "Vie\u0323\u0302t Nam Vi\u1ec7t Nam",
    "\ud55c\uad6d\uc5b4",  # Hangul syllables
    "\u1112\u1161\u11ab\u1100\u116e\u11a8\u110b\u1165",  # the same in conjoining jamo
    "\u1100\u1161\u11a8 \uac00\u11a8 \u1100 \u1161 \u3131\u314f",
    "e" + "\u0301" * 40 + "x",  # longer than a stream-safe run
    "\u0301\u0302 start with marks",
    "Z\u0351\u036b\u0343\u032a\u0302a\u033c\u0356l\u0326\u0331g\u0348o\u0353",
    "\u0e01\u0e33\u0e49 \u0e19\u0e49\u0e33 \u0f71\u0f72\u0f74",  # Thai and Tibetan marks
    "\u0b95\u0bcb \u0b95\u0bc7\u0bbe \u0915\u093c \u0928\u0939\u0940\u0902",  # Tamil, Devanagari
    "\ufb01nal \ufb02ow \ufb03 \ufb06 \u0132 \u01c6 \u00e6 \u0153",  # ligatures: NFC keeps them
    "\uff28\uff45\uff4c\uff4c\uff4f \u2460 \u00b2 \u00bd \u2167",  # compatibility forms
    "\u0130stanbul i\u0307 \u0131 STRASSE stra\u00dfe \u1e9e",
]

WHITESPACE = [
    "\t",
    "\t\t\tx\ty",
    "\n",
    "\n\n\n",
    "line\nline\n\nline\n",
    "dos\r\nmac\rdos\r\n\r\n",
    " \n \n  \n   x",
    "trailing   ",
    "   leading",
    "tab \t mixed \t \t  x\n\t  y",
    "a\u00a0b \u00a0 \u2003\u2009\u202f\u3000c",  # no-break and wide spaces
    "a\u0085b\u2028c\u2029d",  # next line, line and paragraph separators
    "a\u000bb\u000cc\u001cd\u001de\u001ef\u001fg",  # vertical tab to unit separator
    "    \u0301x",  # a mark right after spaces
    CODE,
]

SCRIPTS_AND_SYMBOLS = [
    "\U0001f600 \U0001f468\u200d\U0001f469\u200d\U0001f467\u200d\U0001f466 \U0001f44d\U0001f3fd",
    "\U0001f1e9\U0001f1ea\U0001f1eb\U0001f1f7\U0001f1ef \U0001f3f4\U000e0067\U000e0062\U000e007f",
    "\u2764\ufe0f \u2764\ufe0e 1\ufe0f\u20e3 \U0001f3f3\ufe0f\u200d\U0001f308",
    "\u05e9\u05dc\u05d5\u05dd \u05e9\u05c1\u05b8\u05dc\u05d5\u05b9\u05dd",  # Hebrew, with points
    "\u0627\u0644\u0633\u0644\u0627\u0645 \u0639\u0644\u064a\u0643\u0645 \u0661\u0662\u0663",
    "\u200fRTL mark\u200e \u202eoverride\u202c \u2067isolate\u2069",
    "\u4eca\u5929\u5929\u6c14\u5f88\u597d\u3002\u65e5\u672c\u8a9e\u306e\u30c6\u30b9\u30c8\u3067\u3059",
    "\u304b\u3099 \u304c \u30cf\u309a \uff8a\uff9f \uf900 \u2f00",  # kana marks, compatibility CJK
    "\U00020000\U0002a6d6 \U0001d49c\U0001d504 \U00010348",  # beyond the first plane
    "\u041f\u0440\u0438\u0432\u0435\u0442 \u0438\u0306 \u0439 \u03b1\u0301 \u03ac \u1f71",
    "zero\u200bwidth\u200cnon\u200djoiner\u2060word\ufeffbom\u00adsoft",
    "\ufefffile with a byte order mark",
    "\ufffd",
    "a\ufffdb \ufffd\ufffd",
    "\ue000 \uf8ff \U0010ffff \ufffe \uffff \U000e0fff",  # private use, noncharacters
    "\u2211\u222b\u221e \u2260 =\u0338 \u2192\u20d7 \u20ac\u00a3\u00a5",
]

CONTROLS = [
    "\u0000",
    "a\u0000b\u0000\u0000",
    "".join(chr(code) for code in range(32)),
    "\u007f" + "".join(chr(code) for code in range(0x80, 0xA0)),
    "\u001b[31mred\u001b[0m\u0007\u0008",
    "".join(chr(code) for code in range(0x20, 0x7F)),
    "".join(chr(code) for code in range(0xA0, 0x180)),
]

SPECIALS = [
    "<|endoftext|>",
    "before<|endoftext|>after",
    "before <|endoftext|> after",
    "  <|endoftext|>   \n<|endoftext|>\t",
    "<|endoftext|><|endoftext|><|endoftext|>",
    "<|padding|>",
    "pad<|padding|><|padding|> <|endoftext|>pad",
    "<|endoftext|>\u0301e\u0301",
    "<<|endoftext|>> <|<|endoftext|>|>",
    "<|endoftext| <|endoftext <|EndOfText|> < |endoftext|> <|endoftext |> <|pad|> <||>",
    "<|end\u200doftext|> <|endofte\u0301xt|> \uff1c|endoftext|\uff1e <|end oftext|>",
    "[PAD] <s> </s> <unk> <|im_start|> \u0120\u010a |>endoftext<|",
]

LONG_AND_NUMERIC = [
    "a" * 600,
    "Donaudampfschifffahrtselektrizit\u00e4tenhauptbetriebswerkbauunterbeamtengesellschaft",
    "supercalifragilisticexpialidocious" * 12,
    "0 1 12 123 1234 12345 1234567890 3.14159 -2.5e-10 0x1F 1,000,000 1_000 007",
    "0" * 50 + "1" * 50,
    "2024-02-29T23:59:60Z 10:30pm $4.99 50% #1 1st 2nd \u0967\u0968\u0969",
    "https://example.org/a/b?c=d&e=%20f#g ftp://x:y@[::1]:8080/~z user+tag@mail.example",
    "!!!???...,,,;;; ---- ==== **** //// \\\\\\\\ ((([[[{{{ ~~~ ``` ''' \"\"\"",
    "<div class=\"x\">&nbsp;&lt;</div> $\\frac{a}{b}$ SELECT * FROM t WHERE a='b';",
    "ACGTACGTTTGACA" * 8,
]


def space_runs() -> list[str]:
    """Runs of 1 to 40 spaces, alone and between words: up to 24 are tokens of their own."""
    alone = [" " * n for n in range(1, 41)]
    return alone + [f"a{spaces}b" for spaces in alone]


def nasty_texts() -> list[str]:
    texts = [
        *PLAIN,
        *UNICODE_FORMS,
        *WHITESPACE,
        *SCRIPTS_AND_SYMBOLS,
        *CONTROLS,
        *SPECIALS,
        *LONG_AND_NUMERIC,
        *space_runs(),
    ]
    assert len(set(texts)) == len(texts)
    return texts


def make(tokenizer_files: dict[str, Path], out: Path) -> None:
    """Write {name: [{text, ids, decoded}, ...]}, one text a line, in ASCII."""
    blocks = []
    for name, tokenizer_file in tokenizer_files.items():
        lines = [json.dumps(entry) for entry in golden_entries(tokenizer_file)]
        blocks.append(f"{json.dumps(name)}: [\n" + ",\n".join(lines) + "\n]")
        print(f"{name}: {len(lines)} texts")
    out.write_text("{\n" + ",\n".join(blocks) + "\n}\n", encoding="ascii")


def golden_entries(tokenizer_file: Path) -> list[dict]:
    """Each text's ids and what they decode to, on which both tokenizer classes must agree."""
    neox = GPTNeoXTokenizerFast(tokenizer_file=str(tokenizer_file))
    generic = PreTrainedTokenizerFast(tokenizer_file=str(tokenizer_file))
    entries = [golden_entry(neox, text) for text in nasty_texts()]
    assert entries == [golden_entry(generic, text) for text in nasty_texts()]
    return entries


def golden_entry(tokenizer: PreTrainedTokenizerFast, text: str) -> dict:
    """No special token is added, but text that spells one becomes it, and decoding shows it."""
    ids = tokenizer.encode(text, add_special_tokens=False)
    decoded = tokenizer.decode(ids, skip_special_tokens=False, clean_up_tokenization_spaces=False)
    return {"text": text, "ids": ids, "decoded": decoded}
