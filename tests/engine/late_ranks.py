"""Kernels whose ranks are late at random, where they meet and where they claim work.

`python -m tests.engine.late_ranks SECONDS` compiles them into PYTHIA_CACHE, which should be empty,
and compares what three threads compute with what one does. A meeting that is missing, or that waits
for too few, is hardly ever noticed otherwise: on a quiet machine all ranks come at the same time.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from pythia_cli.checkpoints.quantize import write_int8
from pythia_cli.engine.transformer import Transformer
from pythia_cli.jit import barrier, claims
from pythia_cli.jit.declare import jit
from pythia_cli.jit.team import LINE, OWN
from pythia_cli.suite.config import ModelConfig
from pythia_cli.weights.float_checkpoint import FloatCheckpoint
from pythia_cli.weights.int8_file import Int8File
from pythia_cli.weights.source import Source
from tests.float_folders import Folder

_RANDOM = 7  # a place in a rank's own line
_meet, _claim_next, _yield_slice = barrier.meet, claims.claim_next, barrier._yield_slice


@jit
def _delay(ranks: Any) -> None:
    """Once in sixteen times, let others go first: up to 250 times."""
    at = OWN + ranks.rank * LINE + _RANDOM
    ranks.shared[at] = ranks.shared[at] * 6364136223846793005 + 1442695040888963407 + ranks.rank
    drawn = (ranks.shared[at] >> 33) & 4095
    if drawn < 250:
        for _ in range(drawn):
            _yield_slice()


@jit
def _late_meet(ranks: Any, first_only: Any, w: Any, start: Any) -> Any:
    _delay(ranks)
    goes_on = _meet(ranks, first_only, w, start)
    _delay(ranks)
    return goes_on


@jit
def _late_claim(ranks: Any, claimed: Any, slot: Any, unit: Any, most: Any, n: Any) -> Any:
    _delay(ranks)
    lo, hi = _claim_next(ranks, claimed, slot, unit, most, n)
    _delay(ranks)
    return lo, hi


barrier.meet, claims.claim_next = _late_meet, _late_claim  # before kernels import them


def models(folder: Path) -> Iterator[tuple[Int8File, str]]:
    """Small models, parallel and sequential, in both precisions."""
    for parallel in (True, False):
        config = ModelConfig(
            n_layers=2, n_heads=6, d_model=96, d_mlp=200, d_vocab=1300, n_ctx=64,
            use_parallel_residual=parallel,
        )  # fmt: skip
        floats = Folder(folder / str(parallel), config)
        floats.save()
        checkpoint = FloatCheckpoint(floats.path)
        path = folder / f"{parallel}.safetensors"
        write_int8(checkpoint, path, Source(None, None, None, checkpoint.sha256()))
        for precision in ("exact", "fast"):
            yield Int8File(path), precision


def decoded(model: Transformer) -> list[np.ndarray[Any, Any]]:
    """The logits of tokens one after the other."""
    cache = model.new_cache()
    model.prefill(np.arange(40), cache)
    return [model.decode(token, cache).copy() for token in range(12)]


def scored(model: Transformer) -> list[np.ndarray[Any, Any]]:
    """The scores of single tokens, and of a text."""
    cache, out = model.new_cache(), []
    for token in range(12):
        out += list(model.score(np.array([token]), np.array([token + 700]), cache))
    cache.truncate(0)
    return out + list(model.score(np.arange(50), np.arange(50) + 900, cache))


def main(seconds: float) -> None:
    """Compare for this time. Exits with 1 at the first difference."""
    from pythia_cli.kernels import compiled

    rest, forward = compiled.MODULES
    compiled._LIBRARY._groups = (rest, ["tests.engine.late_ranks", *forward])
    n, works = 0, (decoded, scored)
    with tempfile.TemporaryDirectory() as folder:
        each: list[tuple[Transformer, Callable[[Transformer], Any], list[Any]]] = []
        for file, precision in models(Path(folder)):
            expected = [work(Transformer(file, 1, precision)) for work in works]
            model = Transformer(file, 3, precision)
            each += [(model, work, want) for work, want in zip(works, expected, strict=True)]
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            for model, work, want in each:
                found = work(model)
                if any(a.tobytes() != b.tobytes() for a, b in zip(found, want, strict=True)):
                    sys.exit(f"{work.__name__}: other figures with late ranks")
                n += 1
    print(n)


if __name__ == "__main__":
    main(float(sys.argv[1]))
