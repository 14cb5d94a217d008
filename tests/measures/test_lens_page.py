"""The page of a lens: it has all figures, and needs nothing else."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from importlib.resources import files
from typing import Any

import numpy as np
import pytest

import pythia_cli
from pythia_cli.library.model import Model
from pythia_cli.measures.lens import LensedText, LensMeter, LensOptions
from pythia_cli.measures.lens_page import lens_page
from tests.golden_inside import TUNED_LENS

TEXT = 'It was <b>not</b> & </script><script>alert("1")</script>\n'


@pytest.fixture(scope="module")
def model() -> Iterator[Model]:
    with pythia_cli.load("demo") as opened:
        yield opened


def made(model: Model, options: LensOptions | None = None, **how: Any) -> tuple[LensedText, str]:
    options = options or LensOptions()
    (found,) = LensMeter(model, options).measure([TEXT])
    assert isinstance(found, LensedText)
    return found, lens_page(model, found, options, **how)


def island(page: str) -> dict[str, Any]:
    """What the script reads."""
    (content,) = re.findall(r'<script type="application/json" id="figures">(.*?)</script>', page)
    read: dict[str, Any] = json.loads(content)
    return read


def test_all_figures_are_there(model: Model) -> None:
    found, page = made(model, shade="kl")
    read = island(page)
    assert read["shade"] == "kl"
    assert read["tokens"] == found.token_ids.tolist()
    assert read["targets"] == found.targets.tolist()
    assert read["rank"] == found.figures.rank.tolist()
    assert read["top"] == found.figures.top_ids.tolist()
    for name, values in (
        ("nll", found.figures.nll), ("kl", found.figures.kl), ("entropy", found.figures.entropy),
        ("probs", found.figures.top_probs),
    ):  # fmt: skip
        shown = np.array(read[name], np.float64)
        np.testing.assert_allclose(shown, values, rtol=6e-4, err_msg=name)
    assert read["nll"][0][-1] is None
    texts = [read["texts"][str(token_id)] for token_id in read["tokens"]]
    assert "".join(texts).replace("\u00b7", " ").replace("\\n", "\n") == TEXT
    assert read["most"] == pytest.approx(np.log(4096))


def test_the_page_needs_nothing_else_and_no_text_is_markup(model: Model) -> None:
    _, page = made(model)
    assert not re.search(r"""src=|href=|url\(|@import|<link""", page)
    assert "default-src 'none'" in page
    assert page.count("<script") == page.count("</script>") == 2
    assert "<b>not" not in page
    assert "innerHTML" not in page
    assert page.isascii() or page.encode()


def test_what_was_run_is_said(model: Model) -> None:
    _, page = made(model)
    assert "<h1>Logit lens: demo step3000</h1>" in page
    sha256 = model.provenance()["source"]["sha256"]
    assert f"<dt>sha256 of the weights</dt><dd>{sha256}</dd>" in page
    assert "<dt>tuned lens</dt>" not in page
    _, page = made(model, LensOptions(tuned=TUNED_LENS, bos=True))
    assert "<h1>Tuned lens: demo step3000</h1>" in page
    assert f"<dt>tuned lens</dt><dd>{TUNED_LENS}</dd>" in page
    assert "before the text</dt><dd>yes</dd>" in page


@pytest.mark.skipif(shutil.which("node") is None, reason="needs Node.js")
def test_the_script_is_valid() -> None:
    script = files("pythia_cli.measures").joinpath("browser", "lens.js").read_text()
    subprocess.run(["node", "--check", "-"], input=script, text=True, check=True)
