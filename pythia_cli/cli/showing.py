"""Scored texts to look at: in the terminal, and as a web page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pythia_cli.cli.render import paint

if TYPE_CHECKING:
    from pythia_cli.measures.perplexity import Document, Totals


def show_documents(documents: list[Document]) -> None:
    """On stdout, coloured by surprisal."""
    from pythia_cli.measures.surprisal_page import LEVELS, stretches

    for document in documents:
        paint(((s.text, s.level, s.bits) for s in stretches(document)), LEVELS)


def page_of(
    texts: list[tuple[str, list[Document], int]], totals: Totals, shared: dict[str, Any]
) -> str:
    """A web page of the scored texts, with what it was measured with."""
    from pythia_cli.measures.surprisal_page import page

    figures = totals.figures()
    told = {
        "model": shared["model"],
        "checkpoint": shared["checkpoint"],
        "commit": shared["source"]["commit"],
        "sha256 of the weights": shared["source"]["sha256"],
        "precision": shared["quantization"] or shared["dtype"],
        "protocol": f"{shared['protocol']}, context {shared['context']}, stride {shared['stride']}",
        "perplexity": f"{figures['perplexity']:.4f}" if figures["perplexity"] else None,
        "bits per byte": f"{figures['bits_per_byte']:.4f}" if figures["bits_per_byte"] else None,
        "tokens scored": totals.n_tokens,
    }
    title = " ".join(str(shared[key]) for key in ("model", "checkpoint") if shared[key])
    rows = [(name, str(value)) for name, value in told.items() if value is not None]
    return page(title, rows, [(name, documents) for name, documents, _ in texts])
