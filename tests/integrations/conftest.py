"""What lm-eval's `hf` model answers for the demo, and how far int8 may be from it."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import pytest

import pythia_cli
from pythia_cli.library.model import Model
from pythia_cli.reporting import SILENT
from tests.conftest import GOLDEN


@pytest.fixture(scope="session")
def recorded() -> dict[str, Any]:
    """tests/golden/lm_eval_requests.json."""
    path = GOLDEN / "lm_eval_requests.json"
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content


@pytest.fixture(scope="session")
def opened() -> Iterator[Callable[..., Model]]:
    """opened(step, dtype): the demo, opened once."""
    made: list[Model] = []

    @cache
    def load(step: int = 3000, dtype: Any = "int8") -> Model:
        made.append(pythia_cli.load("demo", step, dtype=dtype, n_threads=1))
        return made[-1]

    yield load
    for model in made:
        model.close()


@pytest.fixture(scope="session")
def nats_a_token(opened: Callable[..., Model], eval_text: str) -> float:
    """How far int8 may move the log-probability of a token, by the demo's certificate.

    To second order, KL(p || q) = E_p[(log p - log q)^2] / 2. So log p - log q is about
    sqrt(2 KL) in size where the KL is that, and its largest over the text is the bound.
    """
    model = opened()
    certifier = pythia_cli.TextCertifier(eval_text[:8000], "eval.txt")
    floats = model.opened.float_checkpoint()
    found = certifier.certify(floats, model.opened.file.path, model.n_threads, SILENT)
    return math.sqrt(2 * found["kl_max"])
