"""A page of what a lens says of a text, that works offline: layers by tokens, with all figures."""

from __future__ import annotations

import html
import json
from collections.abc import Mapping
from importlib.resources import files
from typing import Any

import numpy as np

from pythia_cli.measures.lens import LensedText, LensOptions
from pythia_cli.measures.lens_grid import SHADES, Shade
from pythia_cli.model.open_model import OpenModel
from pythia_cli.release import arithmetic_of
from pythia_cli.text.spelling import in_cell

_Array = np.ndarray[Any, Any]

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'"


def lens_page(
    model: OpenModel, lensed: LensedText, options: LensOptions, shade: Shade = "prob"
) -> str:
    """One HTML file with all figures of a text, and no links to anything else.

    shade: what colours the cells at first. Figures have 4 significant digits.
    """
    name = " ".join(part for part in model.opened.name().values() if part)
    kind = "Logit lens" if options.tuned is None else "Tuned lens"
    title = f"{kind}: {name}"
    known = "".join(
        f"<dt>{_escaped(what)}</dt><dd>{_escaped(str(value))}</dd>\n"
        for what, value in _provenance(model, options).items()
        if value is not None
    )
    island = _json(_figures(model, lensed, shade))
    return (
        '<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{_escaped(title)}</title>\n<style>\n{_part('lens.css')}</style>\n"
        f"<h1>{_escaped(title)}</h1>\n"
        "<noscript><p>The table needs JavaScript.</p></noscript>\n"
        '<div id="choices"></div>\n<div id="bands"></div>\n'
        f"<details><summary>Provenance</summary>\n<dl>\n{known}</dl>\n</details>\n"
        f'<script type="application/json" id="figures">{island}</script>\n'
        f'<script>\n"use strict";\n{_part("lens.js")}</script>\n</html>\n'
    )


def _figures(model: OpenModel, lensed: LensedText, shade: Shade) -> dict[str, Any]:
    """What the script reads. Lists of figures are by layer, then by position."""
    found = lensed.figures
    ids = np.concatenate([lensed.token_ids, found.top_ids.ravel()])
    texts = {
        token_id: in_cell(model.tokenizer.token_bytes(token_id), token_id)
        for token_id in np.unique(ids).tolist()
    }
    return {
        "shade": shade,
        "shades": SHADES,
        "most": float(np.log(model.config.d_vocab)),
        "texts": texts,
        "positions": lensed.positions.tolist(),
        "tokens": lensed.token_ids[lensed.positions].tolist(),
        "targets": lensed.targets.tolist(),
        "nll": _short(found.nll),
        "rank": found.rank.tolist(),
        "kl": _short(found.kl),
        "entropy": _short(found.entropy),
        "top": found.top_ids.tolist(),
        "probs": _short(found.top_probs),
    }


def _provenance(model: OpenModel, options: LensOptions) -> Mapping[str, Any]:
    known = model.provenance()
    return {
        "model": known["model"],
        "checkpoint": known["checkpoint"],
        "tokens seen in training": known["tokens_seen"],
        "commit": known["source"]["commit"],
        "sha256 of the weights": known["source"]["sha256"],
        "weights": known["quantization"] or known["dtype"],
        "precision": known["precision"],
        **arithmetic_of(model.precision),
        "tuned lens": options.tuned,
        "<|endoftext|> before the text": "yes" if options.bos else "no",
    }


def _short(values: _Array) -> list[Any]:
    """Numbers of 4 significant digits, in lists; None for NaN."""

    def shortened(value: Any) -> Any:
        if isinstance(value, list):
            return [shortened(inner) for inner in value]
        return None if value != value else float(f"{value:.4g}")

    found: list[Any] = shortened(values.tolist())
    return found


def _part(name: str) -> str:
    return files("pythia_cli.measures").joinpath("browser", name).read_text(encoding="utf-8")


def _json(value: Any) -> str:
    """JSON that can stand within a script element: it has no `<`, and only ASCII."""
    return json.dumps(value, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")


def _escaped(text: str) -> str:
    """The text in HTML. Halves of surrogate pairs, which cannot be encoded, become escapes."""
    return html.escape(text.encode(errors="backslashreplace").decode())
