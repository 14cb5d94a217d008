"""Shows a scored text: splits it into stretches with a surprisal, and makes a web page."""

from __future__ import annotations

import codecs
import html
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pythia_cli.engine.scored_text import ScoredText
from pythia_cli.engine.totals import Totals
from pythia_cli.measures.perplexity import Perplexity
from pythia_cli.text.printable import visible

LEVELS = (1.0, 3.0, 6.0, 10.0)
"""Surprisal in bits from which a token has level 1, 2, 3 and 4."""

_TAB_LEVEL = 3
_COLOURS = ("transparent", "#fff3c4", "#ffd98a", "#ffab73", "#f4767b")


@dataclass(frozen=True)
class Stretch:
    """The text of one token, or of several that share a character.

    bits: surprisal of the most surprising token; None if none was scored. entropy (bits) and rank
    are those of that token.
    """

    text: str
    bits: float | None
    entropy: float | None
    rank: int | None

    @property
    def level(self) -> int:
        """0 to len(LEVELS); 0 if it was not scored."""
        return sum(self.bits >= bound for bound in LEVELS) if self.bits is not None else 0


def stretches(document: ScoredText) -> Iterator[Stretch]:
    """Split the document's whole text into stretches, in order."""
    begin, end, worst = 0, 0, None
    for i, n_bytes in enumerate(document.n_bytes.tolist()):
        end += n_bytes
        if not math.isnan(document.nll[i]) and (
            worst is None or document.nll[i] > document.nll[worst]
        ):
            worst = i
        data = document.data[begin:end]
        last = i == len(document.n_bytes) - 1
        if not last and document.n_bytes[i + 1] == 0:
            continue  # the next token belongs to the same character
        try:
            text = data.decode("utf-8")
        except UnicodeDecodeError:
            # A text that was given as ids may have bytes that no later token makes a character of.
            decoder = codecs.getincrementaldecoder("utf-8")("replace")
            text = decoder.decode(data, final=last)
            if decoder.getstate()[0]:
                continue
        if worst is None:
            yield Stretch(text, None, None, None)
        else:
            bits, entropy = (
                float(of[worst]) / math.log(2) for of in (document.nll, document.entropy)
            )
            yield Stretch(text, bits, entropy, int(document.rank[worst]))
        begin, worst = end, None


def page_of(found: Sequence[Perplexity]) -> str:
    """A web page of the scored texts, with model, protocol, and the figures of each text."""
    shared = found[0].to_dict()
    rows = {
        "model": shared["model"],
        "checkpoint": shared["checkpoint"],
        "tokens seen in training": shared["tokens_seen"],
        "commit": shared["source"]["commit"],
        "sha256 of the weights": shared["source"]["sha256"],
        "weights": shared["quantization"] or shared["dtype"],
        "precision": shared["precision"],
        "protocol": f"{shared['protocol']}, context {shared['context']}, stride {shared['stride']}",
    }
    name = " ".join(str(shared[key]) for key in ("model", "checkpoint") if shared[key])
    others = f" and {len(found) - 1} more" if len(found) > 1 else ""
    known = [(name, str(value)) for name, value in rows.items() if value is not None]
    texts = [(one.source, one.texts) for one in found]
    return page(f"Surprisal of {found[0].source}{others}: {name}", known, texts)


def page(
    title: str,
    provenance: Sequence[tuple[str, str]],
    texts: Sequence[tuple[str, Sequence[ScoredText]]],
) -> str:
    """A self-contained HTML page: figures, then each text under its name, coloured by surprisal."""
    rows = "".join(
        f"<tr><th>{html.escape(name)}</th><td>{html.escape(value)}</td></tr>"
        for name, value in provenance
    )
    body = "".join(
        f'<h2 id="text{i}">{html.escape(name)}</h2>\n<pre>\n{"".join(map(_document, documents))}'
        "</pre>\n"
        for i, (name, documents) in enumerate(texts)
    )
    bounds = ["", *(f"{bound:g} bits" for bound in LEVELS)]
    legend = " ".join(
        f'<span class="l{level}">{"from " + bounds[level] if level else "less"}</span>'
        for level in range(len(_COLOURS))
    )
    return (
        f'<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{html.escape(title)}</title>\n<style>{_STYLE}{_level_style()}</style>\n"
        f'<h1>{html.escape(title)}</h1>\n<table class="model">{rows}</table>\n{_figures(texts)}'
        f"<p>Surprisal of each token: {legend}. Point at a token or tap it to see its"
        " figures. Tab moves to the next one of 6 bits or more.</p>\n"
        '<input type="checkbox" id="bits"><label for="bits"> show the bits of every token</label>\n'
        f"{body}</html>\n"
    )


_STYLE = (
    ":root{color-scheme:light dark}"
    "body{font:16px/1.6 system-ui,sans-serif;max-width:50em;margin:2em auto;padding:0 1em}"
    "h1,h2,pre,.model td{overflow-wrap:anywhere}h1{font-size:1.5em}h2{font-size:1.2em}"
    "table{border-spacing:0;margin:1em 0}.figures{overflow-x:auto}"
    "th{text-align:left;font-weight:normal}td,th{padding:0 1em 0 0;vertical-align:top}"
    ".figures td,.figures thead th{text-align:right}.figures td{white-space:nowrap}"
    ".figures th:first-child{text-align:left}"
    "pre{font:15px/1.7 ui-monospace,monospace;white-space:pre-wrap}"
    "pre span:focus{outline:2px solid}"
    "pre span:focus::after{content:' [' attr(title) ']';font-size:.8em}"
    "#bits:checked~pre span:not(:focus)::after{content:attr(data-bits);font-size:.65em;opacity:.85;"
    "vertical-align:sub}"
)


def _level_style() -> str:
    return "".join(
        f".l{level}{{background:{colour};color:#222}}"
        for level, colour in enumerate(_COLOURS)
        if level
    )


def _figures(texts: Sequence[tuple[str, Sequence[ScoredText]]]) -> str:
    """A table: a row of figures for each text, and one for all."""
    heads = ["text", "perplexity", "+/-", "bits per byte", "mean nll (nats)", "tokens scored"]
    every = [
        (f'<a href="#text{i}">{html.escape(name)}</a>', sum((d.totals for d in docs), Totals()))
        for i, (name, docs) in enumerate(texts)
    ]
    if len(every) > 1:
        every.append(("total", sum((totals for _, totals in every), Totals())))
    rows = "".join(f"<tr><th>{name}</th>{_cells(totals)}</tr>\n" for name, totals in every)
    head = "".join(f"<th>{name}</th>" for name in heads)
    table = f"<table><thead><tr>{head}</tr></thead>\n{rows}</table>"
    return f'<div class="figures">{table}</div>\n'


def _cells(totals: Totals) -> str:
    mean = totals.nll / totals.n_tokens if totals.n_tokens else None
    figures = (totals.perplexity, totals.stderr, totals.bits_per_byte, mean)
    shown = ["-" if figure is None else f"{figure:.4f}" for figure in figures]
    return "".join(f"<td>{cell}</td>" for cell in (*shown, str(totals.n_tokens)))


def _document(document: ScoredText) -> str:
    return "".join(map(_span, stretches(document)))


def _span(stretch: Stretch) -> str:
    text = html.escape(visible(stretch.text), quote=False)
    if stretch.bits is None:
        return text
    figures = f"{stretch.bits:.2f} bits, rank {stretch.rank}, entropy {stretch.entropy:.2f} bits"
    # All can be tapped, but only surprising ones are Tab stops: there may be thousands of others.
    tabindex = 0 if stretch.level >= _TAB_LEVEL else -1
    return (
        f'<span class="l{stretch.level}" title="{figures}" data-bits="{stretch.bits:.1f}"'
        f' tabindex="{tabindex}">{text}</span>'
    )
