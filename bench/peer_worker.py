"""Runs one engine in its own process, idle until it is asked for a figure.

    PYTHON bench/peer_worker.py MODULE MODEL THREADS [OPTION ...]

Reads one JSON object per line from stdin, `{"call": NAME, "args": [...]}`, and answers with
`{"value": ...}`. MODULE is a peer_*.py with a class `Engine(MODEL, THREADS, *OPTIONS)`. Each figure
is a method of Engine that returns tokens, or texts, per second. `logits(tokens)` returns the logits
after each token, float32 [n, d_vocab]; `versions()` returns the versions of its libraries.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from peer_errors import all_logits, mean_kl

N_PROMPT, N_DECODE, N_WINDOW, LATE, N_LATE, EARLY = 8, 128, 512, 1900, 32, 100


def tokens(n: int) -> list[int]:
    """n token ids, the same for every engine, from GPT-NeoX's vocabulary and not special."""
    return [int(t) for t in np.random.default_rng(0).integers(300, 50_000, n)]


def rate(n_tokens: int, work: Callable[[], object]) -> float:
    """Tokens per second."""
    started = time.perf_counter()
    work()
    return n_tokens / (time.perf_counter() - started)


def agreement(ours: np.ndarray, reference: np.ndarray) -> dict[str, float]:
    """Compare logits [n, d_vocab]: the share with equal top-1, and the mean correlation of rows."""
    a = ours - ours.mean(axis=1, keepdims=True)
    b = reference - reference.mean(axis=1, keepdims=True)
    norms = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    return {
        "top1": float((ours.argmax(axis=1) == reference.argmax(axis=1)).mean()),
        "correlation": float(((a * b).sum(axis=1) / norms).mean()),
    }


def sentences() -> list[list[int]]:
    """1,000 of 8 to 30 tokens; the two of a pair differ in one token, as many of BLiMP's do."""
    rng = np.random.default_rng(1)
    found = []
    for _ in range(500):
        one = [int(t) for t in rng.integers(300, 50_000, rng.integers(8, 31))]
        other = list(one)
        other[rng.integers(1, len(one))] = int(rng.integers(300, 50_000))
        found += [one, other]
    return found


def answer(engine: Any, call: str, args: list[Any]) -> Any:
    # Logits are passed in files and compared here, so that the parent stays small (process_cost).
    if call == "save_logits":
        np.save(args[0], engine.logits(tokens(N_WINDOW)))
        return None
    if call == "compare_logits":
        return agreement(engine.logits(tokens(N_WINDOW)), np.load(args[0]))
    if call == "save_all_logits":
        windows, d_vocab, out = args
        np.save(out, all_logits(engine.logits, windows, d_vocab))
        return None
    if call == "mean_kl":
        windows, reference = args[0], np.load(args[1])
        return mean_kl(all_logits(engine.logits, windows, reference.shape[-1]), reference)
    return getattr(engine, call)(*args)


def main() -> None:
    module, model, n_threads, *options = sys.argv[1:]
    # Libraries may print to stdout, so answers go to a copy of it, and stdout goes to stderr.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    engine = importlib.import_module(module).Engine(model, int(n_threads), *options)
    for line in sys.stdin:
        request = json.loads(line)
        value = answer(engine, request["call"], request.get("args", []))
        print(json.dumps({"value": value}), file=answers, flush=True)


if __name__ == "__main__":
    main()
