"""Scored texts to look at: nothing of the text is lost, and nothing is added."""

from __future__ import annotations

import html
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pythia_cli.engine.scored_text import ScoredText
from pythia_cli.measures.surprisal_page import LEVELS, Stretch, page, stretches
from pythia_cli.text.tokenizer import PythiaTokenizer


def scored(tokenizer: PythiaTokenizer, text: str, nll: float | None = None) -> ScoredText:
    """All tokens but the first, with rank 3 and an entropy of one bit."""
    encoded = tokenizer.encode_covering(text)
    n = len(encoded.token_ids)
    nlls = np.linspace(0, 10, n) if nll is None else np.full(n, nll)
    entropy, rank = np.full(n, np.log(2)), np.full(n, 3)
    nlls[:1], entropy[:1], rank[:1] = np.nan, np.nan, -1
    return ScoredText(text, encoded.token_ids, encoded.n_bytes, nlls, entropy, rank)


@given(text=st.text(max_size=40))
def test_the_stretches_are_the_text(neox_tokenizer: PythiaTokenizer, text: str) -> None:
    document = scored(neox_tokenizer, text)
    assert "".join(s.text for s in stretches(document)) == text


def test_tokens_within_a_character_go_together(neox_tokenizer: PythiaTokenizer) -> None:
    document = scored(neox_tokenizer, "a 🜁 b")
    assert len(document.token_ids) > len(list(stretches(document)))
    assert " 🜁" in [s.text for s in stretches(document)]


def test_bytes_of_ids_that_are_no_text_do_not_swallow_what_follows() -> None:
    pieces = [b"\xf0", b"It", b" caf\xc3", b"\xa9", b"\xff\xc3", b"\xa9.", b"\xe2\x82"]
    text = b"".join(pieces).decode(errors="surrogateescape")
    n = len(pieces)
    document = ScoredText(
        text, np.arange(n), np.array(list(map(len, pieces))), np.ones(n), np.ones(n), np.ones(n)
    )
    found = [stretch.text for stretch in stretches(document)]
    assert found == ["\ufffdIt", " caf\u00e9", "\ufffd\u00e9.", "\ufffd"]


def test_the_first_token_is_not_scored(demo_tokenizer: PythiaTokenizer) -> None:
    first, *others = stretches(scored(demo_tokenizer, "It is a truth", nll=4 * np.log(2)))
    assert (first.bits, first.entropy, first.rank, first.level) == (None, None, None, 0)
    assert {(round(s.bits or 0, 6), s.entropy, s.rank) for s in others} == {(4.0, 1.0, 3)}


@pytest.mark.parametrize(("bits", "level"), [(0.0, 0), (1.0, 1), (2.9, 1), (6.0, 3), (99.0, 4)])
def test_levels(bits: float, level: int) -> None:
    assert Stretch("x", bits, 1.0, 0).level == level
    assert len(LEVELS) == 4


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.inside, self.text, self.titles = 0, "", []  # type: ignore[var-annotated]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.inside += tag == "pre"
        self.titles += [value for name, value in attrs if name == "title"]
        assert tag not in ("script", "img", "link", "b")

    def handle_endtag(self, tag: str) -> None:
        self.inside -= tag == "pre"

    def handle_data(self, data: str) -> None:
        self.text += data if self.inside else ""


def test_the_page_holds_the_text_and_needs_nothing_else(demo_tokenizer: PythiaTokenizer) -> None:
    text = 'a <b>bold</b> & "quoted" <script>alert(1)</script> text\nand a line'
    rows = [("model", "<m>")]
    made = page("a <title>", rows, [("one & two.txt", [scored(demo_tokenizer, text)])])
    reader = _Reader()
    reader.feed(made)
    assert reader.text == f"\n{text}"  # which browsers leave out behind <pre>
    assert len(reader.titles) > 5
    assert all(re.fullmatch(r"[\d.]+ bits, rank 3, entropy 1.00 bits", t) for t in reader.titles)
    assert "<h1>a &lt;title&gt;</h1>" in made
    assert f'<h2 id="text0">{html.escape("one & two.txt")}</h2>' in made
    assert "&lt;m&gt;" in made
    assert not re.search(r"""src=|href="[^#]|url\(|@import""", made)


def test_the_page_has_the_figures_of_each_text(demo_tokenizer: PythiaTokenizer) -> None:
    texts = [(name, [scored(demo_tokenizer, "It is a truth")]) for name in ("one.txt", "<two>")]
    made = page("title", [("sha256", "0" * 64)], texts)
    totals = texts[0][1][0].totals
    for name, anchor in (("one.txt", "text0"), ("&lt;two&gt;", "text1")):
        assert f'<a href="#{anchor}">{name}</a></th><td>{totals.perplexity:.4f}</td>' in made
    assert f"<th>total</th><td>{totals.perplexity:.4f}</td>" in made
    assert f"<td>{2 * totals.n_tokens}</td>" in made
    assert "total" not in page("title", [], texts[:1])


def test_the_values_of_the_page_need_no_mouse(demo_tokenizer: PythiaTokenizer) -> None:
    """On a touch screen or with a keyboard, tokens get the focus, and one box shows all bits."""
    made = page("title", [], [("one.txt", [scored(demo_tokenizer, "It is a truth", nll=2.0)])])
    assert made.count('data-bits="2.9" tabindex="-1"') == made.count("rank 3, ") > 2
    # A Tab stop at every token would be too many.
    high = page("title", [], [("one.txt", [scored(demo_tokenizer, "It is a truth", nll=5.0)])])
    assert high.count('data-bits="7.2" tabindex="0"') == made.count("rank 3, ")
    assert "span:focus::after{content:' [' attr(title) ']'" in made
    assert "#bits:checked~pre span:not(:focus)::after{content:attr(data-bits)" in made
    assert made.index('id="bits"') < made.index("<pre>")
    assert '<meta name="viewport" content="width=device-width, initial-scale=1">' in made
