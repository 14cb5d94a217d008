"""What int8 costs each engine: the mean KL divergence from float32 on the demo, in 1e-4 nats.

The same tokens for all: windows of eval.txt. So speed and error stand in one table.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import peer_setup

N_WINDOWS, N_TOKENS = 8, 512
STEP = "3000"
DEMO = peer_setup.ROOT / "pythia_cli/demo"


def write_windows(path: Path) -> None:
    """Token ids [N_WINDOWS, N_TOKENS] of the demo's eval.txt, as a .npy file."""
    from pythia_cli.text.tokenizer import PythiaTokenizer

    token_ids = PythiaTokenizer(DEMO / f"step{STEP}/tokenizer.json").encode(
        (DEMO / "eval.txt").read_text(encoding="utf-8")
    )
    np.save(path, token_ids[: N_WINDOWS * N_TOKENS].reshape(N_WINDOWS, N_TOKENS))


def models(python: Path, work: Path, environment: Mapping[str, str]) -> dict[str, Path]:
    """The demo, converted for each engine."""
    source = work / "demo"
    if not source.exists():
        source.symlink_to(DEMO / f"step{STEP}")
    return {
        "float": source,
        "gguf": peer_setup.gguf_model(python, source, work / "demo.gguf"),
        "ctranslate2": peer_setup.ctranslate2_model(python, source, work / "demo-ctranslate2"),
        "int8": peer_setup.int8_model(source, environment, f"demo-copy@{STEP}"),
    }


def all_logits(
    logits: Callable[[list[int]], np.ndarray], windows: Path, d_vocab: int
) -> np.ndarray:
    """[N_WINDOWS, N_TOKENS, d_vocab] float32; some engines pad the vocabulary."""
    rows = [logits([int(token) for token in window]) for window in np.load(windows)]
    return np.stack([np.asarray(row, np.float32)[:, :d_vocab] for row in rows])


def mean_kl(logits: np.ndarray, reference: np.ndarray) -> float:
    """The mean over tokens of sum p log(p / q), in 1e-4 nats; p of the reference."""
    total = 0.0
    for ours, theirs in zip(logits, reference, strict=True):
        log_p, log_q = (log_softmax(z.astype(np.float64)) for z in (theirs, ours))
        total += float((np.exp(log_p) * (log_p - log_q)).sum(axis=1).mean())
    return 1e4 * total / len(logits)


def log_softmax(z: np.ndarray) -> np.ndarray:
    z = z - z.max(axis=1, keepdims=True)
    return z - np.log(np.exp(z).sum(axis=1, keepdims=True))
